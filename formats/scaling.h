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
    uint64_t channels;  /* scales: 1, or one for each column of the expression */
    struct hash128 key; /* of the fact; filled by layout_hash */
    _Atomic bool known; /* then the rest is set, and does not change; fs/scale.c */
    float *scale;       /* of each channel; room from the layout's arena */
    uint8_t zero;       /* of all */
};

/* In @a; NULL: no memory. */
struct scaling *scaling_new(struct arena *a, const struct expr *e, enum linear8 kind,
                            bool per_column);

/* Bytes of a part. */
uint64_t scaling_bytes(const struct scaling *s, enum scaling_part part);
