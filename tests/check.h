/* SPDX-License-Identifier: Apache-2.0
 * tests/check.h - for the tests of kernels: seeded fills, comparison byte by byte, rates. */
#pragma once
#include "kernels/kernels.h"
#include "quant/dtype.h"

/* A real ggml, loaded from a path; all NULL: none. */
struct check_ggml {
    void *library;
    size_t (*quantize)(int type, const float *src, void *dst, int64_t start, int64_t rows,
                       int64_t row_elems, const float *importance);
};

struct check {
    const char *cpu_name;
    struct kernels portable, tested;
    uint64_t seed;    /* of everything; printed when something fails */
    uint64_t random;  /* state of check_random */
    size_t blocks;    /* a fill; odd, so that rests are met */
    const char *only; /* the one type of interest, or NULL */
    struct check_ggml ggml;
    unsigned failed, done;
};

/* Numbers that encoders are known to go wrong on, each with a fill of its own. */
enum check_fill {
    FILL_NORMAL,
    FILL_UNIFORM,
    FILL_ZERO,
    FILL_SIGNED_ZERO,
    FILL_SUBNORMAL,
    FILL_TINY,
    FILL_HUGE,
    FILL_LIMITS,
    FILL_TIES,
    FILL_BELOW_HALF,
    FILL_ONE_HOT,
    FILL_CONSTANT,
    FILL_REPEATED,
    FILL_OUTLIERS,
    FILL_MIRRORED,
    FILL_OFFSET,
    FILL_CLOSE,
    FILL_FEW_LEVELS,
    FILL_RAW,
    FILL_INFINITE_INVERSE,
    FILL_MIXED,      /* another fill for each run of elements */
    FILL_NOT_FINITE, /* mixed, with NaNs and infinities; from here on */
    FILL_PADDED,     /* that, and runs that end in padding */
    FILL_COUNT,
};

uint64_t check_random(struct check *t);

/* The name that is printed for @fill. */
const char *check_fill_name(enum check_fill fill);

/* Fill @n floats. Runs of @run elements (a block or a part of one) share their scale. */
void check_fill_f32(struct check *t, float *dst, size_t n, size_t run, enum check_fill fill);

/* Compare, and say where they differ first. @unit: bytes a block. */
void check_bytes(struct check *t, const char *what, const char *how, const void *want,
                 const void *got, size_t bytes, size_t unit);

/* The row of @type in @k; all NULL where it has none. */
struct block_kernel check_kernel(const struct kernels *k, enum dtype type);

/* Which NaN a decoder gives is not specified: makes them all one. */
void check_unify_nans(float *x, size_t n);

/* Count a failure. */
void check_fail(struct check *t, const char *what, const char *how);

/* The tests: one a file. */
void check_blocks(struct check *t);
void check_floats(struct check *t);
void check_transpose(struct check *t);
void check_range(struct check *t);
void check_dtype(struct check *t);
void check_golden(struct check *t, const char *path);
void check_ggml(struct check *t); /* against t->ggml, t->blocks of each type */
void check_bench(struct check *t);

/* Load a libggml-base.so. */
bool check_ggml_load(struct check_ggml *ggml, const char *path);

/* Its decoder; NULL: none. */
typedef void check_dequantize_fn(const void *src, float *dst, int64_t elems);
check_dequantize_fn *check_ggml_decoder(const struct check_ggml *ggml, enum dtype type);

/* ggml has no encoder without importance data for these, and aborts if asked. */
bool check_ggml_only_weighted(enum dtype type);

/* Whether @type is of interest. */
bool check_wants(const struct check *t, enum dtype type);
