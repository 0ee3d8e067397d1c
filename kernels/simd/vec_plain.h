/* SPDX-License-Identifier: Apache-2.0
 * kernels/simd/vec_plain.h - the vector operations of lanes.h, on 16 lanes, in plain C: for tests
 * of the lane bodies at this width where a CPU has no instructions for it. Slow. */
#pragma once
#include "kernels/f16.h"
#include <math.h>
#include <stdint.h>
#include <string.h>

enum { VL = 16 };
typedef float vf __attribute__((vector_size(64)));
typedef int32_t vi __attribute__((vector_size(64)));
typedef int32_t vm __attribute__((vector_size(64))); /* all bits of a lane, or none */

/* Unrolled, this would only be long. */
#undef UNROLL
#define UNROLL

#define EACH_LANE for (int k = 0; k < VL; k++)

INLINE vf vf_load(const float *p) {
    vf v;
    memcpy(&v, p, sizeof v);
    return v;
}
INLINE void vf_store(float *p, vf v) {
    memcpy(p, &v, sizeof v);
}
INLINE vi vi_load(const void *p) {
    vi v;
    memcpy(&v, p, sizeof v);
    return v;
}
INLINE void vi_store(void *p, vi v) {
    memcpy(p, &v, sizeof v);
}
INLINE vi vi_set1(int32_t v) {
    vi r;
    EACH_LANE r[k] = v;
    return r;
}
INLINE vf vf_set1(float v) {
    vf r;
    EACH_LANE r[k] = v;
    return r;
}
INLINE vi vi_iota(void) {
    vi r;
    EACH_LANE r[k] = k;
    return r;
}

INLINE vm vf_lt(vf a, vf b) {
    return a < b;
}
INLINE vm vf_le(vf a, vf b) {
    return a <= b;
}
INLINE vm vf_eq(vf a, vf b) {
    return a == b;
}
INLINE vm vi_eq(vi a, vi b) {
    return a == b;
}
INLINE vm vm_and(vm a, vm b) {
    return a & b;
}
INLINE vm vm_or(vm a, vm b) {
    return a | b;
}
INLINE vm vm_not(vm a) {
    return ~a;
}
INLINE uint32_t vi_sign_bits(vi a) {
    uint32_t bits = 0;
    EACH_LANE bits |= (uint32_t)(a[k] < 0) << k;
    return bits;
}
INLINE uint32_t vm_bits(vm a) {
    return vi_sign_bits(a);
}
INLINE vf vf_select(vm m, vf yes, vf no) {
    return (vf)(((vi)yes & m) | ((vi)no & ~m));
}

INLINE vf vf_abs(vf a) {
    return (vf)((vi)a & INT32_MAX);
}
INLINE vf vf_min(vf a, vf b) {
    return vf_select(a < b, a, b);
}
INLINE vf vf_max(vf a, vf b) {
    return vf_select(a > b, a, b);
}
INLINE vf vf_sqrt(vf a) {
    EACH_LANE a[k] = sqrtf(a[k]);
    return a;
}
INLINE vf vf_rint(vf a) {
    EACH_LANE a[k] = rintf(a[k]);
    return a;
}
INLINE vf vf_from_int(vi a) {
    vf r;
    EACH_LANE r[k] = (float)a[k];
    return r;
}
INLINE vi vi_trunc(vf a) {
    vi r;
    EACH_LANE r[k] = fabsf(a[k]) < 0x1p31f ? (int32_t)a[k] : INT32_MIN;
    return r;
}
INLINE vf vf_least(vf a) {
    float least = a[0];
    EACH_LANE least = a[k] < least ? a[k] : least;
    return vf_set1(least);
}

INLINE vi vi_min(vi a, vi b) {
    EACH_LANE a[k] = a[k] < b[k] ? a[k] : b[k];
    return a;
}
INLINE vi vi_max(vi a, vi b) {
    EACH_LANE a[k] = a[k] > b[k] ? a[k] : b[k];
    return a;
}
INLINE vi vi_min_unsigned(vi a, vi b) {
    EACH_LANE a[k] = (uint32_t)a[k] < (uint32_t)b[k] ? a[k] : b[k];
    return a;
}
INLINE vi vi_max_unsigned(vi a, vi b) {
    EACH_LANE a[k] = (uint32_t)a[k] > (uint32_t)b[k] ? a[k] : b[k];
    return a;
}

enum { TABLE_VECS = 1 };
INLINE vf table_load_part(const float *eight, int part) {
    vf r;
    (void)part;
    EACH_LANE r[k] = eight[k % 8];
    return r;
}
INLINE vf vf_pick(const vf table[TABLE_VECS], vi index) {
    vf r;
    EACH_LANE r[k] = table[0][index[k] & 7];
    return r;
}
INLINE vf vf_pick4(const vf table[TABLE_VECS], vi index) {
    return vf_pick(table, index & 3);
}

INLINE vf vf_pick16(const vf table[1], vi index) {
    vf r;
    EACH_LANE r[k] = table[0][index[k] & 15];
    return r;
}

INLINE vi vi_eights(const void *words) {
    int32_t two[2];
    vi r;
    memcpy(two, words, sizeof two);
    EACH_LANE r[k] = two[k / 8];
    return r;
}
INLINE void vf_store_eights(float *p, size_t stride, vf v) {
    EACH_LANE p[stride * (size_t)(k / 8) + (size_t)(k % 8)] = v[k];
}

INLINE vf vf_load_f16(const void *p) {
    uint16_t h[VL];
    vf r;
    memcpy(h, p, sizeof h);
    EACH_LANE r[k] = f32_from_f16(h[k]);
    return r;
}
INLINE vf vf_set1_f16(uint16_t h) {
    return vf_set1(f32_from_f16(h));
}
INLINE void vf_store_f16(void *p, vf v) {
    uint16_t h[VL];
    EACH_LANE h[k] = f16_from_f32(v[k]);
    memcpy(p, h, sizeof h);
}
INLINE vi vi_load_u8(const void *p) {
    vi r;
    EACH_LANE r[k] = ((const uint8_t *)p)[k];
    return r;
}
INLINE vi vi_load_s8(const void *p) {
    vi r;
    EACH_LANE r[k] = ((const int8_t *)p)[k];
    return r;
}
INLINE vi vi_load_u16(const void *p) {
    uint16_t h[VL];
    vi r;
    memcpy(h, p, sizeof h);
    EACH_LANE r[k] = h[k];
    return r;
}
INLINE void vi_store_u16(void *p, vi v) {
    uint16_t h[VL];
    EACH_LANE h[k] = (uint16_t)v[k];
    memcpy(p, h, sizeof h);
}
INLINE vf vf_load_f64(const void *p) {
    double d[VL];
    vf r;
    memcpy(d, p, sizeof d);
    EACH_LANE r[k] = (float)d[k];
    return r;
}
/* Lanes that fit into a byte. */
INLINE void vi_store16_u8(void *p, const vi v[1]) {
    EACH_LANE((uint8_t *)p)[k] = (uint8_t)v[0][k];
}
INLINE void vi_store32_s8(void *p, const vi v[2]) {
    vi_store16_u8(p, v);
    vi_store16_u8((char *)p + 16, v + 1);
}

INLINE void vi_transpose(vi r[VL]) {
    vi t[VL];
    for (int i = 0; i < VL; i++)
        EACH_LANE t[i][k] = r[k][i];
    memcpy(r, t, sizeof t);
}
INLINE void vi_store_columns4(uint8_t *p, size_t stride, const vi v[4]) {
    EACH_LANE {
        const int32_t column[4] = { v[0][k], v[1][k], v[2][k], v[3][k] };
        memcpy(p + stride * (size_t)k, column, sizeof column);
    }
}

/* Horizontal reductions of VL rows at once, each row to the lane of its number, by @op: four rows
 * to part i, of rows i, i + 4 and so on, then four parts to the result. */
INLINE vi quarter(vi v, int first) {
    vi r = { v[first], v[first + 1], v[first + 2], v[first + 3] };
    return r;
}
INLINE vi fold_4(vi v, vi (*op)(vi, vi)) {
    return op(op(quarter(v, 0), quarter(v, 4)), op(quarter(v, 8), quarter(v, 12)));
}
INLINE vi vi_fold_rows(const vi r[4], vi (*op)(vi, vi)) {
    vi part;
    for (int row = 0; row < 4; row++) {
        const vi four = fold_4(r[row], op);
        for (int i = 0; i < 4; i++)
            part[4 * row + i] = four[i];
    }
    return part;
}
INLINE vi vi_fold_parts(const vi p[4], vi (*op)(vi, vi)) {
    vi result;
    for (int row = 0; row < VL; row++) {
        const vi v = p[row % 4];
        const int at = row / 4 * 4;
        vi a = vi_set1(v[at]), b = vi_set1(v[at + 1]), c = vi_set1(v[at + 2]),
           d = vi_set1(v[at + 3]);
        result[row] = op(op(a, b), op(c, d))[0];
    }
    return result;
}
