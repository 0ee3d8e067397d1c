/* SPDX-License-Identifier: Apache-2.0
 * kernels/simd/vec_neon.h - the vector operations of lanes.h, on 4 lanes: AArch64's own SIMD. No
 * operation here fuses a multiplication with an addition. */
#pragma once
#include <arm_neon.h>
#include <stdint.h>
#include <string.h>

enum { VL = 4 };
typedef float32x4_t vf;
typedef int32_t vi __attribute__((vector_size(16)));
typedef uint32x4_t vm; /* all bits of a lane, or none */

INLINE vf vf_load(const float *p) {
    return vld1q_f32(p);
}
INLINE void vf_store(float *p, vf v) {
    vst1q_f32(p, v);
}
INLINE vi vi_load(const void *p) {
    return (vi)vld1q_u8(p);
}
INLINE void vi_store(void *p, vi v) {
    vst1q_u8(p, (uint8x16_t)v);
}
INLINE vf vf_set1(float v) {
    return vdupq_n_f32(v);
}
INLINE vi vi_set1(int32_t v) {
    return (vi)vdupq_n_s32(v);
}

INLINE vi vi_iota(void) {
    return (vi){ 0, 1, 2, 3 };
}

INLINE vf vf_abs(vf a) {
    return vabsq_f32(a);
}
/* NEON's own minimum has other ideas of zeros and NaNs. */
INLINE vf vf_min(vf a, vf b) {
    return vbslq_f32(vcltq_f32(a, b), a, b);
}
INLINE vf vf_max(vf a, vf b) {
    return vbslq_f32(vcgtq_f32(a, b), a, b);
}
INLINE vf vf_sqrt(vf a) {
    return vsqrtq_f32(a);
}
INLINE vf vf_rint(vf a) {
    return vrndnq_f32(a);
}
INLINE vf vf_from_int(vi a) {
    return vcvtq_f32_s32((int32x4_t)a);
}
/* The conversion saturates, and makes 0 of a NaN: what no int32 holds is made negative. */
INLINE vi vi_trunc(vf a) {
    const uint32x4_t fits = vcltq_f32(vabsq_f32(a), vdupq_n_f32(0x1p31f));
    return (vi)vbslq_s32(fits, vcvtq_s32_f32(a), vdupq_n_s32(INT32_MIN));
}

INLINE vi vi_min(vi a, vi b) {
    return (vi)vminq_s32((int32x4_t)a, (int32x4_t)b);
}
INLINE vi vi_max(vi a, vi b) {
    return (vi)vmaxq_s32((int32x4_t)a, (int32x4_t)b);
}
INLINE vi vi_min_unsigned(vi a, vi b) {
    return (vi)vminq_u32((uint32x4_t)a, (uint32x4_t)b);
}
INLINE vi vi_max_unsigned(vi a, vi b) {
    return (vi)vmaxq_u32((uint32x4_t)a, (uint32x4_t)b);
}
INLINE uint32_t vi_sign_bits(vi a) {
    const uint32x4_t places = { 0, 1, 2, 3 };
    return vaddvq_u32(vshlq_u32(vshrq_n_u32((uint32x4_t)a, 31), (int32x4_t)places));
}

INLINE vm vf_lt(vf a, vf b) {
    return vcltq_f32(a, b);
}
INLINE vm vf_le(vf a, vf b) {
    return vcleq_f32(a, b);
}
INLINE vm vf_eq(vf a, vf b) {
    return vceqq_f32(a, b);
}
INLINE vm vi_eq(vi a, vi b) {
    return (vm)(a == b);
}
INLINE vm vm_and(vm a, vm b) {
    return vandq_u32(a, b);
}
INLINE vm vm_or(vm a, vm b) {
    return vorrq_u32(a, b);
}
INLINE vm vm_not(vm a) {
    return vmvnq_u32(a);
}
INLINE uint32_t vm_bits(vm a) {
    return vi_sign_bits((vi)a);
}
INLINE vf vf_select(vm m, vf yes, vf no) {
    return vbslq_f32(m, yes, no);
}

INLINE vf vf_least(vf a) {
    return vdupq_n_f32(vminvq_f32(a));
}

enum { TABLE_VECS = 2 };
INLINE vf table_load_part(const float *eight, int part) {
    return vld1q_f32(eight + 4 * part);
}
/* By bytes: four times the index in each of them, and 0 to 3. */
INLINE vf vf_pick(const vf table[TABLE_VECS], vi index) {
    const uint8x16x2_t bytes = { { (uint8x16_t)table[0], (uint8x16_t)table[1] } };
    const vi at = (index & 7) * 0x04040404 + 0x03020100;
    return (vf)vqtbl2q_u8(bytes, (uint8x16_t)at);
}

INLINE vf vf_pick4(const vf table[TABLE_VECS], vi index) {
    const vi at = (index & 3) * 0x04040404 + 0x03020100;
    return (vf)vqtbl1q_u8((uint8x16_t)table[0], (uint8x16_t)at);
}

INLINE vf vf_pick16(const vf table[4], vi index) {
    const uint8x16x4_t bytes = { { (uint8x16_t)table[0], (uint8x16_t)table[1], (uint8x16_t)table[2],
                                   (uint8x16_t)table[3] } };
    const vi at = (index & 15) * 0x04040404 + 0x03020100;
    return (vf)vqtbl4q_u8(bytes, (uint8x16_t)at);
}

INLINE vi vi_eights(const void *words) {
    int32_t word;
    memcpy(&word, words, sizeof word);
    return vi_set1(word);
}
INLINE void vf_store_eights(float *p, size_t stride, vf v) {
    (void)stride;
    vf_store(p, v);
}

INLINE vf vf_load_f16(const void *p) {
    return vcvt_f32_f16((float16x4_t)vld1_u8(p));
}
INLINE vf vf_set1_f16(uint16_t h) {
    return vcvt_f32_f16((float16x4_t)vdup_n_u16(h));
}
INLINE void vf_store_f16(void *p, vf v) {
    vst1_u8(p, (uint8x8_t)vcvt_f16_f32(v));
}
INLINE uint8x8_t load_4_bytes(const void *p) {
    uint32_t bytes;
    memcpy(&bytes, p, sizeof bytes);
    return (uint8x8_t)vdup_n_u32(bytes);
}
INLINE vi vi_load_u8(const void *p) {
    return (vi)vmovl_u16(vget_low_u16(vmovl_u8(load_4_bytes(p))));
}
INLINE vi vi_load_s8(const void *p) {
    return (vi)vmovl_s16(vget_low_s16(vmovl_s8((int8x8_t)load_4_bytes(p))));
}
INLINE vi vi_load_u16(const void *p) {
    return (vi)vmovl_u16((uint16x4_t)vld1_u8(p));
}
/* The low 16 bits of each lane. */
INLINE void vi_store_u16(void *p, vi v) {
    vst1_u8(p, (uint8x8_t)vmovn_u32((uint32x4_t)v));
}
INLINE vf vf_load_f64(const void *p) {
    const float64x2_t lo = (float64x2_t)vld1q_u8(p);
    const float64x2_t hi = (float64x2_t)vld1q_u8((const uint8_t *)p + 16);
    return vcvt_high_f32_f64(vcvt_f32_f64(lo), hi);
}
/* Lanes that fit into a byte. */
INLINE uint8x8_t narrow_8(vi a, vi b) {
    return vmovn_u16(vcombine_u16(vmovn_u32((uint32x4_t)a), vmovn_u32((uint32x4_t)b)));
}
INLINE void vi_store16_u8(void *p, const vi v[4]) {
    vst1q_u8(p, vcombine_u8(narrow_8(v[0], v[1]), narrow_8(v[2], v[3])));
}
INLINE void vi_store32_s8(void *p, const vi v[8]) {
    vi_store16_u8(p, v);
    vi_store16_u8((char *)p + 16, v + 4);
}

INLINE void vi_transpose(vi r[4]) {
    const uint32x4_t a = (uint32x4_t)r[0], b = (uint32x4_t)r[1];
    const uint32x4_t c = (uint32x4_t)r[2], d = (uint32x4_t)r[3];
    const uint64x2_t ab_even = (uint64x2_t)vtrn1q_u32(a, b), ab_odd = (uint64x2_t)vtrn2q_u32(a, b);
    const uint64x2_t cd_even = (uint64x2_t)vtrn1q_u32(c, d), cd_odd = (uint64x2_t)vtrn2q_u32(c, d);
    r[0] = (vi)vtrn1q_u64(ab_even, cd_even);
    r[1] = (vi)vtrn1q_u64(ab_odd, cd_odd);
    r[2] = (vi)vtrn2q_u64(ab_even, cd_even);
    r[3] = (vi)vtrn2q_u64(ab_odd, cd_odd);
}

/* Lane k of the four vectors to the 16 bytes at p + stride * k. */
INLINE void vi_store_columns4(uint8_t *p, size_t stride, const vi v[4]) {
    vi r[4];
    UNROLL for (int i = 0; i < 4; i++) r[i] = v[i];
    vi_transpose(r);
    UNROLL for (int i = 0; i < 4; i++) vi_store(p + stride * (size_t)i, r[i]);
}

/* Horizontal reductions of VL rows at once, each row to the lane of its number, by @op, in no
 * stated order: a row is a part, then four parts to the result. */
INLINE vi vi_fold_rows(const vi r[1], vi (*op)(vi, vi)) {
    (void)op;
    return r[0];
}

INLINE vi vi_fold_parts(const vi p[4], vi (*op)(vi, vi)) {
    vi r[4];
    UNROLL for (int i = 0; i < 4; i++) r[i] = p[i];
    vi_transpose(r);
    return op(op(r[0], r[1]), op(r[2], r[3]));
}
