/* SPDX-License-Identifier: Apache-2.0
 * formats/joined.c - see joined.h. */
#include "formats/joined.h"
#include "formats/checked.h"

bool joined_tensor(struct tensor *t, const struct joined *j) {
    const struct tensor *first = j->parts[0];
    const uint32_t dim = j->columns ? 1 : 0;
    *t = *first;
    t->joined = j;
    t->off = 0;
    if (first->n_dims <= dim || first->n_dims > 2 || !first->elems || first->strides)
        return false;
    for (uint32_t i = 1; i < j->n; i++)
        if (j->parts[i]->dtype != first->dtype || j->parts[i]->n_dims != first->n_dims ||
            j->parts[i]->strides ||
            memcmp(j->parts[i]->dims, first->dims, first->n_dims * sizeof *first->dims) != 0)
            return false;
    return checked_mul(first->dims[dim], j->n, &t->dims[dim]) &&
           checked_mul(first->elems, j->n, &t->elems) && checked_mul(first->bytes, j->n, &t->bytes);
}

const struct expr *joined_expr(struct arena *a, const struct tensor *t) {
    const struct joined *j = t->joined;
    const struct expr **in = arena_array(a, const struct expr *, j->n);
    if (!in)
        return NULL;
    for (uint32_t i = 0; i < j->n; i++)
        in[i] = expr_tensor(a, j->parts[i]);
    return j->columns ? expr_beside(a, in, j->n) : expr_stack(a, in, j->n);
}
