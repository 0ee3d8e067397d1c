/* SPDX-License-Identifier: Apache-2.0
 * formats/machine.h - the state of a machine that reads a pickle, shared by pickle.c, which has the
 * opcodes, and machine.c only. */
#pragma once
#include "formats/cursor.h"
#include "formats/pickle.h"

struct values {
    struct pickle **p;
    uint32_t n, cap;
};

struct machine {
    struct cursor in;
    struct str bytes;
    struct arena *a;
    pickle_allows *allows;
    struct values stack, memo;
    struct pickle stored; /* a list */
    uint32_t *marks;      /* heights of the stack */
    uint32_t n_marks, cap_marks;
    struct err *err;
};

/* What a function returns that cannot go on. */
int machine_fail(const struct machine *m, int code, const char *why);
int machine_full(const struct machine *m);
int machine_damaged(const struct machine *m);

struct pickle *machine_value(struct machine *m, enum pickle_type type); /* NULL: no memory */
int machine_push(struct machine *m, struct pickle *v);                  /* NULL fails */
struct pickle *machine_top(const struct machine *m); /* NULL: nothing above the last mark */
struct pickle *machine_pop(struct machine *m);       /* likewise */

int machine_append(struct machine *m, struct pickle *to, struct pickle **items, uint32_t n);
/* The last @n values of the stack become one. */
int machine_gather(struct machine *m, enum pickle_type type, uint32_t n);
/* What lies above the last mark, which goes; the values are still in the stack's memory. */
bool machine_unmark(struct machine *m, struct pickle ***items, uint32_t *n);
