/* SPDX-License-Identifier: Apache-2.0
 * formats/expr.h - a tensor of a view as a function of the tensors of its source. Built by a
 * table of an architecture, evaluated by fs/render.c for just the elements that are read.
 *
 * An expression is a matrix of `rows` rows of `cols` elements: cols is the fastest dimension of
 * the tensor, rows the product of the others. Gathers (ROWS, STACK) choose rows, BESIDE and PAD make
 * them longer; steps (ADD, MUL, EXP, LOG, ROUND, CLAMP) change numbers one by one; leaves (TENSOR,
 * LITERAL, ROTARY) hold them. TRANSPOSE is a leaf too: what is below it is read in strips. */
#pragma once
#include "formats/arena.h"
#include "formats/hash.h"
#include "formats/tensor.h"

/* Which input row is output row r: write r in the mixed radix len[0..n) (slowest first); the
 * input row is offset + sum(digit[i] * stride[i]). Serves slices, head permutations and the
 * splitting of fused tensors. */
struct row_map {
    uint64_t offset;
    uint32_t n;
    uint64_t len[4], stride[4]; /* rows */
};

enum expr_op {
    EXPR_TENSOR,
    EXPR_LITERAL,
    EXPR_ROWS,
    EXPR_STACK,
    EXPR_ADD,
    EXPR_MUL,
    EXPR_EXP,
    EXPR_LOG,
    EXPR_ROUND,
    EXPR_TRANSPOSE,
    EXPR_ROTARY,
    EXPR_PAD,
    EXPR_CLAMP,
    EXPR_BESIDE
};

struct expr {
    enum expr_op op;
    uint64_t rows, cols;
    union {
        const struct tensor *tensor;                    /* TENSOR */
        const float *literal;                           /* LITERAL: rows * cols values */
        struct { const struct expr *in; struct row_map map; } gather; /* ROWS */
        struct { const struct expr **in; uint32_t n; } stack; /* STACK: one below the other;
                                                               * BESIDE: side by side */
        struct { const struct expr *in; float addend; } add;  /* ADD */
        struct { const struct expr *in; float factor; } mul;  /* MUL */
        struct { const struct expr *in; } exp;                /* EXP, LOG: of base e */
        struct { const struct expr *in; enum dtype to; } round; /* ROUND: through a narrower type */
        struct { const struct expr *in; } pad; /* PAD: to cols, with KERNEL_PADDING */
        struct { const struct expr *in; float least, most; } clamp; /* CLAMP: a magnitude */
        struct { const struct expr *in; } transpose; /* TRANSPOSE: cols is the rows of a group */
        struct {
            const float *frequency;
            bool sine;
        } rotary; /* ROTARY: row r, column c is the
                   * cosine (sine) of r * frequency[c], the product in f32 */
    };
};

/* Constructors: NULL when memory fails or the shapes do not fit; NULL in gives NULL out. */
const struct expr *expr_tensor(struct arena *a, const struct tensor *t);
/* The same numbers in rows of @cols (a reshape): only of a TENSOR whose dtype has no blocks. */
const struct expr *expr_tensor_as(struct arena *a, const struct tensor *t, uint64_t cols);
const struct expr *expr_literal(struct arena *a, const float *values, uint64_t n); /* one row */
const struct expr *expr_rows(struct arena *a, const struct expr *in, struct row_map map);
const struct expr *expr_slice(struct arena *a, const struct expr *in, uint64_t first,
                              uint64_t count);
const struct expr *expr_stack(struct arena *a, const struct expr *const *in, uint32_t n);
/* Of one shape all. */
const struct expr *expr_beside(struct arena *a, const struct expr *const *in, uint32_t n);
const struct expr *expr_add(struct arena *a, const struct expr *in, float addend);
const struct expr *expr_mul(struct arena *a, const struct expr *in, float factor);
const struct expr *expr_exp(struct arena *a, const struct expr *in);
const struct expr *expr_log(struct arena *a, const struct expr *in);
const struct expr *expr_round(struct arena *a, const struct expr *in, enum dtype to);
/* A table of rotary positions 0 to @rows - 1, with a column for each of @cols frequencies. */
const struct expr *expr_rotary(struct arena *a, const float *frequency, uint64_t rows,
                               uint64_t cols, bool sine);
/* Rows of @cols, at most EXPR_MAX_PAD more than they have; for types that know padding. */
const struct expr *expr_pad(struct arena *a, const struct expr *in, uint64_t cols);
/* Magnitudes between @least and @most; zeros, infinities and NaNs stay what they are. */
const struct expr *expr_clamp(struct arena *a, const struct expr *in, float least, float most);
/* [x][y] rows within each of rows/(x*y) groups become [y][x]: the head permutation of llama's q
 * and k is expr_swap(heads' rows, x = 2, y = head_dim / 2) on the way to GGUF, and
 * x = head_dim / 2, y = 2 on the way back. */
const struct expr *expr_swap(struct arena *a, const struct expr *in, uint64_t x, uint64_t y);

/* Each group of @rows rows as a matrix turned over: [rows][cols] becomes [cols][rows]. Of gathers
 * over tensors of one type. Blocks are decoded: the numbers of it are f32 then. */
const struct expr *expr_transpose(struct arena *a, const struct expr *in, uint64_t rows);

enum { EXPR_MAX_STEPS = 8, EXPR_MAX_PAD = 512 };

/* Elements [elem, elem + count) of an expression lie next to each other in one leaf, from
 * leaf_elem on; then come the steps, steps[0] first. */
struct expr_run {
    const struct expr *leaf; /* TENSOR, LITERAL, ROTARY or TRANSPOSE */
    uint64_t leaf_elem, count;
    uint32_t n_steps;
    const struct expr *steps[EXPR_MAX_STEPS]; /* ADD, MUL, EXP, LOG, ROUND or CLAMP */
};

/* One step on @n numbers. False for ROUND and CLAMP, which need kernels. */
bool expr_step(const struct expr *e, float *x, uint64_t n);

/* The longest run that begins at @elem (row-major), at most @count elements. */
void expr_run(const struct expr *e, uint64_t elem, uint64_t count, struct expr_run *run);

/* Elements [elem, elem + n) of a leaf that needs no source; false: it does. @dst NULL: just that.
 */
bool expr_leaf_values(const struct expr *leaf, uint64_t elem, uint64_t n, float *dst);

/* The type whose bytes the expression only moves; DTYPE_NONE if it computes, or mixes types. */
enum dtype expr_copies(const struct expr *e);

/* Does it move numbers that are made when they are read (tensor_is_made)? */
bool expr_unpacks(const struct expr *e);

/* The type of the numbers of a leaf that needs a source. */
enum dtype expr_leaf_type(const struct expr *leaf);

/* The tensor if all bytes of the expression are those of one tensor in its order, else NULL. */
const struct tensor *expr_identity(const struct expr *e);

/* Add the expression and what its leaves are (not their names) to a key; ident of each source
 * is given by @source_hash[tensor.src]. */
void expr_hash(const struct expr *e, struct hasher *h, const struct hash128 *source_hash);
