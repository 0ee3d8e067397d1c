/* SPDX-License-Identifier: Apache-2.0
 * formats/scaling.h - a tensor whose levels depend on the extremes of all of it: nothing of it can
 * be written before it was read once. What was found is kept here, and as a fact in the cache. */
#pragma once
#include "formats/expr.h"
#include "quant/linear8.h"
#include <stdatomic.h>

/* Three tensors are made of one: its levels, the scale, the zero point. */
enum scaling_part { SCALING_LEVELS, SCALING_SCALE, SCALING_ZERO };

struct scaling {
    const struct expr *expr;
    enum linear8 kind;
    uint64_t groups;    /* of as many rows, whose scales are their own */
    uint64_t channels;  /* scales: one a group, or one for each column of each group */
    struct hash128 key; /* of the fact; filled by layout_hash */
    _Atomic bool known; /* then the rest is set, and does not change; fs/scale.c */
    float *scale;       /* of each channel; room from the layout's arena */
    uint8_t zero;       /* of all */
};

/* In @a; NULL: no memory. @groups divides the rows of @e. */
struct scaling *scaling_new(struct arena *a, const struct expr *e, enum linear8 kind,
                            uint64_t groups, bool per_column);

/* Each number of a row has a scale of its own. */
static inline bool scaling_by_column(const struct scaling *s) {
    return s->channels > s->groups;
}

/* Of the numbers from @at on, how many share a scale, or have theirs side by side; at most @n.
 * *channel: the first one's. */
uint64_t scaling_run(const struct scaling *s, uint64_t at, uint64_t n, uint64_t *channel);

/* Bytes of a part. */
uint64_t scaling_bytes(const struct scaling *s, enum scaling_part part);
