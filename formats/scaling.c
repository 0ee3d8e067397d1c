/* SPDX-License-Identifier: Apache-2.0
 * formats/scaling.c - see scaling.h. */
#include "formats/scaling.h"

struct scaling *scaling_new(struct arena *a, const struct expr *e, enum linear8 kind,
                            bool per_column) {
    struct scaling *s = e ? arena_new(a, struct scaling) : NULL;
    if (!s)
        return NULL;
    s->expr = e;
    s->kind = kind;
    s->channels = per_column ? e->cols : 1;
    s->scale = arena_array(a, float, s->channels);
    return s->scale ? s : NULL;
}

uint64_t scaling_bytes(const struct scaling *s, enum scaling_part part) {
    if (part == SCALING_LEVELS)
        return s->expr->rows * s->expr->cols;
    return s->channels * (part == SCALING_SCALE ? sizeof(float) : 1);
}
