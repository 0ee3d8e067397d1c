/* SPDX-License-Identifier: Apache-2.0
 * kernels/kernels.h - the table of block kernels. A kernel is pure: flat arrays in and out, no
 * allocation, no I/O, no errors. Every entry writes the same bytes as the portable C one. */
#pragma once
#include "kernels/nbits.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Decode @blocks whole blocks at @src (any alignment) into blocks * block_elems floats. The bytes
 * are those of ggml's dequantize_row_*; where a scale is a NaN, which NaN comes out is not
 * specified. */
typedef void block_decode_fn(float *dst, const void *src, size_t blocks);

/* Encode blocks * block_elems floats into @blocks whole blocks at @dst (any alignment). @dst and
 * @src do not overlap. The bytes are those of ggml's quantize_row_*_ref for every finite input. A
 * block with a NaN or an infinity in it is written as zeros, but f16 and bf16, which have both,
 * keep them (a NaN becomes quiet). */
typedef void block_encode_fn(void *dst, const float *src, size_t blocks);

/* Encode @rows rows of @row_elems floats with importance data, @importance[row_elems], finite, the
 * same for all rows. The bytes are those of ggml's quantize_* with an imatrix. A row with a NaN or
 * an infinity in it is written as zeros. */
typedef void block_encode_weighted_fn(void *dst, const float *src, const float *importance,
                                      size_t rows, size_t row_elems);

/* The bits of what fills a row up to whole blocks, where a type knows such a thing: a NaN with a
 * payload of its own, which no weight has. */
enum { KERNEL_PADDING = 0x7fd0ad0d };

struct block_kernel { /* each may be NULL: none */
    block_decode_fn *decode;
    block_encode_fn *encode;
    block_encode_weighted_fn *encode_weighted;
};

/* A level is round(x / scale) + zero, kept within @least to @most; @scale may be given apart. */
struct levels8 {
    float scale, zero, least, most;
};

/* One member a type; blocks.h and blocks_iq.h have the layouts. The first row's are blocks of one
 * element. */
struct kernels {
    unsigned cpu; /* the mask it was filled for; first, so that no block_kernel has offset 0 */
    /* The matrix [rows][cols] at @src as [cols][rows] at @dst; @elem_bytes is 1, 2, 4 or 8. */
    void (*transpose)(void *dst, size_t dst_step, const void *src, size_t src_step, size_t rows,
                      size_t cols, size_t elem_bytes);
    /* x[j] += scale * (b[0] * a[j] + b[1] * a[stride + j] + ...), @rank products in this order, in
     * f64 and rounded once: a row of a matrix to which the product of two others is added. */
    void (*product_add)(float *x, const float *b, const float *a, size_t stride, size_t rank,
                        double scale, size_t cols);
    bool (*f32_all_finite)(const float *src, size_t elems);
    /* Magnitudes into [@least, @most]; zeros, infinities and NaNs stay what they are. */
    void (*clamp)(float *x, size_t n, float least, float most);
    /* Lowers *low, which is 0 or less, to the least of finite numbers, and raises *high, which is 0
     * or more, to the greatest. */
    void (*extremes)(const float *x, size_t n, float *low, float *high);
    /* The same of low[i] and high[i] by x[i]. */
    void (*extremes_each)(const float *x, size_t n, float *low, float *high);
    /* Finite numbers to levels, int8 or uint8, ties to even. */
    void (*levels8)(uint8_t *dst, const float *x, size_t n, const struct levels8 *to);
    /* x[i] by scale[i]. */
    void (*levels8_each)(uint8_t *dst, const float *x, const float *scale, size_t n,
                         const struct levels8 *to);
    struct block_kernel f64, f16, bf16, f8_e4m3, f8_e5m2;
    struct block_kernel q4_0, q4_1, q5_0, q5_1, q8_0;
    struct block_kernel q2_k, q3_k, q4_k, q5_k, q6_k;
    struct block_kernel iq1_s, iq1_m, iq2_xxs, iq2_xs, iq2_s, iq3_xxs, iq3_s, iq4_nl, iq4_xs;
    struct block_kernel mxfp4, nvfp4, tq1_0, tq2_0, q1_0, q2_0;
#define MEMBER(name, ...) struct block_kernel name;
    NBITS_TYPES(MEMBER)
#undef MEMBER
};

/* Blocks of ggml as levels or scales of MatMulNBits, one for one: repack.c. */
typedef void block_repack_fn(void *dst, const void *src, size_t blocks);
block_repack_fn repack_q4_0_levels, repack_q4_0_scales, repack_q4_0_scales_f16;
block_repack_fn repack_q8_0_levels, repack_q8_0_scales, repack_q8_0_scales_f16;

enum cpu { CPU_AVX2 = 1 << 0, CPU_AVX512 = 1 << 1, CPU_NEON = 1 << 2, CPU_ALL = ~0 };

/* What the CPU *and* the OS allow, less what the environment forbids: WEIGHTFS_CPU=none leaves
 * the portable kernels, =avx2 those and AVX2; other values leave all. */
unsigned cpu_detect(void);

/* Fill the table: portable C, then whatever @cpu (a mask of enum cpu) adds; 0: portable only. */
void kernels_init(struct kernels *k, unsigned cpu);
