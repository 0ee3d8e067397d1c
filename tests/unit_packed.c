/* SPDX-License-Identifier: Apache-2.0
 * tests/unit_packed.c - numbers of packed tensors: every arrangement of words, scales and zeros
 * against a definition that looks at one number at a time, whatever range is asked for; and parts
 * that do not belong together. */
#include "tests/unit.h"
#include "formats/packed.h"
#include "fs/unpack_elems.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { FILE_BYTES = 1 << 20, LARGE = 1 << 17 /* elements */ };

static char dir[] = "/tmp/weightfs-packed.XXXXXX";
static uint8_t bytes[FILE_BYTES];
static struct root *root;
static struct model *model;
static struct kernels kernels;
static uint64_t seed = 1;

static uint64_t rnd(uint64_t n) {
    seed = seed * 6364136223846793005ull + 1442695040888963407ull;
    return (seed >> 33) % n;
}

/* Scales are finite and not zero: every third byte pair is a small f16 of either sign. */
static int init(void **state) {
    (void)state;
    char path[64];
    for (uint32_t i = 0; i < FILE_BYTES; i++)
        bytes[i] = (uint8_t)rnd(256);
    for (uint32_t i = FILE_BYTES / 2; i < FILE_BYTES; i += 2)
        bytes[i + 1] = (uint8_t)((bytes[i + 1] & 0x83) | 0x30);
    if (!mkdtemp(dir))
        return -1;
    snprintf(path, sizeof path, "%s/f", dir);
    FILE *f = fopen(path, "wb");
    if (!f || fwrite(bytes, 1, sizeof bytes, f) != sizeof bytes || fclose(f))
        return -1;
    struct err err = { 0 };
    struct source *s;
    kernels_init(&kernels, 0);
    return root_open(&root, dir, &err) || model_new(&model, STR("m"), &err) ||
           source_open(&s, root, "f", &err) || model_add_source(model, s, &err);
}

static int fini(void **state) {
    (void)state;
    char path[64];
    snprintf(path, sizeof path, "%s/f", dir);
    model_unref(model);
    root_close(root);
    unlink(path);
    rmdir(dir);
    return 0;
}

static struct tensor part(enum dtype type, uint64_t elems, uint64_t off) {
    return (struct tensor){ .name = STR("part"),
                            .dtype = type,
                            .n_dims = 1,
                            .dims = { elems },
                            .elems = elems,
                            .off = off,
                            .bytes = elems * dtype_info[type].block_bytes };
}

/* --- the definition --- */

static uint32_t word_at(const struct tensor *t, uint64_t i) {
    uint32_t w;
    memcpy(&w, bytes + t->off + 4 * i, sizeof w);
    return t->dtype == DTYPE_U8 ? bytes[t->off + i] : w;
}

static float scale_at(const struct tensor *t, uint64_t i) {
    uint16_t bits; /* normal numbers only */
    memcpy(&bits, bytes + t->off + 2 * i, sizeof bits);
    const uint32_t wide = (bits & 0x8000u) << 16 | ((bits & 0x7fffu) + (112u << 10)) << 13;
    float f;
    memcpy(&f, &wide, sizeof f);
    return f;
}

/* Element (r, c) of matrix @m of a stored stack of @rows by @cols. */
static uint64_t place(const struct packed *p, uint64_t m, uint64_t r, uint64_t c, uint64_t rows,
                      uint64_t cols) {
    return p->transposed ? (m * cols + c) * rows + r : (m * rows + r) * cols + c;
}

static uint32_t number(const struct packed *p, const struct tensor *t, enum lanes lanes, uint64_t m,
                       uint64_t r, uint64_t c, uint64_t rows, uint64_t cols) {
    const uint32_t n = p->packing.word_bits / p->packing.bits;
    uint64_t lane = 0;
    if (lanes == LANES_ROWS) {
        rows = (rows + n - 1) / n;
        lane = r % n;
        r /= n;
    } else if (lanes == LANES_PLANES) {
        rows = (rows + n - 1) / n;
        lane = r / rows;
        r %= rows;
    } else if (lanes == LANES_COLS) {
        cols = (cols + n - 1) / n;
        lane = c % n;
        c /= n;
    }
    const uint64_t nth = p->packing.order ? p->packing.order[lane] : lane;
    return word_at(t, place(p, m, r, c, rows, cols)) >> nth * p->packing.bits &
           ((1u << p->packing.bits) - 1);
}

static float define(const struct packed *p, uint64_t elem) {
    const uint64_t c = elem % p->cols, r = elem / p->cols % p->rows, m = elem / p->cols / p->rows;
    const uint64_t sr = r / p->group_rows, srows = (p->rows + p->group_rows - 1) / p->group_rows;
    const uint64_t g = p->index ? word_at(p->index, c) : c / p->group_cols;
    float x = (float)number(p, p->words, p->packing.lanes, m, r, c, p->rows, p->cols);
    if (p->packing.values)
        x = p->packing.values[(int)x];
    float zero = p->zero;
    if (p->zeros)
        zero += (float)number(p, p->zeros, LANES_ROWS, m, sr, g, srows, p->groups);
    const float s =
        scale_at(p->scales, place(p, p->one_scale ? 0 : m, sr, g, srows, p->groups)) * p->factor;
    return p->divide ? (x - zero) / s : (x - zero) * s;
}

static void check_elems(const struct tensor *t) {
    float *want = malloc(t->bytes), *got = malloc(t->bytes);
    struct err err = { 0 };
    struct reader reader = { .model = model, .err = &err };
    for (uint64_t i = 0; i < t->elems; i++)
        want[i] = define(t->packed, i);
    for (int i = 0; i < (t->elems > LARGE ? 15 : 60); i++) {
        const uint64_t at = i ? rnd(t->elems) : 0, n = i ? 1 + rnd(t->elems - at) : t->elems;
        if (unpack_elems(&reader, &kernels, t, at, n, got))
            fail_msg("%s", err.msg);
        assert_memory_equal(got, want + at, n * sizeof *got);
    }
    unpack_fini(&reader);
    free(want);
    free(got);
}

static const uint8_t mixed[8] = { 0, 4, 1, 5, 2, 6, 3, 7 };
static const float fp4[16] = { 0, .5f, 1, 1.5f, 2, 3, 4, 6, -0.f, -.5f, -1, -1.5f, -2, -3, -4, -6 };

static const struct packed shapes[] = {
    /* GPTQ, AWQ */
    { .packing = { .lanes = LANES_COLS, .bits = 4, .word_bits = 32 },
      .zero = 1,
      .transposed = true,
      .rows = 24,
      .cols = 64,
      .group_rows = 1,
      .group_cols = 16,
      .groups = 4 },
    { .packing = { .lanes = LANES_COLS, .bits = 2, .word_bits = 32 },
      .transposed = true,
      .rows = 16,
      .cols = 48,
      .group_rows = 1,
      .group_cols = 48,
      .groups = 1 },
    { .packing = { .lanes = LANES_ROWS, .bits = 4, .word_bits = 32, .order = mixed },
      .transposed = true,
      .rows = 24,
      .cols = 40,
      .group_rows = 1,
      .group_cols = 10,
      .groups = 4 },
    /* compressed-tensors, with rows that no whole words hold */
    { .packing = { .lanes = LANES_COLS, .bits = 4, .word_bits = 32 },
      .rows = 11,
      .cols = 36,
      .group_rows = 1,
      .group_cols = 12,
      .groups = 3 },
    { .packing = { .lanes = LANES_COLS, .bits = 3, .word_bits = 32 },
      .rows = 7,
      .cols = 33,
      .group_rows = 1,
      .group_cols = 33,
      .groups = 1 },
    /* stacks, blocks in both directions, the last ones cut */
    { .packing = { .lanes = LANES_COLS, .bits = 8, .word_bits = 32 },
      .rows = 10,
      .cols = 36,
      .group_rows = 4,
      .group_cols = 16,
      .groups = 3 },
    { .packing = { .lanes = LANES_COLS, .bits = 4, .word_bits = 8, .values = fp4 },
      .transposed = true,
      .rows = 12,
      .cols = 32,
      .group_rows = 1,
      .group_cols = 8,
      .groups = 4,
      .one_scale = true },
    /* read in strips */
    { .packing = { LANES_COLS, 4, 32, NULL, NULL },
      .zero = 1,
      .transposed = true,
      .rows = 1200,
      .cols = 1024,
      .group_rows = 1,
      .group_cols = 128,
      .groups = 8 },
    { .packing = { LANES_ROWS, 4, 32, mixed, NULL },
      .transposed = true,
      .rows = 9000,
      .cols = 90,
      .group_rows = 1,
      .group_cols = 45,
      .groups = 2 },
    /* BitNet */
    { .packing = { .lanes = LANES_PLANES, .bits = 2, .word_bits = 8 },
      .zero = 1,
      .divide = true,
      .rows = 20,
      .cols = 19,
      .group_rows = 20,
      .group_cols = 19,
      .groups = 1 },
};

/* A weight made of @p with its parts; @zeros and @index: with these. */
static int build(struct packed *p, struct tensor parts[4], struct tensor *t, uint64_t matrices,
                 bool zeros, bool index, struct err *err) {
    const enum dtype type = p->packing.word_bits == 8 ? DTYPE_U8 : DTYPE_I32;
    const uint64_t dims[3] = { matrices, p->rows, p->cols };
    const uint32_t n = p->packing.word_bits / p->packing.bits;
    const uint64_t srows = packed_scale_rows(p);
    p->method = "test";
    p->factor = p->packing.values ? 0.3f : 1;
    parts[0] = part(
        type, matrices * packing_rows(&p->packing, p->rows) * packing_cols(&p->packing, p->cols),
        128);
    parts[1] = part(DTYPE_F16, (p->one_scale ? 1 : matrices) * srows * p->groups, FILE_BYTES / 2);
    parts[2] = part(type, matrices * ((srows + n - 1) / n) * p->groups, 20000);
    parts[3] = part(DTYPE_I32, p->cols, 28000);
    p->words = &parts[0];
    p->scales = &parts[1];
    p->zeros = zeros ? &parts[2] : NULL;
    p->index = index ? &parts[3] : NULL;
    *t = (struct tensor){ .name = STR("weight") };
    return packed_tensor(t, p, matrices == 1 ? dims + 1 : dims, matrices == 1 ? 2 : 3, err);
}

/* The file anew, as @bytes are now. */
static void write_again(void) {
    char path[64];
    struct source *s;
    snprintf(path, sizeof path, "%s/f", dir);
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(bytes, 1, sizeof bytes, f), sizeof bytes);
    fclose(f);
    assert_ok(source_open(&s, root, "f", err));
    source_close(model->sources[0]);
    model->sources[0] = s;
}

/* Group numbers within range. */
static void put_index(const struct packed *p, const struct tensor *index) {
    for (uint64_t i = 0; i < p->cols; i++) {
        const uint32_t g = (uint32_t)rnd(p->groups);
        memcpy(bytes + index->off + 4 * i, &g, sizeof g);
    }
}

static void numbers_are_as_defined(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        for (int how = 0; how < 8; how++) {
            struct packed p = shapes[i];
            struct tensor parts[4], t;
            const bool zeros = how & 1 && p.packing.lanes != LANES_PLANES && !p.one_scale;
            assert_ok(build(&p, parts, &t, how & 2 && p.rows * p.cols < LARGE ? 3 : 1, zeros,
                            how & 4, err));
            if (p.index) {
                put_index(&p, &parts[3]);
                write_again();
            }
            check_elems(&t);
        }
}

static void groups_out_of_range(void **state) {
    (void)state;
    struct packed p = shapes[0];
    struct tensor parts[4], t;
    struct err fault = { 0 };
    struct reader reader = { .model = model, .err = &fault };
    float x[64];
    assert_ok(build(&p, parts, &t, 1, true, true, err));
    const int32_t wrong[] = { 4, -1, INT32_MAX, INT32_MIN };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        put_index(&p, &parts[3]);
        memcpy(bytes + parts[3].off + 4 * 7, &wrong[i], 4);
        write_again();
        fault = (struct err){ 0 };
        assert_int_equal(unpack_elems(&reader, &kernels, &t, 0, 64, x), -EBADMSG);
        assert_non_null(strstr(fault.msg, "column 7"));
        unpack_fini(&reader);
    }
}

/* Each part with one element more or less, or of another type. */
static void parts_that_do_not_fit(void **state) {
    (void)state;
    for (int which = 0; which < 4; which++)
        for (int what = 0; what < 3; what++) {
            struct packed p = shapes[0];
            struct tensor parts[4], t;
            struct err fault = { 0 };
            assert_ok(build(&p, parts, &t, 1, true, true, err));
            const uint64_t dims[2] = { p.rows, p.cols };
            if (what < 2)
                parts[which].elems += what ? 1 : UINT64_MAX;
            else
                parts[which].dtype = DTYPE_I64;
            assert_int_equal(packed_tensor(&t, &p, dims, 2, &fault), -EBADMSG);
            assert_non_null(strstr(fault.msg, "test: tensor part"));
        }
    struct packed p = shapes[0];
    struct tensor parts[4], t;
    struct err fault = { 0 };
    assert_ok(build(&p, parts, &t, 1, false, false, err));
    const uint64_t none[2] = { 0, p.cols }, huge[2] = { UINT64_MAX, p.cols };
    assert_int_equal(packed_tensor(&t, &p, none, 2, &fault), -EBADMSG);
    assert_int_equal(packed_tensor(&t, &p, huge, 2, &fault), -EBADMSG);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_are_as_defined),
        cmocka_unit_test(groups_out_of_range),
        cmocka_unit_test(parts_that_do_not_fit),
    };
    return cmocka_run_group_tests(tests, init, fini);
}
