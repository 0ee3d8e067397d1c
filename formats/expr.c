/* SPDX-License-Identifier: Apache-2.0
 * formats/expr.c - building expressions, and following an element through them. */
#include "formats/expr.h"
#include "formats/checked.h"
#include "formats/merge.h"
#include "formats/packed.h"
#include "formats/strided.h"
#include "quant/codec.h"
#include <math.h>

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
    const uint64_t cols = tensor_row(t->dims, t->n_dims);
    struct expr *e = new_expr(a, EXPR_TENSOR, cols ? t->elems / cols : 0, cols);
    if (e)
        e->tensor = t;
    return e;
}

const struct expr *expr_tensor_as(struct arena *a, const struct tensor *t, uint64_t cols) {
    if (!cols || t->elems % cols || t->strides || dtype_info[t->dtype].block_elems != 1)
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

const struct expr *expr_stack(struct arena *a, const struct expr *const *in, uint32_t n) {
    uint64_t rows = 0;
    for (uint32_t i = 0; i < n; i++)
        if (!in[i] || in[i]->cols != in[0]->cols || !checked_add(rows, in[i]->rows, &rows))
            return NULL;
    if (n == 0)
        return NULL;
    struct expr *e = new_expr(a, EXPR_STACK, rows, in[0]->cols);
    const struct expr **copy = arena_array(a, const struct expr *, n);
    if (!e || !copy)
        return NULL;
    memcpy(copy, in, n * sizeof *in);
    e->stack.in = copy;
    e->stack.n = n;
    return e;
}

const struct expr *expr_transpose(struct arena *a, const struct expr *in, uint64_t rows) {
    if (in && in->op == EXPR_TRANSPOSE && rows == in->rows && in->cols == in->transpose.in->rows)
        return in->transpose.in; /* turned back */
    if (in && in->op == EXPR_TENSOR && in->tensor->merged && rows == in->rows &&
        in->tensor->n_dims == 2) /* made row by row: sooner of matrices that are turned over */
        return expr_tensor(a, merged_turn(a, in->tensor));
    const enum dtype type = in ? expr_copies(in) : DTYPE_NONE;
    if (type == DTYPE_NONE || dtype_info[type].block_elems != 1 || !rows || in->rows % rows ||
        !in->cols)
        return NULL;
    struct expr *e = new_expr(a, EXPR_TRANSPOSE, in->rows / rows * in->cols, rows);
    if (e)
        e->transpose.in = in;
    return e;
}

enum dtype expr_leaf_type(const struct expr *leaf) {
    return leaf->op == EXPR_TRANSPOSE ? expr_copies(leaf->transpose.in) : leaf->tensor->dtype;
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

/* The input row of output row @r; *run: how many rows follow each other in the input too. */
static uint64_t map_row(const struct row_map *map, uint64_t r, uint64_t *run) {
    uint64_t in = map->offset;
    *run = 1;
    for (uint32_t i = map->n; i-- > 0;) {
        const uint64_t digit = r % map->len[i];
        r /= map->len[i];
        in += digit * map->stride[i];
        if (i == map->n - 1 && map->stride[i] == 1)
            *run = map->len[i] - digit;
    }
    return in;
}

static const struct expr *step_input(const struct expr *e) {
    switch (e->op) {
    case EXPR_ADD:
        return e->add.in;
    case EXPR_MUL:
        return e->mul.in;
    case EXPR_EXP:
    case EXPR_LOG:
        return e->exp.in;
    case EXPR_CLAMP:
        return e->clamp.in;
    default:
        return e->round.in;
    }
}

static bool is_leaf(const struct expr *e) {
    return e->op == EXPR_TENSOR || e->op == EXPR_LITERAL || e->op == EXPR_TRANSPOSE ||
           e->op == EXPR_ROTARY;
}

/* What a PAD adds. */
#define PADDING_4  KERNEL_PADDING, KERNEL_PADDING, KERNEL_PADDING, KERNEL_PADDING
#define PADDING_16 PADDING_4, PADDING_4, PADDING_4, PADDING_4
static const union {
    uint32_t bits[EXPR_MAX_PAD];
    float numbers[EXPR_MAX_PAD];
} pad = { { PADDING_16, PADDING_16, PADDING_16, PADDING_16 } };
static const struct expr padding = {
    .op = EXPR_LITERAL, .rows = 1, .cols = EXPR_MAX_PAD, .literal = pad.numbers
};

void expr_run(const struct expr *e, uint64_t elem, uint64_t count, struct expr_run *run) {
    const struct expr *steps[EXPR_MAX_STEPS];
    uint32_t n = 0;
    while (!is_leaf(e)) {
        uint64_t limit = count;
        if (e->op == EXPR_ROWS) {
            uint64_t rows;
            const uint64_t col = elem % e->cols;
            elem = map_row(&e->gather.map, elem / e->cols, &rows) * e->cols + col;
            limit = rows * e->cols - col;
            e = e->gather.in;
        } else if (e->op == EXPR_STACK) {
            uint32_t i = 0;
            while (elem >= e->stack.in[i]->rows * e->cols)
                elem -= e->stack.in[i++]->rows * e->cols;
            limit = e->stack.in[i]->rows * e->cols - elem;
            e = e->stack.in[i];
        } else if (e->op == EXPR_PAD) {
            const uint64_t row = elem / e->cols, col = elem % e->cols, held = e->pad.in->cols;
            limit = (col < held ? held : e->cols) - col;
            elem = col < held ? row * held + col : col - held;
            e = col < held ? e->pad.in : &padding;
        } else {
            if (n < EXPR_MAX_STEPS) /* tables build two at the most */
                steps[n++] = e;
            e = step_input(e);
        }
        if (limit < count)
            count = limit;
    }
    run->leaf = e;
    run->leaf_elem = elem;
    run->count = count;
    run->n_steps = n;
    for (uint32_t i = 0; i < n; i++) /* the innermost step comes first */
        run->steps[i] = steps[n - 1 - i];
}

bool expr_step(const struct expr *e, float *x, uint64_t n) {
    switch (e->op) {
    case EXPR_ADD:
        for (uint64_t i = 0; i < n; i++)
            x[i] += e->add.addend;
        return true;
    case EXPR_MUL:
        for (uint64_t i = 0; i < n; i++)
            x[i] *= e->mul.factor;
        return true;
    case EXPR_EXP:
        for (uint64_t i = 0; i < n; i++)
            x[i] = (float)exp(x[i]); /* rounded once */
        return true;
    case EXPR_LOG:
        for (uint64_t i = 0; i < n; i++)
            x[i] = (float)log(x[i]);
        return true;
    default:
        return false;
    }
}

/* One rounding for the angle; its cosine in f64, rounded once: the same everywhere. */
static void rotary_values(const struct expr *e, uint64_t elem, uint64_t n, float *dst) {
    for (uint64_t i = 0; i < n; i++, elem++) {
        const float angle = (float)(elem / e->cols) * e->rotary.frequency[elem % e->cols];
        dst[i] = (float)(e->rotary.sine ? sin(angle) : cos(angle));
    }
}

bool expr_leaf_values(const struct expr *leaf, uint64_t elem, uint64_t n, float *dst) {
    if (leaf->op == EXPR_LITERAL && dst)
        memcpy(dst, leaf->literal + elem, n * sizeof *dst);
    if (leaf->op == EXPR_ROTARY && dst)
        rotary_values(leaf, elem, n, dst);
    return leaf->op == EXPR_LITERAL || leaf->op == EXPR_ROTARY;
}

enum dtype expr_copies(const struct expr *e) {
    while (e->op == EXPR_ROWS)
        e = e->gather.in;
    if (e->op == EXPR_TENSOR)
        return e->tensor->dtype;
    if (e->op != EXPR_STACK)
        return DTYPE_NONE;
    const enum dtype first = expr_copies(e->stack.in[0]);
    for (uint32_t i = 1; i < e->stack.n; i++)
        if (expr_copies(e->stack.in[i]) != first)
            return DTYPE_NONE;
    return first;
}

const struct tensor *expr_identity(const struct expr *e) {
    while (e->op == EXPR_ROWS && e->gather.map.n == 1 && e->gather.map.offset == 0 &&
           e->gather.map.stride[0] == 1 && e->rows == e->gather.in->rows)
        e = e->gather.in;
    return e->op == EXPR_TENSOR && !tensor_is_made(e->tensor) ? e->tensor : NULL;
}

bool expr_unpacks(const struct expr *e) {
    if (e->op == EXPR_ROWS)
        return expr_unpacks(e->gather.in);
    if (e->op == EXPR_TRANSPOSE)
        return expr_unpacks(e->transpose.in);
    for (uint32_t i = 0; e->op == EXPR_STACK && i < e->stack.n; i++)
        if (expr_unpacks(e->stack.in[i]))
            return true;
    return e->op == EXPR_TENSOR && tensor_is_made(e->tensor);
}

void expr_hash(const struct expr *e, struct hasher *h, const struct hash128 *source_hash) {
    hasher_u64(h, e->op);
    hasher_u64(h, e->rows);
    hasher_u64(h, e->cols);
    switch (e->op) {
    case EXPR_TENSOR:
        if (e->tensor->packed) {
            hasher_u64(h, e->tensor->dtype);
            packed_hash(e->tensor->packed, h, source_hash);
            break;
        }
        if (e->tensor->merged) {
            merged_hash(e->tensor->merged, h, source_hash);
            break;
        }
        hasher_add(h, source_hash[e->tensor->src].b, sizeof source_hash->b);
        hasher_u64(h, e->tensor->dtype);
        hasher_u64(h, e->tensor->off);
        hasher_u64(h, e->tensor->bytes);
        break;
    case EXPR_LITERAL:
        hasher_bytes(h, e->literal, e->rows * e->cols * sizeof *e->literal);
        break;
    case EXPR_ROTARY:
        hasher_bytes(h, e->rotary.frequency, e->cols * sizeof *e->rotary.frequency);
        hasher_u64(h, e->rotary.sine);
        break;
    case EXPR_ROWS:
        hasher_u64(h, e->gather.map.offset);
        hasher_u64(h, e->gather.map.n);
        for (uint32_t i = 0; i < e->gather.map.n; i++) {
            hasher_u64(h, e->gather.map.len[i]);
            hasher_u64(h, e->gather.map.stride[i]);
        }
        expr_hash(e->gather.in, h, source_hash);
        break;
    case EXPR_STACK:
        hasher_u64(h, e->stack.n);
        for (uint32_t i = 0; i < e->stack.n; i++)
            expr_hash(e->stack.in[i], h, source_hash);
        break;
    case EXPR_ADD:
        hasher_bytes(h, &e->add.addend, sizeof e->add.addend);
        expr_hash(e->add.in, h, source_hash);
        break;
    case EXPR_MUL:
        hasher_bytes(h, &e->mul.factor, sizeof e->mul.factor);
        expr_hash(e->mul.in, h, source_hash);
        break;
    case EXPR_EXP:
    case EXPR_LOG:
        expr_hash(e->exp.in, h, source_hash);
        break;
    case EXPR_PAD:
        expr_hash(e->pad.in, h, source_hash);
        break;
    case EXPR_CLAMP:
        hasher_bytes(h, &e->clamp.least, sizeof e->clamp.least);
        hasher_bytes(h, &e->clamp.most, sizeof e->clamp.most);
        expr_hash(e->clamp.in, h, source_hash);
        break;
    case EXPR_TRANSPOSE:
        expr_hash(e->transpose.in, h, source_hash);
        break;
    case EXPR_ROUND:
        hasher_u64(h, e->round.to);
        expr_hash(e->round.in, h, source_hash);
        break;
    }
}
