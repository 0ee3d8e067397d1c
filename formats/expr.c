/* SPDX-License-Identifier: Apache-2.0
 * formats/expr.c - following an element through an expression, and what it says of itself. */
#include "formats/exp.h"
#include "formats/expr.h"
#include "formats/merge.h"
#include "formats/packed.h"
#include "quant/codec.h"
#include <math.h>

enum dtype expr_leaf_type(const struct expr *leaf) {
    if (leaf->op != EXPR_TRANSPOSE)
        return leaf->tensor->dtype;
    const enum dtype type = expr_copies(leaf->transpose.in);
    return dtype_info[type].block_elems == 1 ? type : DTYPE_F32;
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
#define PADDING_64 PADDING_16, PADDING_16, PADDING_16, PADDING_16
#define PADDING_512 \
    PADDING_64, PADDING_64, PADDING_64, PADDING_64, PADDING_64, PADDING_64, PADDING_64, PADDING_64
static const union {
    uint32_t bits[EXPR_MAX_PAD];
    float numbers[EXPR_MAX_PAD];
} pad = { { PADDING_512 } };
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
        } else if (e->op == EXPR_BESIDE) {
            const uint64_t row = elem / e->cols, part = e->stack.in[0]->cols;
            const uint64_t col = elem % e->cols;
            elem = row * part + col % part;
            limit = part - col % part;
            e = e->stack.in[col / part];
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
            x[i] = exp_f32(x[i]);
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
    if (e->op != EXPR_STACK && e->op != EXPR_BESIDE)
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
    const bool list = e->op == EXPR_STACK || e->op == EXPR_BESIDE;
    for (uint32_t i = 0; list && i < e->stack.n; i++)
        if (expr_unpacks(e->stack.in[i]))
            return true;
    return e->op == EXPR_TENSOR && tensor_is_made(e->tensor);
}

static void hash_tensor(const struct tensor *t, struct hasher *h,
                        const struct hash128 *source_hash) {
    if (t->packed) {
        hasher_u64(h, t->dtype);
        packed_hash(t->packed, h, source_hash);
    } else if (t->merged) {
        merged_hash(t->merged, h, source_hash);
    } else {
        hasher_add(h, source_hash[t->src].b, sizeof source_hash->b);
        hasher_u64(h, t->dtype);
        hasher_u64(h, t->off);
        hasher_u64(h, t->bytes);
    }
}

void expr_hash(const struct expr *e, struct hasher *h, const struct hash128 *source_hash) {
    hasher_u64(h, e->op);
    hasher_u64(h, e->rows);
    hasher_u64(h, e->cols);
    switch (e->op) {
    case EXPR_TENSOR:
        hash_tensor(e->tensor, h, source_hash);
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
    case EXPR_BESIDE:
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
