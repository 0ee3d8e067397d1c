/* SPDX-License-Identifier: Apache-2.0
 * kernels/simd/vec_avx512.h - the vector operations of lanes.h, on 16 lanes: AVX-512 F BW DQ VL. */
#pragma once
#include <immintrin.h>
#include <stdint.h>

enum { VL = 16 };
typedef __m512 vf;
typedef int32_t vi __attribute__((vector_size(64)));
typedef __mmask16 vm;

INLINE vf vf_load(const float *p) {
    return _mm512_loadu_ps(p);
}
INLINE void vf_store(float *p, vf v) {
    _mm512_storeu_ps(p, v);
}
INLINE vi vi_load(const void *p) {
    return (vi)_mm512_loadu_si512(p);
}
INLINE void vi_store(void *p, vi v) {
    _mm512_storeu_si512(p, (__m512i)v);
}
INLINE vf vf_set1(float v) {
    return _mm512_set1_ps(v);
}
INLINE vi vi_set1(int32_t v) {
    return (vi)_mm512_set1_epi32(v);
}

INLINE vi vi_iota(void) {
    return (vi){ 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15 };
}

INLINE vf vf_abs(vf a) {
    return _mm512_abs_ps(a);
}
INLINE vf vf_min(vf a, vf b) {
    return _mm512_min_ps(a, b);
}
INLINE vf vf_max(vf a, vf b) {
    return _mm512_max_ps(a, b);
}
INLINE vf vf_sqrt(vf a) {
    return _mm512_sqrt_ps(a);
}
INLINE vf vf_rint(vf a) {
    return _mm512_roundscale_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
INLINE vf vf_from_int(vi a) {
    return _mm512_cvtepi32_ps((__m512i)a);
}
INLINE vi vi_trunc(vf a) {
    return (vi)_mm512_cvttps_epi32(a);
}

INLINE vi vi_min(vi a, vi b) {
    return (vi)_mm512_min_epi32((__m512i)a, (__m512i)b);
}
INLINE vi vi_max(vi a, vi b) {
    return (vi)_mm512_max_epi32((__m512i)a, (__m512i)b);
}
INLINE vi vi_min_unsigned(vi a, vi b) {
    return (vi)_mm512_min_epu32((__m512i)a, (__m512i)b);
}
INLINE vi vi_max_unsigned(vi a, vi b) {
    return (vi)_mm512_max_epu32((__m512i)a, (__m512i)b);
}
INLINE uint32_t vi_sign_bits(vi a) {
    return _mm512_movepi32_mask((__m512i)a);
}

INLINE vm vf_lt(vf a, vf b) {
    return _mm512_cmp_ps_mask(a, b, _CMP_LT_OQ);
}
INLINE vm vf_le(vf a, vf b) {
    return _mm512_cmp_ps_mask(a, b, _CMP_LE_OQ);
}
INLINE vm vf_eq(vf a, vf b) {
    return _mm512_cmp_ps_mask(a, b, _CMP_EQ_OQ);
}
INLINE vm vi_eq(vi a, vi b) {
    return _mm512_cmpeq_epi32_mask((__m512i)a, (__m512i)b);
}
INLINE vm vm_and(vm a, vm b) {
    return a & b;
}
INLINE vm vm_or(vm a, vm b) {
    return a | b;
}
INLINE vm vm_not(vm a) {
    return (vm)~a;
}
INLINE uint32_t vm_bits(vm a) {
    return a;
}
INLINE vf vf_select(vm m, vf yes, vf no) {
    return _mm512_mask_blend_ps(m, no, yes);
}

INLINE vf vf_least(vf a) {
    return _mm512_set1_ps(_mm512_reduce_min_ps(a));
}

enum { TABLE_VECS = 1 };
INLINE vf table_load_part(const float *eight, int part) {
    (void)part;
    /* twice, so that bit 3 of an index is nothing */
    return _mm512_broadcast_f32x8(_mm256_loadu_ps(eight));
}
INLINE vf vf_pick(const vf table[TABLE_VECS], vi index) {
    return _mm512_permutexvar_ps((__m512i)index, table[0]);
}

INLINE vf vf_pick4(const vf table[TABLE_VECS], vi index) {
    return _mm512_permutevar_ps(table[0], (__m512i)index);
}

INLINE vf vf_pick16(const vf table[1], vi index) {
    return _mm512_permutexvar_ps((__m512i)index, table[0]);
}

INLINE vi vi_eights(const void *words) {
    const __m256 low = _mm256_broadcast_ss(words);
    const __m256 high = _mm256_broadcast_ss((const float *)words + 1);
    return (vi)_mm512_insertf32x8(_mm512_castps256_ps512(low), high, 1);
}
INLINE void vf_store_eights(float *p, size_t stride, vf v) {
    _mm256_storeu_ps(p, _mm512_castps512_ps256(v));
    _mm256_storeu_ps(p + stride, _mm512_extractf32x8_ps(v, 1));
}

INLINE vf vf_set1_f16(uint16_t h) {
    return _mm512_broadcastss_ps(_mm_cvtph_ps(_mm_cvtsi32_si128(h)));
}
INLINE vf vf_load_f16(const void *p) {
    return _mm512_cvtph_ps(_mm256_loadu_si256(p));
}
INLINE void vf_store_f16(void *p, vf v) {
    _mm256_storeu_si256(p, _mm512_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
}
INLINE vi vi_load_u8(const void *p) {
    return (vi)_mm512_cvtepu8_epi32(_mm_loadu_si128(p));
}
INLINE vi vi_load_s8(const void *p) {
    return (vi)_mm512_cvtepi8_epi32(_mm_loadu_si128(p));
}
INLINE vi vi_load_u16(const void *p) {
    return (vi)_mm512_cvtepu16_epi32(_mm256_loadu_si256(p));
}
INLINE void vi_store_u16(void *p, vi v) {
    _mm256_storeu_si256(p, _mm512_cvtepi32_epi16((__m512i)v));
}
INLINE vf vf_load_f64(const void *p) {
    const __m256 lo = _mm512_cvtpd_ps(_mm512_loadu_pd(p));
    const __m256 hi = _mm512_cvtpd_ps(_mm512_loadu_pd((const double *)p + 8));
    return _mm512_insertf32x8(_mm512_castps256_ps512(lo), hi, 1);
}
/* Lanes that fit into a byte. */
INLINE void vi_store16_u8(void *p, const vi v[1]) {
    _mm_storeu_si128(p, _mm512_cvtepi32_epi8((__m512i)v[0]));
}
INLINE void vi_store32_s8(void *p, const vi v[2]) {
    vi_store16_u8(p, v);
    vi_store16_u8((char *)p + 16, v + 1);
}

INLINE __m512i zip_lo(__m512i a, __m512i b) {
    return _mm512_unpacklo_epi32(a, b);
}
INLINE __m512i zip_hi(__m512i a, __m512i b) {
    return _mm512_unpackhi_epi32(a, b);
}
INLINE __m512i zip_lo2(__m512i a, __m512i b) {
    return _mm512_unpacklo_epi64(a, b);
}
INLINE __m512i zip_hi2(__m512i a, __m512i b) {
    return _mm512_unpackhi_epi64(a, b);
}
INLINE __m512i quarters_even(__m512i a, __m512i b) {
    return _mm512_shuffle_i32x4(a, b, 0x88);
}
INLINE __m512i quarters_odd(__m512i a, __m512i b) {
    return _mm512_shuffle_i32x4(a, b, 0xdd);
}

/* In each group of four rows, 4 by 4 within each quarter of a vector. */
INLINE void transpose_quarters(__m512i *r, int rows) {
    UNROLL for (int i = 0; i < rows; i += 4) {
        const __m512i a = zip_lo(r[i], r[i + 1]), b = zip_hi(r[i], r[i + 1]);
        const __m512i c = zip_lo(r[i + 2], r[i + 3]), d = zip_hi(r[i + 2], r[i + 3]);
        r[i] = zip_lo2(a, c);
        r[i + 1] = zip_hi2(a, c);
        r[i + 2] = zip_lo2(b, d);
        r[i + 3] = zip_hi2(b, d);
    }
}

INLINE void vi_transpose(vi out[16]) {
    __m512i r[16], t[16];
    UNROLL for (int i = 0; i < 16; i++) r[i] = (__m512i)out[i];
    transpose_quarters(r, 16);
    UNROLL for (int i = 0; i < 4; i++) {
        t[i] = quarters_even(r[i], r[4 + i]);
        t[4 + i] = quarters_odd(r[i], r[4 + i]);
        t[8 + i] = quarters_even(r[8 + i], r[12 + i]);
        t[12 + i] = quarters_odd(r[8 + i], r[12 + i]);
    }
    UNROLL for (int i = 0; i < 8; i++) {
        const int to = (i & 3) + 4 * (i >> 2); /* columns 4q + i from quarter q of the rows */
        out[to] = (vi)quarters_even(t[i], t[8 + i]);
        out[8 + to] = (vi)quarters_odd(t[i], t[8 + i]);
    }
}

/* Lane k of the four vectors to the 16 bytes at p + stride * k. */
INLINE void vi_store_columns4(uint8_t *p, size_t stride, const vi v[4]) {
    __m512i r[4];
    UNROLL for (int i = 0; i < 4; i++) r[i] = (__m512i)v[i];
    transpose_quarters(r, 4);
    UNROLL for (int i = 0; i < 4; i++) {
        uint8_t *to = p + stride * (size_t)i;
        _mm_storeu_si128((void *)to, _mm512_castsi512_si128(r[i]));
        _mm_storeu_si128((void *)(to + stride * 4), _mm512_extracti32x4_epi32(r[i], 1));
        _mm_storeu_si128((void *)(to + stride * 8), _mm512_extracti32x4_epi32(r[i], 2));
        _mm_storeu_si128((void *)(to + stride * 12), _mm512_extracti32x4_epi32(r[i], 3));
    }
}

/* Horizontal reductions of VL rows at once, each row to the lane of its number, by @op, in no
 * stated order: rows i, i + 4 and so on to part i, then four parts to the result. */
INLINE vi vi_fold_rows(const vi r[4], vi (*op)(vi, vi)) {
    const __m512i a = (__m512i)r[0], b = (__m512i)r[1], c = (__m512i)r[2], d = (__m512i)r[3];
    const vi ab = op((vi)_mm512_shuffle_i32x4(a, b, 0x44), (vi)_mm512_shuffle_i32x4(a, b, 0xee));
    const vi cd = op((vi)_mm512_shuffle_i32x4(c, d, 0x44), (vi)_mm512_shuffle_i32x4(c, d, 0xee));
    return op((vi)quarters_even((__m512i)ab, (__m512i)cd),
              (vi)quarters_odd((__m512i)ab, (__m512i)cd));
}

INLINE vi vi_fold_parts(const vi p[4], vi (*op)(vi, vi)) {
    const __m512i a = (__m512i)p[0], b = (__m512i)p[1], c = (__m512i)p[2], d = (__m512i)p[3];
    const __m512i ab = (__m512i)op((vi)zip_lo(a, b), (vi)zip_hi(a, b));
    const __m512i cd = (__m512i)op((vi)zip_lo(c, d), (vi)zip_hi(c, d));
    return op((vi)zip_lo2(ab, cd), (vi)zip_hi2(ab, cd));
}
