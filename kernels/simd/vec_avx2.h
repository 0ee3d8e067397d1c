/* SPDX-License-Identifier: Apache-2.0
 * kernels/simd/vec_avx2.h - the vector operations of lanes.h, on 8 lanes: AVX2 and F16C. */
#pragma once
#include <immintrin.h>
#include <stdint.h>

enum { VL = 8 };
typedef __m256 vf;
typedef int32_t vi __attribute__((vector_size(32)));
typedef __m256 vm; /* all bits of a lane, or none */

INLINE vf vf_load(const float *p) {
    return _mm256_loadu_ps(p);
}
INLINE void vf_store(float *p, vf v) {
    _mm256_storeu_ps(p, v);
}
INLINE vi vi_load(const void *p) {
    return (vi)_mm256_loadu_si256(p);
}
INLINE void vi_store(void *p, vi v) {
    _mm256_storeu_si256(p, (__m256i)v);
}
INLINE vf vf_set1(float v) {
    return _mm256_set1_ps(v);
}
INLINE vi vi_set1(int32_t v) {
    return (vi)_mm256_set1_epi32(v);
}

INLINE vi vi_iota(void) {
    return (vi){ 0, 1, 2, 3, 4, 5, 6, 7 };
}

INLINE vf vf_abs(vf a) {
    return _mm256_andnot_ps(_mm256_set1_ps(-0.0f), a);
}
INLINE vf vf_min(vf a, vf b) {
    return _mm256_min_ps(a, b);
}
INLINE vf vf_max(vf a, vf b) {
    return _mm256_max_ps(a, b);
}
INLINE vf vf_sqrt(vf a) {
    return _mm256_sqrt_ps(a);
}
INLINE vf vf_rint(vf a) {
    return _mm256_round_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
INLINE vf vf_from_int(vi a) {
    return _mm256_cvtepi32_ps((__m256i)a);
}
INLINE vi vi_trunc(vf a) {
    return (vi)_mm256_cvttps_epi32(a);
}

INLINE vi vi_min(vi a, vi b) {
    return (vi)_mm256_min_epi32((__m256i)a, (__m256i)b);
}
INLINE vi vi_max(vi a, vi b) {
    return (vi)_mm256_max_epi32((__m256i)a, (__m256i)b);
}
INLINE vi vi_min_unsigned(vi a, vi b) {
    return (vi)_mm256_min_epu32((__m256i)a, (__m256i)b);
}
INLINE vi vi_max_unsigned(vi a, vi b) {
    return (vi)_mm256_max_epu32((__m256i)a, (__m256i)b);
}
INLINE uint32_t vi_sign_bits(vi a) {
    return (uint32_t)_mm256_movemask_ps((vf)a);
}

INLINE vm vf_lt(vf a, vf b) {
    return _mm256_cmp_ps(a, b, _CMP_LT_OQ);
}
INLINE vm vf_le(vf a, vf b) {
    return _mm256_cmp_ps(a, b, _CMP_LE_OQ);
}
INLINE vm vf_eq(vf a, vf b) {
    return _mm256_cmp_ps(a, b, _CMP_EQ_OQ);
}
INLINE vm vi_eq(vi a, vi b) {
    return (vm)(a == b);
}
INLINE vm vm_and(vm a, vm b) {
    return _mm256_and_ps(a, b);
}
INLINE vm vm_or(vm a, vm b) {
    return _mm256_or_ps(a, b);
}
INLINE vm vm_not(vm a) {
    return (vm) ~(vi)a;
}
INLINE uint32_t vm_bits(vm a) {
    return (uint32_t)_mm256_movemask_ps(a);
}
INLINE vf vf_select(vm m, vf yes, vf no) {
    return _mm256_blendv_ps(no, yes, m);
}

/* In all lanes. */
INLINE vf vf_least(vf a) {
    a = _mm256_min_ps(a, _mm256_permute2f128_ps(a, a, 1));
    a = _mm256_min_ps(a, _mm256_permute_ps(a, 0x4e));
    return _mm256_min_ps(a, _mm256_permute_ps(a, 0xb1));
}

enum { TABLE_VECS = 1 };
INLINE vf table_load_part(const float *eight, int part) {
    (void)part;
    return _mm256_loadu_ps(eight);
}
INLINE vf vf_pick(const vf table[TABLE_VECS], vi index) {
    return _mm256_permutevar8x32_ps(table[0], (__m256i)index);
}

INLINE vf vf_pick4(const vf table[TABLE_VECS], vi index) {
    return _mm256_permutevar_ps(table[0], (__m256i)index);
}

INLINE vf vf_pick16(const vf table[2], vi index) {
    const vf low = _mm256_permutevar8x32_ps(table[0], (__m256i)index);
    const vf high = _mm256_permutevar8x32_ps(table[1], (__m256i)index);
    return vf_select((vm)(index << 28), high, low);
}

INLINE vi vi_eights(const void *words) {
    return (vi)_mm256_castps_si256(_mm256_broadcast_ss(words));
}
INLINE void vf_store_eights(float *p, size_t stride, vf v) {
    (void)stride;
    vf_store(p, v);
}

INLINE vf vf_set1_f16(uint16_t h) {
    return _mm256_broadcastss_ps(_mm_cvtph_ps(_mm_cvtsi32_si128(h)));
}
INLINE vf vf_load_f16(const void *p) {
    return _mm256_cvtph_ps(_mm_loadu_si128(p));
}
INLINE void vf_store_f16(void *p, vf v) {
    _mm_storeu_si128(p, _mm256_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
}
INLINE vi vi_load_u8(const void *p) {
    return (vi)_mm256_cvtepu8_epi32(_mm_loadl_epi64(p));
}
INLINE vi vi_load_s8(const void *p) {
    return (vi)_mm256_cvtepi8_epi32(_mm_loadl_epi64(p));
}
INLINE vi vi_load_u16(const void *p) {
    return (vi)_mm256_cvtepu16_epi32(_mm_loadu_si128(p));
}
/* The low 16 bits of each lane. */
INLINE void vi_store_u16(void *p, vi v) {
    const __m256i low = (__m256i)(v & 0xffff), packed = _mm256_packus_epi32(low, low);
    _mm_storeu_si128(p, _mm256_castsi256_si128(_mm256_permute4x64_epi64(packed, 0x08)));
}
INLINE vf vf_load_f64(const void *p) {
    const __m128 lo = _mm256_cvtpd_ps(_mm256_loadu_pd(p));
    const __m128 hi = _mm256_cvtpd_ps(_mm256_loadu_pd((const double *)p + 4));
    return _mm256_set_m128(hi, lo);
}
/* Lanes that fit into a byte. The packs work within halves; a permutation undoes that. */
INLINE void vi_store16_u8(void *p, const vi v[2]) {
    const __m256i words = _mm256_packus_epi32((__m256i)v[0], (__m256i)v[1]);
    const __m256i order = _mm256_permute4x64_epi64(words, 0xd8);
    _mm_storeu_si128(
        p, _mm_packus_epi16(_mm256_castsi256_si128(order), _mm256_extracti128_si256(order, 1)));
}
INLINE void vi_store32_s8(void *p, const vi v[4]) {
    const __m256i low = _mm256_packs_epi32((__m256i)v[0], (__m256i)v[1]);
    const __m256i high = _mm256_packs_epi32((__m256i)v[2], (__m256i)v[3]);
    const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
    _mm256_storeu_si256(p, _mm256_permutevar8x32_epi32(_mm256_packs_epi16(low, high), order));
}

INLINE __m256i zip_lo(__m256i a, __m256i b) {
    return _mm256_unpacklo_epi32(a, b);
}
INLINE __m256i zip_hi(__m256i a, __m256i b) {
    return _mm256_unpackhi_epi32(a, b);
}
INLINE __m256i zip_lo2(__m256i a, __m256i b) {
    return _mm256_unpacklo_epi64(a, b);
}
INLINE __m256i zip_hi2(__m256i a, __m256i b) {
    return _mm256_unpackhi_epi64(a, b);
}
INLINE __m256i halves_lo(__m256i a, __m256i b) {
    return _mm256_permute2x128_si256(a, b, 0x20);
}
INLINE __m256i halves_hi(__m256i a, __m256i b) {
    return _mm256_permute2x128_si256(a, b, 0x31);
}

/* In each group of four rows, 4 by 4 within each half of a vector. */
INLINE void transpose_halves(__m256i *r, int rows) {
    UNROLL for (int i = 0; i < rows; i += 4) {
        const __m256i a = zip_lo(r[i], r[i + 1]), b = zip_hi(r[i], r[i + 1]);
        const __m256i c = zip_lo(r[i + 2], r[i + 3]), d = zip_hi(r[i + 2], r[i + 3]);
        r[i] = zip_lo2(a, c);
        r[i + 1] = zip_hi2(a, c);
        r[i + 2] = zip_lo2(b, d);
        r[i + 3] = zip_hi2(b, d);
    }
}

INLINE void vi_transpose(vi out[8]) {
    __m256i r[8];
    UNROLL for (int i = 0; i < 8; i++) r[i] = (__m256i)out[i];
    transpose_halves(r, 8);
    UNROLL for (int i = 0; i < 4; i++) {
        out[i] = (vi)halves_lo(r[i], r[4 + i]);
        out[4 + i] = (vi)halves_hi(r[i], r[4 + i]);
    }
}

/* Lane k of the four vectors to the 16 bytes at p + stride * k. */
INLINE void vi_store_columns4(uint8_t *p, size_t stride, const vi v[4]) {
    __m256i r[4];
    UNROLL for (int i = 0; i < 4; i++) r[i] = (__m256i)v[i];
    transpose_halves(r, 4);
    UNROLL for (int i = 0; i < 4; i++) {
        uint8_t *to = p + stride * (size_t)i;
        _mm_storeu_si128((void *)to, _mm256_castsi256_si128(r[i]));
        _mm_storeu_si128((void *)(to + stride * 4), _mm256_extracti128_si256(r[i], 1));
    }
}

/* Horizontal reductions of VL rows at once, each row to the lane of its number, by @op, in no
 * stated order: rows i, i + 4 and so on to part i, then four parts to the result. */
INLINE vi vi_fold_rows(const vi r[2], vi (*op)(vi, vi)) {
    const __m256i a = (__m256i)r[0], b = (__m256i)r[1];
    return op((vi)halves_lo(a, b), (vi)halves_hi(a, b));
}

INLINE vi vi_fold_parts(const vi p[4], vi (*op)(vi, vi)) {
    const __m256i a = (__m256i)p[0], b = (__m256i)p[1], c = (__m256i)p[2], d = (__m256i)p[3];
    const __m256i ab = (__m256i)op((vi)zip_lo(a, b), (vi)zip_hi(a, b));
    const __m256i cd = (__m256i)op((vi)zip_lo(c, d), (vi)zip_hi(c, d));
    return op((vi)zip_lo2(ab, cd), (vi)zip_hi2(ab, cd));
}
