/* SPDX-License-Identifier: Apache-2.0
 * formats/scaling.c - see scaling.h. */
#include "formats/scaling.h"

struct scaling *scaling_new(struct arena *a, const struct expr *e, enum linear8 kind,
                            uint64_t groups, bool per_column) {
    struct scaling *s = e ? arena_new(a, struct scaling) : NULL;
    if (!s)
        return NULL;
    s->expr = e;
    s->kind = kind;
    s->groups = groups;
    s->channels = groups * (per_column ? e->cols : 1);
    s->scale = arena_array(a, float, s->channels);
    return s->scale ? s : NULL;
}

uint64_t scaling_run(const struct scaling *s, uint64_t at, uint64_t n, uint64_t *channel) {
    const uint64_t cols = s->expr->cols, elems = s->expr->rows / s->groups * cols;
    const bool by_column = scaling_by_column(s);
    const uint64_t group = at / elems, left = by_column ? cols - at % cols : elems - at % elems;
    *channel = by_column ? group * cols + at % cols : group;
    return n < left ? n : left;
}

uint64_t scaling_bytes(const struct scaling *s, enum scaling_part part) {
    if (part == SCALING_LEVELS)
        return s->expr->rows * s->expr->cols;
    return s->channels * (part == SCALING_SCALE ? sizeof(float) : 1);
}
