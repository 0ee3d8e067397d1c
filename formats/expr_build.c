/* SPDX-License-Identifier: Apache-2.0
 * formats/expr_build.c - expressions are built, and their shapes checked. */
#include "formats/expr.h"
#include "formats/checked.h"
#include "formats/joined.h"
#include "formats/merge.h"
#include "formats/strided.h"
#include "quant/codec.h"

static struct expr *new_expr(struct arena *a, enum expr_op op, uint64_t rows, uint64_t cols) {
    uint64_t elems;
    if (!checked_mul(rows, cols, &elems))
        return NULL;
    struct expr *e = arena_new(a, struct expr);
    if (e)
        *e = (struct expr){ .op = op, .rows = rows, .cols = cols };
    return e;
}

const struct expr *expr_tensor(struct arena *a, const struct tensor *t) {
    if (!t)
        return NULL;
    if (t->strides)
        return strided_expr(a, t);
    if (t->joined)
        return joined_expr(a, t);
    const uint64_t cols = tensor_row(t->dims, t->n_dims);
    struct expr *e = new_expr(a, EXPR_TENSOR, cols ? t->elems / cols : 0, cols);
    if (e)
        e->tensor = t;
    return e;
}

const struct expr *expr_tensor_as(struct arena *a, const struct tensor *t, uint64_t cols) {
    if (!cols || t->elems % cols || t->strides || t->joined ||
        dtype_info[t->dtype].block_elems != 1)
        return NULL;
    struct expr *e = new_expr(a, EXPR_TENSOR, t->elems / cols, cols);
    if (e)
        e->tensor = t;
    return e;
}

const struct expr *expr_literal(struct arena *a, const float *values, uint64_t n) {
    struct expr *e = new_expr(a, EXPR_LITERAL, 1, n);
    float *copy = arena_array(a, float, n);
    if (!e || !copy)
        return NULL;
    memcpy(copy, values, n * sizeof *values);
    e->literal = copy;
    return e;
}

const struct expr *expr_rotary(struct arena *a, const float *frequency, uint64_t rows,
                               uint64_t cols, bool sine) {
    struct expr *e = new_expr(a, EXPR_ROTARY, rows, cols);
    float *copy = arena_array(a, float, cols);
    if (!e || !copy)
        return NULL;
    memcpy(copy, frequency, cols * sizeof *copy);
    e->rotary.frequency = copy;
    e->rotary.sine = sine;
    return e;
}

/* Rows of the output of @map; false when some row would lie outside [0, in_rows). */
static bool map_rows(const struct row_map *map, uint64_t in_rows, uint64_t *rows) {
    uint64_t last = map->offset, total = 1;
    if (map->n > sizeof map->len / sizeof *map->len)
        return false;
    for (uint32_t i = 0; i < map->n; i++) {
        uint64_t reach;
        if (!map->len[i] || !checked_mul(map->len[i] - 1, map->stride[i], &reach) ||
            !checked_add(last, reach, &last) || !checked_mul(total, map->len[i], &total))
            return false;
    }
    *rows = total;
    return last < in_rows;
}

const struct expr *expr_rows(struct arena *a, const struct expr *in, struct row_map map) {
    uint64_t rows;
    if (!in || !map_rows(&map, in->rows, &rows))
        return NULL;
    struct expr *e = new_expr(a, EXPR_ROWS, rows, in->cols);
    if (e) {
        e->gather.in = in;
        e->gather.map = map;
    }
    return e;
}

const struct expr *expr_slice(struct arena *a, const struct expr *in, uint64_t first,
                              uint64_t count) {
    return expr_rows(a, in, (struct row_map){ first, 1, { count }, { 1 } });
}

const struct expr *expr_swap(struct arena *a, const struct expr *in, uint64_t x, uint64_t y) {
    uint64_t group;
    if (!in || !checked_mul(x, y, &group) || !group || in->rows % group)
        return NULL;
    return expr_rows(a, in, (struct row_map){ 0, 3, { in->rows / group, y, x }, { group, 1, y } });
}

/* STACK or BESIDE. */
static const struct expr *new_list(struct arena *a, enum expr_op op, uint64_t rows, uint64_t cols,
                                   const struct expr *const *in, uint32_t n) {
    struct expr *e = new_expr(a, op, rows, cols);
    const struct expr **copy = arena_array(a, const struct expr *, n);
    if (!e || !copy)
        return NULL;
    memcpy(copy, in, n * sizeof *in);
    e->stack.in = copy;
    e->stack.n = n;
    return e;
}

const struct expr *expr_stack(struct arena *a, const struct expr *const *in, uint32_t n) {
    uint64_t rows = 0;
    for (uint32_t i = 0; i < n; i++)
        if (!in[i] || in[i]->cols != in[0]->cols || !checked_add(rows, in[i]->rows, &rows))
            return NULL;
    return n ? new_list(a, EXPR_STACK, rows, in[0]->cols, in, n) : NULL;
}

const struct expr *expr_beside(struct arena *a, const struct expr *const *in, uint32_t n) {
    uint64_t cols = 0;
    for (uint32_t i = 0; i < n; i++)
        if (!in[i] || in[i]->rows != in[0]->rows || in[i]->cols != in[0]->cols ||
            !checked_add(cols, in[i]->cols, &cols))
            return NULL;
    return n ? new_list(a, EXPR_BESIDE, in[0]->rows, cols, in, n) : NULL;
}

const struct expr *expr_transpose(struct arena *a, const struct expr *in, uint64_t rows) {
    if (in && in->op == EXPR_TRANSPOSE && rows == in->transpose.in->cols)
        return in->transpose.in; /* turned back */
    if (in && in->op == EXPR_TENSOR && in->tensor->merged && in->tensor->n_dims >= 2 &&
        in->tensor->n_dims <= 3 && rows == in->tensor->dims[in->tensor->n_dims - 2])
        /* made row by row: sooner of matrices that are turned over */
        return expr_tensor(a, merged_turn(a, in->tensor));
    const enum dtype type = in ? expr_copies(in) : DTYPE_NONE;
    const uint32_t block = dtype_info[type].block_elems;
    if (!block || (block > 1 && !codec_can_decode(type)) || in->cols % block || !in->cols ||
        !rows || in->rows % rows)
        return NULL;
    struct expr *e = new_expr(a, EXPR_TRANSPOSE, in->rows / rows * in->cols, rows);
    if (e)
        e->transpose.in = in;
    return e;
}

const struct expr *expr_add(struct arena *a, const struct expr *in, float addend) {
    struct expr *e = in ? new_expr(a, EXPR_ADD, in->rows, in->cols) : NULL;
    if (e) {
        e->add.in = in;
        e->add.addend = addend;
    }
    return e;
}

const struct expr *expr_mul(struct arena *a, const struct expr *in, float factor) {
    struct expr *e = in ? new_expr(a, EXPR_MUL, in->rows, in->cols) : NULL;
    if (e) {
        e->mul.in = in;
        e->mul.factor = factor;
    }
    return e;
}

const struct expr *expr_exp(struct arena *a, const struct expr *in) {
    struct expr *e = in ? new_expr(a, EXPR_EXP, in->rows, in->cols) : NULL;
    if (e)
        e->exp.in = in;
    return e;
}

const struct expr *expr_log(struct arena *a, const struct expr *in) {
    struct expr *e = in ? new_expr(a, EXPR_LOG, in->rows, in->cols) : NULL;
    if (e)
        e->exp.in = in;
    return e;
}

const struct expr *expr_round(struct arena *a, const struct expr *in, enum dtype to) {
    if (!in || to == DTYPE_F32 || expr_copies(in) == to)
        return in; /* rounding would change nothing */
    struct expr *e = new_expr(a, EXPR_ROUND, in->rows, in->cols);
    if (e) {
        e->round.in = in;
        e->round.to = to;
    }
    return e;
}

const struct expr *expr_pad(struct arena *a, const struct expr *in, uint64_t cols) {
    if (!in || cols < in->cols || cols - in->cols > EXPR_MAX_PAD)
        return NULL;
    if (cols == in->cols)
        return in;
    struct expr *e = new_expr(a, EXPR_PAD, in->rows, cols);
    if (e)
        e->pad.in = in;
    return e;
}

const struct expr *expr_clamp(struct arena *a, const struct expr *in, float least, float most) {
    struct expr *e = in ? new_expr(a, EXPR_CLAMP, in->rows, in->cols) : NULL;
    if (e) {
        e->clamp.in = in;
        e->clamp.least = least;
        e->clamp.most = most;
    }
    return e;
}
