/* SPDX-License-Identifier: Apache-2.0
 * formats/arch/back.h - config.json from the pairs of a GGUF: the lists of hyper-parameters read
 * from right to left, as reverse.c reads the rules of tensors. */
#pragma once
#include "formats/arch/family.h"
#include "formats/buffer.h"

enum { BACK_MAX_MEMBERS = 64 };

struct back {
    struct buffer *b;
    struct arena *arena;
    const struct model *m;
    const struct arch *arch;
    const struct hf_class *cls;
    struct json *defaults; /* the fields that the class has */
    struct str written[BACK_MAX_MEMBERS];
    unsigned n;
    int rc; /* the first failure counts */
    struct err *err;
};

/* What the lists do not tell of an architecture. */
struct arch_back {
    const char *model_type, *class_name;      /* of config.json */
    const char *experts_type, *experts_class; /* likewise where there are experts; or NULL */
    void (*more)(struct back *w);             /* members that no list has; or NULL */
};

/* Members of config.json; one that is there already stays. */
void back_u64(struct back *w, const char *name, uint64_t v);
void back_f32(struct back *w, const char *name, float v); /* in as few digits as tell it */
void back_bool(struct back *w, const char *name, bool v);
void back_null(struct back *w, const char *name);
void back_raw(struct back *w, const char *name, const char *json);
void back_text(struct back *w, const char *name, struct str v);

/* A pair; @key begins with '.'. False: absent. */
bool back_find_u64(const struct back *w, const char *key, uint64_t *v);
bool back_find_f32(const struct back *w, const char *key, float *v);
bool back_has_tensor(const struct back *w, const char *name);

void back_fail(struct back *w, int code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* rope_theta and rope_scaling. */
void back_rope(struct back *w);
