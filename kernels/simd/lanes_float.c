/* SPDX-License-Identifier: Apache-2.0
 * kernels/simd/lanes_float.c - f16, bf16, f8 and f64: conversions of one number, by vectors. */
#include "kernels/simd/lanes.h"

bool LANES(f32_all_finite)(const float *src, size_t elems) {
    vi max[4] = { { 0 } };
    size_t i = 0;
    for (; i + 4 * VL <= elems; i += 4 * VL) {
        UNROLL for (int j = 0; j < 4; j++) max[j] =
            vi_max(max[j], vi_abs_bits(vf_load(src + i + (size_t)(VL * j))));
    }
    const vi all = vi_max(vi_max(max[0], max[1]), vi_max(max[2], max[3]));
    return !vi_sign_bits((0x7f800000 - 1) - all) && f32_all_finite_c(src + i, elems - i);
}

/* Whole vectors by @load, the rest by the portable code. */
INLINE void decode_vectors(float *dst, const void *src, size_t elems, size_t elem_bytes,
                           vf (*load)(const void *), block_decode_fn *portable) {
    const char *s = src;
    size_t i = 0;
    for (; i + 4 * VL <= elems; i += 4 * VL) {
        UNROLL for (int j = 0; j < 4; j++)
            vf_store(dst + i + VL * j, load(s + (i + (size_t)(VL * j)) * elem_bytes));
    }
    portable(dst + i, s + i * elem_bytes, elems - i);
}

INLINE void encode_vectors(void *dst, const float *src, size_t elems, size_t elem_bytes,
                           void (*store)(void *, vf), block_encode_fn *portable) {
    char *d = dst;
    size_t i = 0;
    for (; i + 4 * VL <= elems; i += 4 * VL) {
        UNROLL for (int j = 0; j < 4; j++)
            store(d + (i + (size_t)(VL * j)) * elem_bytes, vf_load(src + i + VL * j));
    }
    portable(d + i * elem_bytes, src + i, elems - i);
}

INLINE vf load_f64(const void *p) {
    return vf_load_f64(p);
}
INLINE vf load_f16(const void *p) {
    return vf_load_f16(p);
}
INLINE vf load_bf16(const void *p) {
    return (vf)(vi_load_u16(p) << 16);
}

/* As in f16.h. */
INLINE vf load_f8_e4m3(const void *p) {
    const vi b = vi_load_u8(p), mag = b & 0x7f;
    const vi number = (vi)((vf)(mag << 20) * 0x1p120f);
    const vi nan = (mag == 0x7f) & 0x7ff00000; /* 480, which it would be, adds no bit */
    return (vf)(b >> 7 << 31 | nan | number);
}

/* The upper byte of a binary16, in which every number and NaN has its place. */
INLINE vf load_f8_e5m2(const void *p) {
    uint16_t halves[VL];
    vi_store_u16(halves, vi_load_u8(p) << 8);
    return vf_load_f16(halves);
}

/* The conversion of the CPU keeps the payload of a NaN: give it the one that has none. */
INLINE void store_f16(void *p, vf v) {
    const vi nan = ((vi)v & (int32_t)0x80000000) | 0x7fc00000;
    vf_store_f16(p, vf_select(vf_eq(v, v), v, (vf)nan));
}

INLINE void store_bf16(void *p, vf v) {
    const vi bits = (vi)v, number = (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
    vi_store_u16(p, vi_select(vf_eq(v, v), number, bits >> 16 | 0x40));
}

void LANES(f64_decode)(float *dst, const void *src, size_t blocks) {
    decode_vectors(dst, src, blocks, 8, load_f64, f64_decode_c);
}

void LANES(f16_decode)(float *dst, const void *src, size_t blocks) {
    decode_vectors(dst, src, blocks, 2, load_f16, f16_decode_c);
}

void LANES(bf16_decode)(float *dst, const void *src, size_t blocks) {
    decode_vectors(dst, src, blocks, 2, load_bf16, bf16_decode_c);
}

void LANES(f8_e4m3_decode)(float *dst, const void *src, size_t blocks) {
    decode_vectors(dst, src, blocks, 1, load_f8_e4m3, f8_e4m3_decode_c);
}

void LANES(f8_e5m2_decode)(float *dst, const void *src, size_t blocks) {
    decode_vectors(dst, src, blocks, 1, load_f8_e5m2, f8_e5m2_decode_c);
}

void LANES(f16_encode)(void *dst, const float *src, size_t blocks) {
    encode_vectors(dst, src, blocks, 2, store_f16, f16_encode_c);
}

void LANES(bf16_encode)(void *dst, const float *src, size_t blocks) {
    encode_vectors(dst, src, blocks, 2, store_bf16, bf16_encode_c);
}
