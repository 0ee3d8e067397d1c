/* SPDX-License-Identifier: Apache-2.0
 * formats/folder_trace.h - what somebody looked at in a folder and found there, so that it can be
 * told whether another folder would have shown the same. */
#pragma once
#include "formats/arena.h"
#include "formats/hash.h"
#include <stdbool.h>

struct folder;

enum folder_look {
    LOOK_HAS,  /* folder_has */
    LOOK_TEXT, /* folder_slurp */
    LOOK_LIST  /* folder_list */
};

struct folder_seen {
    enum folder_look look;
    struct str name;
    struct hash128 found;
};

struct folder_trace {
    struct arena *arena;
    struct folder_seen *seen;
    uint32_t n, cap;
    bool failed; /* no memory: it does not tell all */
};

/* What was found: a result, and bytes where there are some. Does nothing for a @t of NULL. */
void folder_trace_add(struct folder_trace *t, enum folder_look look, const char *name, int result,
                      const void *bytes, size_t n);

/* Does @f show all of that too? Reads what was read. */
bool folder_trace_holds(const struct folder_trace *t, const struct folder *f);

/* Of all that was found. */
struct hash128 folder_trace_hash(const struct folder_trace *t);
