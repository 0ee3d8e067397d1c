/* SPDX-License-Identifier: Apache-2.0
 * kernels/simd/lanes.h - what the lane bodies stand on: each is compiled once for each instruction
 * set, over a vec_*.h that gives VL lanes, vf of float, vi of int32_t and vm, a mask of lanes.
 *
 * Arithmetic is by C operators, and a cast between vf and vi keeps the bits. The contract: each
 * lane does the scalar operations of the portable code in its order, so that the bytes are equal.
 * vf_min is a < b ? a : b, and vf_max a > b ? a : b: b where one is a NaN or both are zeros.
 * vi_trunc gives a negative number for what no int32 holds. Loads and stores take any address. */
#pragma once
#include "kernels/blocks.h"
#include "kernels/f16.h"
#include "kernels/portable.h"
#include "kernels/simd/add.h"
#include <stdbool.h>

#define INLINE static inline __attribute__((always_inline))
/* For loops over vectors: left rolled, their arrays would live in memory. */
#define UNROLL _Pragma("GCC unroll 16")

#if defined LANES_AVX512
#include "kernels/simd/vec_avx512.h"
#define LANES(name) name##_avx512
#elif defined LANES_AVX2
#include "kernels/simd/vec_avx2.h"
#define LANES(name) name##_avx2
#elif defined LANES_NEON
#include "kernels/simd/vec_neon.h"
#define LANES(name) name##_neon
#elif defined LANES_PLAIN
#include "kernels/simd/vec_plain.h"
#define LANES(name) name##_plain
#else
#error "compiled once for each instruction set: see kernels/meson.build"
#endif

block_decode_fn LANES(f64_decode), LANES(f16_decode), LANES(bf16_decode);
block_decode_fn LANES(f8_e4m3_decode), LANES(f8_e5m2_decode);
block_encode_fn LANES(f16_encode), LANES(bf16_encode);
void LANES(product_add)(float *x, const float *b, const float *a, size_t stride, size_t rank,
                        double scale, size_t cols);
bool LANES(f32_all_finite)(const float *src, size_t elems);

block_decode_fn LANES(q4_0_decode), LANES(q4_1_decode), LANES(q5_0_decode), LANES(q5_1_decode);
block_decode_fn LANES(q8_0_decode), LANES(q2_k_decode), LANES(q3_k_decode), LANES(q4_k_decode);
block_decode_fn LANES(q5_k_decode), LANES(q6_k_decode);
block_decode_fn LANES(iq1_s_decode), LANES(iq1_m_decode), LANES(iq2_xxs_decode);
block_decode_fn LANES(iq2_xs_decode), LANES(iq2_s_decode), LANES(iq3_xxs_decode);
block_decode_fn LANES(iq3_s_decode), LANES(iq4_nl_decode), LANES(iq4_xs_decode);
block_decode_fn LANES(mxfp4_decode), LANES(nvfp4_decode), LANES(tq1_0_decode);
block_decode_fn LANES(tq2_0_decode), LANES(q1_0_decode), LANES(q2_0_decode);
block_encode_fn LANES(mxfp4_encode), LANES(nvfp4_encode), LANES(tq1_0_encode);
block_encode_fn LANES(tq2_0_encode), LANES(q1_0_encode), LANES(q2_0_encode);
block_encode_fn LANES(q4_0_encode), LANES(q4_1_encode), LANES(q5_0_encode), LANES(q5_1_encode);
block_encode_fn LANES(q8_0_encode), LANES(q2_k_encode), LANES(q3_k_encode), LANES(q4_k_encode);
block_encode_fn LANES(q5_k_encode), LANES(q6_k_encode);

block_encode_weighted_fn LANES(q4_1_encode_weighted), LANES(q5_1_encode_weighted);
block_encode_weighted_fn LANES(q2_k_encode_weighted), LANES(q4_k_encode_weighted);
block_encode_weighted_fn LANES(q5_k_encode_weighted);

block_encode_weighted_fn LANES(q4_0_encode_weighted), LANES(q5_0_encode_weighted);
block_encode_weighted_fn LANES(q3_k_encode_weighted), LANES(q6_k_encode_weighted);

block_encode_fn LANES(iq1_m_encode), LANES(iq4_nl_encode), LANES(iq4_xs_encode);
block_encode_weighted_fn LANES(iq1_s_encode_weighted), LANES(iq1_m_encode_weighted);
block_encode_weighted_fn LANES(iq4_nl_encode_weighted), LANES(iq4_xs_encode_weighted);
block_encode_fn LANES(iq2_s_encode), LANES(iq3_xxs_encode), LANES(iq3_s_encode);
block_encode_weighted_fn LANES(iq2_xxs_encode_weighted), LANES(iq2_xs_encode_weighted);
block_encode_weighted_fn LANES(iq2_s_encode_weighted), LANES(iq3_xxs_encode_weighted);
block_encode_weighted_fn LANES(iq3_s_encode_weighted);
#define DECLARE(name, ...) block_encode_fn LANES(name##_encode);
NBITS_TYPES(DECLARE)
#undef DECLARE
void LANES(clamp)(float *x, size_t n, float least, float most);
void LANES(extremes)(const float *x, size_t n, float *low, float *high);
void LANES(extremes_each)(const float *x, size_t n, float *low, float *high);
void LANES(levels8)(uint8_t *dst, const float *x, size_t n, const struct levels8 *to);
void LANES(levels8_each)(uint8_t *dst, const float *x, const float *scale, size_t n,
                         const struct levels8 *to);
void LANES(transpose)(void *dst, size_t dst_step, const void *src, size_t src_step, size_t rows,
                      size_t cols, size_t elem_bytes);

INLINE vm vf_gt(vf a, vf b) {
    return vf_lt(b, a);
}
INLINE bool vm_any(vm a) {
    return vm_bits(a) != 0;
}
INLINE vi vi_select(vm m, vi yes, vi no) {
    return (vi)vf_select(m, (vf)yes, (vf)no);
}
INLINE vi vi_abs_bits(vf a) {
    return (vi)a & 0x7fffffff;
}
INLINE vf vf_inverse_or_0(vf d) {
    return vf_select(vf_eq(d, vf_set1(0)), vf_set1(0), vf_set1(1) / d);
}

/* int_nearest() of scalar.h, for all numbers. */
INLINE vi vi_nearest(vf v) {
    return ((vi)(v + 12582912.0f) & 0x7fffff) - 0x400000;
}

/* roundf() for |v| < 2^22: step by the float just below 0.5, then truncate. A step of 0.5 itself
 * would turn 0.49999997 into 1. */
INLINE vi vi_round_away(vf v) {
    const vi step = ((vi)v & (int32_t)0x80000000) | (vi)vf_set1(0x1.fffffep-2f);
    return vi_trunc(v + (vf)step);
}

/* Sixteen numbers times @factor, for vf_pick16(), of whose index the low four bits count. */
enum { TABLE16_VECS = 16 / VL };
INLINE void table16_load(vf table[TABLE16_VECS], const int8_t *sixteen, vf factor) {
    UNROLL for (int v = 0; v < TABLE16_VECS; v++) table[v] =
        vf_from_int(vi_load_s8(sixteen + VL * v)) * factor;
}

/* The place of each lane of vector @v among eight: vi_eights() puts one word into eight lanes, and
 * the next one into the next eight where there are so many. */
INLINE vi vi_place(int v) {
    return (vi_iota() + VL * v) & 7;
}

/* The greatest magnitude; negative: one is not finite. @n is a multiple of 16. */
INLINE float greatest_magnitude(const float *src, int n) {
    vi greatest = { 0 };
    for (int i = 0; i < n; i += VL)
        greatest = vi_max(greatest, vi_abs_bits(vf_load(src + i)));
    if (vi_sign_bits((0x7f800000 - 1) - greatest))
        return -1;
    return -vf_least((vf)(greatest | INT32_MIN))[0];
}

/* first_absmax() of 16 numbers: NaNs are passed over. */
INLINE float first_absmax16(const float *x) {
    vf minus[16 / VL], least = vf_set1(0);
    uint32_t places = 0;
    UNROLL for (int v = 0; v < 16 / VL; v++) {
        minus[v] = (vf)((vi)vf_load(x + VL * v) | INT32_MIN);
        least = vf_min(minus[v], least);
    }
    least = vf_least(least);
    UNROLL for (int v = 0; v < 16 / VL; v++) places |= vm_bits(vf_eq(minus[v], least)) << (VL * v);
    return places ? x[__builtin_ctz(places)] : 0;
}

INLINE vi op_max(vi a, vi b) {
    return vi_max(a, b);
}
INLINE vi op_max_unsigned(vi a, vi b) {
    return vi_max_unsigned(a, b);
}
INLINE vi op_fmax(vi a, vi b) {
    return (vi)vf_max((vf)a, (vf)b);
}
INLINE vi op_fmin(vi a, vi b) {
    return (vi)vf_min((vf)a, (vf)b);
}

/* Rows of VL floats, @stride elements apart, to columns: lane k of x[i] is src[k * stride + i]. */
INLINE void vf_load_columns(vf x[VL], const float *src, size_t stride) {
    vi r[VL];
    UNROLL for (int k = 0; k < VL; k++) r[k] = (vi)vf_load(src + stride * (size_t)k);
    vi_transpose(r);
    UNROLL for (int k = 0; k < VL; k++) x[k] = (vf)r[k];
}

/* The way back: lane k of x[i] to dst[k * stride + i]. */
INLINE void vf_store_columns(float *dst, size_t stride, const vf x[VL]) {
    vi r[VL];
    UNROLL for (int i = 0; i < VL; i++) r[i] = (vi)x[i];
    vi_transpose(r);
    UNROLL for (int k = 0; k < VL; k++) vf_store(dst + stride * (size_t)k, (vf)r[k]);
}

/* How an encoder does a fixed number of blocks; false: not done, the portable code must. */
typedef bool group_encode_fn(void *dst, const float *src);

/* Encode @blocks by groups of @group. The last group overlaps the one before it rather than to
 * leave a rest: the same blocks give the same bytes. */
INLINE void encode_groups(void *dst, const float *src, size_t blocks, size_t block_elems,
                          size_t block_bytes, size_t group, group_encode_fn *encode,
                          block_encode_fn *portable) {
    if (blocks < group) {
        portable(dst, src, blocks);
        return;
    }
    for (size_t i = 0; i < blocks; i += group) {
        const size_t first = i + group <= blocks ? i : blocks - group;
        char *d = (char *)dst + first * block_bytes;
        const float *s = src + first * block_elems;
        if (!encode(d, s))
            portable(d, s, group);
    }
}
