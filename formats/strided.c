/* SPDX-License-Identifier: Apache-2.0
 * formats/strided.c - strides as a gather and a transpose. With d[f] the dimension whose elements
 * are neighbours, the rows are those of d[f] elements: gathered in the order of all others, they
 * have to be turned over if some come behind d[f]. Where rows do not begin at multiples of d[f], or
 * no elements are neighbours, rows have one element each, and turning them over only puts them
 * side by side. */
#include "formats/strided.h"
#include "formats/checked.h"

struct axes {
    uint64_t len[TENSOR_MAX_DIMS], stride[TENSOR_MAX_DIMS];
    uint32_t n;
};

/* Dimensions of one element left out, those that are as good as one put together. */
static struct axes simplify(const struct tensor *t) {
    struct axes a = { .n = 0 };
    for (uint32_t i = 0; i < t->n_dims; i++) {
        uint64_t span;
        const uint64_t len = t->dims[i], stride = t->strides[i];
        if (len == 1)
            continue;
        if (a.n && checked_mul(len, stride, &span) && span == a.stride[a.n - 1]) {
            a.len[a.n - 1] *= len;
            a.stride[a.n - 1] = stride;
            continue;
        }
        a.len[a.n] = len;
        a.stride[a.n++] = stride;
    }
    return a;
}

/* The dimension of neighbours, if rows of it lie at multiples of its length; else a.n. */
static uint32_t find_neighbours(const struct axes *a) {
    uint32_t f = 0;
    while (f < a->n && a->stride[f] != 1)
        f++;
    for (uint32_t i = 0; f < a->n && i < a->n; i++)
        if (i != f && a->stride[i] % a->len[f])
            return a->n;
    return f;
}

bool strided_map(const struct tensor *t, struct strided *out) {
    const struct axes a = simplify(t);
    const uint32_t f = find_neighbours(&a);
    const uint32_t max = sizeof out->map.len / sizeof *out->map.len;
    *out = (struct strided){ .rows = 1, .cols = f < a.n ? a.len[f] : 1 };
    if (a.n - (f < a.n) > max)
        return false;
    uint64_t behind = 1;
    for (uint32_t i = 0; i < a.n; i++) {
        if (i == f)
            continue;
        const uint64_t stride = a.stride[i] / out->cols;
        out->map.len[out->map.n] = a.len[i];
        out->map.stride[out->map.n++] = stride;
        out->rows += (a.len[i] - 1) * stride; /* within the storage: checked by the reader */
        if (i > f)
            behind *= a.len[i];
    }
    if (f == a.n)
        out->turn = tensor_row(t->dims, t->n_dims);
    else if (f + 1 < a.n)
        out->turn = behind;
    return true;
}

const struct expr *strided_expr(struct arena *a, const struct tensor *t) {
    struct strided s;
    struct tensor *place = arena_new(a, struct tensor);
    if (!place || !strided_map(t, &s))
        return NULL;
    *place = *t;
    place->strides = NULL;
    place->n_dims = 2;
    place->dims[0] = s.rows;
    place->dims[1] = s.cols;
    place->elems = s.rows * s.cols;
    const struct expr *e = expr_rows(a, expr_tensor(a, place), s.map);
    return s.turn ? expr_transpose(a, e, s.turn) : e;
}
