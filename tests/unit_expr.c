/* SPDX-License-Identifier: Apache-2.0
 * tests/unit_expr.c - expressions: every element of a view is followed to the right element of a
 * source, however the range is cut. */
#include "tests/unit.h"
#include "formats/err.h"
#include "formats/expr.h"
#include "formats/layout.h"
#include <math.h>
#include <string.h>

static struct arena arena;

static int fini(void **state) {
    (void)state;
    arena_fini(&arena);
    return 0;
}

static struct tensor matrix(uint64_t rows, uint64_t cols, uint64_t off) {
    return (struct tensor){ .dtype = DTYPE_F32,
                            .n_dims = 2,
                            .dims = { rows, cols },
                            .elems = rows * cols,
                            .off = off,
                            .bytes = rows * cols * 4 };
}

/* The element of which leaf element @elem is. */
static uint64_t follow(const struct expr *e, uint64_t elem, const struct expr **leaf) {
    struct expr_run run;
    expr_run(e, elem, 1, &run);
    assert_int_equal(run.count, 1);
    *leaf = run.leaf;
    return run.leaf_elem;
}

/* Runs of any length say the same as single elements. */
static void check_runs(const struct expr *e) {
    const uint64_t n = e->rows * e->cols;
    for (uint64_t at = 0; at < n;) {
        struct expr_run run;
        expr_run(e, at, n - at, &run);
        assert_true(run.count >= 1 && run.count <= n - at);
        for (uint64_t i = 0; i < run.count; i++) {
            const struct expr *leaf;
            assert_int_equal(follow(e, at + i, &leaf), run.leaf_elem + i);
            assert_ptr_equal(leaf, run.leaf);
        }
        at += run.count;
    }
}

static void heads_are_permuted(void **state) {
    (void)state;
    enum { HEADS = 3, DIM = 8, COLS = 5 };
    struct tensor t = matrix(HEADS * DIM, COLS, 0);
    const struct expr *in = expr_tensor(&arena, &t);
    const struct expr *e = expr_swap(&arena, in, 2, DIM / 2);
    assert_non_null(e);
    check_runs(e);
    /* numpy: w.reshape(heads, 2, dim / 2, cols).swapaxes(1, 2) */
    for (uint64_t h = 0; h < HEADS; h++)
        for (uint64_t i = 0; i < DIM / 2; i++)
            for (uint64_t j = 0; j < 2; j++) {
                const struct expr *leaf;
                const uint64_t out = (h * DIM + i * 2 + j) * COLS + 1;
                assert_int_equal(follow(e, out, &leaf), (h * DIM + j * (DIM / 2) + i) * COLS + 1);
            }
    /* and back */
    const struct expr *back = expr_swap(&arena, e, DIM / 2, 2);
    for (uint64_t i = 0; i < HEADS * DIM * COLS; i++) {
        const struct expr *leaf;
        assert_int_equal(follow(back, i, &leaf), i);
    }
    assert_null(expr_swap(&arena, in, 2, 5)); /* does not divide the rows */
}

static void stacks_and_slices(void **state) {
    (void)state;
    struct tensor a = matrix(4, 3, 0), b = matrix(2, 3, 1000);
    const struct expr *in[] = { expr_tensor(&arena, &a), expr_tensor(&arena, &b) };
    const struct expr *e = expr_stack(&arena, in, 2);
    assert_int_equal(e->rows, 6);
    check_runs(e);
    const struct expr *leaf;
    assert_int_equal(follow(e, 4 * 3 + 1, &leaf), 1);
    assert_ptr_equal(leaf->tensor, &b);
    const struct expr *s = expr_slice(&arena, e, 3, 2);
    check_runs(s);
    assert_int_equal(follow(s, 0, &leaf), 9);
    assert_ptr_equal(leaf->tensor, &a);
    assert_null(expr_slice(&arena, e, 5, 2));
    assert_null(expr_slice(&arena, e, UINT64_MAX, 2));
}

static void transposes_are_leaves(void **state) {
    (void)state;
    struct tensor t = matrix(12, 5, 0), cut = t, blocks = matrix(12, 64, 0), other = blocks;
    cut.dtype = blocks.dtype = DTYPE_Q8_0;
    other.dtype = DTYPE_U4;
    const struct expr *in = expr_tensor(&arena, &t), *e = expr_transpose(&arena, in, 4);
    assert_int_equal(e->rows, 15);
    assert_int_equal(e->cols, 4);
    struct expr_run run;
    expr_run(expr_slice(&arena, e, 2, 3), 0, 100, &run);
    assert_ptr_equal(run.leaf, e);
    assert_int_equal(run.leaf_elem, 8);
    assert_int_equal(run.count, 12);
    assert_int_equal(expr_leaf_type(e), DTYPE_F32);
    assert_int_equal(expr_copies(e), DTYPE_NONE);
    assert_null(expr_identity(e));
    assert_null(expr_transpose(&arena, in, 5));                      /* does not divide the rows */
    assert_null(expr_transpose(&arena, expr_add(&arena, in, 1), 4)); /* is no gather */
    assert_null(expr_transpose(&arena, expr_tensor(&arena, &cut), 4));   /* rows end in blocks */
    assert_null(expr_transpose(&arena, expr_tensor(&arena, &other), 4)); /* has no decoder */
    assert_int_equal(expr_leaf_type(expr_transpose(&arena, expr_tensor(&arena, &blocks), 4)),
                     DTYPE_F32);
}

static void steps_keep_their_order(void **state) {
    (void)state;
    struct tensor t = matrix(2, 4, 0);
    const struct expr *in = expr_tensor(&arena, &t);
    const struct expr *e = expr_round(&arena, expr_add(&arena, in, 1), DTYPE_BF16);
    struct expr_run run;
    expr_run(e, 0, 8, &run);
    assert_int_equal(run.n_steps, 2);
    assert_int_equal(run.steps[0]->op, EXPR_ADD);
    assert_int_equal(run.steps[1]->op, EXPR_ROUND);
    assert_ptr_equal(expr_round(&arena, in, DTYPE_F32), in); /* changes nothing: not there */
    assert_int_equal(expr_copies(e), DTYPE_NONE);
    assert_int_equal(expr_copies(in), DTYPE_F32);
    assert_ptr_equal(expr_identity(expr_slice(&arena, in, 0, 2)), &t);
    assert_null(expr_identity(expr_slice(&arena, in, 0, 1)));
}

/* torch.exp of numbers where it is not the nearest one, and of some where it is. */
static void exponentials_are_those_of_torch(void **state) {
    (void)state;
    static const struct {
        float x, y;
    } pairs[] = {
        { 0x1.4c2006p+2f, 0x1.66bdcap+7f },
        { 0x1.04c9ccp+1f, 0x1.eaeccep+2f },
        { 0x1.68c3p+0f, 0x1.05f02cp+2f },
        { 0x1.e14e2ep+3f, 0x1.9faa4ap+21f },
        { -0x1.297e16p+2f, 0x1.39d758p-7f },
        { -0x1.7b1428p+3f, 0x1.e0e116p-18f },
        { -0x1.92d76cp+2f, 0x1.e41494p-10f },
        { 0x1.73255cp+1f, 0x1.22a9dcp+4f },
        { 0, 1 },
    };
    struct tensor t = matrix(1, 1, 0);
    const struct expr *e = expr_exp(&arena, expr_tensor(&arena, &t));
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        float x = pairs[i].x;
        assert_true(expr_step(e, &x, 1));
        assert_true(x == pairs[i].y);
    }
}

static struct hash128 hash(const struct expr *e) {
    const struct hash128 source = { { 1, 2, 3 } };
    struct hasher *h = hasher_new();
    expr_hash(e, h, &source);
    return hasher_end(h);
}

static void keys_tell_expressions_apart(void **state) {
    (void)state;
    struct tensor t = matrix(8, 4, 0), other = matrix(8, 4, 128);
    const struct expr *in = expr_tensor(&arena, &t);
    const struct expr *all[] = {
        in,
        expr_tensor(&arena, &other),
        expr_swap(&arena, in, 2, 4),
        expr_swap(&arena, in, 4, 2),
        expr_slice(&arena, in, 0, 4),
        expr_slice(&arena, in, 1, 4),
        expr_add(&arena, in, 1),
        expr_add(&arena, in, 2),
        expr_round(&arena, in, DTYPE_F16),
        expr_round(&arena, in, DTYPE_BF16),
    };
    const size_t n = sizeof all / sizeof *all;
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < n; j++) {
            const struct hash128 a = hash(all[i]), b = hash(all[j]);
            assert_int_equal(memcmp(&a, &b, sizeof a) == 0, i == j);
        }
}

static void layout_covers_the_view(void **state) {
    (void)state;
    struct layout l = { .arena = &arena };
    struct tensor t = matrix(8, 64, 4096);
    const struct expr *e = expr_tensor(&arena, &t);
    assert_ok(layout_literal(&l, "header", 6, err));
    assert_ok(layout_zero(&l, 26, err));
    assert_ok(layout_tensor(&l, STR("same"), e, DTYPE_F32, NULL, err));
    assert_ok(layout_tensor(&l, STR("half"), e, DTYPE_F16, NULL, err));
    assert_ok(layout_zero(&l, 0, err));
    assert_int_equal(l.n, 4);
    assert_int_equal(l.size, 32 + 2048 + 1024);
    assert_int_equal(l.extents[2].kind, EXTENT_COPY);
    assert_int_equal(l.extents[2].copy.off, 4096);
    assert_int_equal(l.extents[3].kind, EXTENT_CONVERT);
    for (uint64_t at = 0; at < l.size; at++) {
        const struct extent *x = layout_find(&l, at);
        assert_true(at >= x->off && at - x->off < x->len);
    }
    struct err err = { 0 };
    assert_true(layout_tensor(&l, STR("rows"), expr_tensor(&arena, &t), DTYPE_Q6_K, NULL, &err) <
                0);
    assert_true(layout_zero(&l, INT64_MAX, NULL) < 0);
}

static void steps_change_numbers(void **state) {
    (void)state;
    struct tensor t = matrix(1, 4, 0);
    const struct expr *e = expr_mul(&arena, expr_exp(&arena, expr_tensor(&arena, &t)), -1);
    float x[4] = { 0, 1, -200, 200 };
    struct expr_run run;
    expr_run(e, 0, 4, &run);
    assert_int_equal(run.n_steps, 2);
    for (uint32_t i = 0; i < run.n_steps; i++)
        assert_true(expr_step(run.steps[i], x, 4));
    assert_true(x[0] == -1 && x[1] == -0x1.5bf0a8p1f && x[2] == 0 && x[3] < -0x1p127f);
    assert_false(expr_step(expr_round(&arena, e, DTYPE_F16), x, 4));
    assert_int_equal(expr_copies(e), DTYPE_NONE);
}

static void rotary_tables_are_leaves(void **state) {
    (void)state;
    static const float frequency[2] = { 1, 0.25f };
    const struct expr *e = expr_rotary(&arena, frequency, 3, 2, false);
    const struct expr *sine = expr_rotary(&arena, frequency, 3, 2, true);
    struct expr_run run;
    float x[6], y[6];
    expr_run(e, 1, 5, &run);
    assert_ptr_equal(run.leaf, e);
    assert_int_equal(run.leaf_elem, 1);
    assert_int_equal(run.count, 5);
    assert_true(expr_leaf_values(e, 0, 6, x) && expr_leaf_values(sine, 4, 2, y));
    assert_true(x[0] == 1 && x[1] == 1);
    assert_true(x[2] == (float)cos(1) && x[5] == (float)cos(0.5));
    assert_true(y[0] == (float)sin(2) && y[1] == (float)sin(0.5));
    assert_int_equal(expr_copies(e), DTYPE_NONE);
    assert_null(expr_identity(e));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(exponentials_are_those_of_torch),
        cmocka_unit_test(steps_change_numbers),
        cmocka_unit_test(heads_are_permuted),
        cmocka_unit_test(stacks_and_slices),
        cmocka_unit_test(rotary_tables_are_leaves),
        cmocka_unit_test(steps_keep_their_order),
        cmocka_unit_test(transposes_are_leaves),
        cmocka_unit_test(keys_tell_expressions_apart),
        cmocka_unit_test(layout_covers_the_view),
    };
    return cmocka_run_group_tests(tests, NULL, fini);
}
