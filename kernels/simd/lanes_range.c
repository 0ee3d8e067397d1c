/* SPDX-License-Identifier: Apache-2.0
 * kernels/simd/lanes_range.c - numbers and their range, by vectors: see range.c. */
#include "kernels/simd/lanes.h"
#include <math.h>

void LANES(clamp)(float *x, size_t n, float least, float most) {
    const vf low = vf_set1(least), high = vf_set1(most);
    size_t i = 0;
    for (; i + VL <= n; i += VL) {
        const vf v = vf_load(x + i), m = vf_abs(v);
        const vm small = vm_and(vf_gt(m, vf_set1(0)), vf_lt(m, low));
        const vm large = vm_and(vf_gt(m, high), vf_lt(m, vf_set1(INFINITY)));
        const vf in = vf_select(small, low, vf_select(large, high, m));
        vf_store(x + i, (vf)((vi)in | ((vi)v & INT32_MIN)));
    }
    clamp_c(x + i, n - i, least, most);
}

void LANES(extremes)(const float *x, size_t n, float *low, float *high) {
    float lanes[2][VL];
    vf least = vf_set1(*low), most = vf_set1(*high);
    size_t i = 0;
    for (; i + VL <= n; i += VL) {
        const vf v = vf_load(x + i);
        least = vf_min(v, least);
        most = vf_max(v, most);
    }
    vf_store(lanes[0], least);
    vf_store(lanes[1], most);
    extremes_c(lanes[0], (size_t)VL * 2, low, high);
    extremes_c(x + i, n - i, low, high);
}

void LANES(extremes_each)(const float *x, size_t n, float *low, float *high) {
    size_t i = 0;
    for (; i + VL <= n; i += VL) {
        const vf v = vf_load(x + i);
        vf_store(low + i, vf_min(v, vf_load(low + i)));
        vf_store(high + i, vf_max(v, vf_load(high + i)));
    }
    extremes_each_c(x + i, n - i, low + i, high + i);
}

/* Sixteen at a time, as many as there are; each by a scale of its own, or all by one. */
INLINE size_t levels(uint8_t *dst, const float *x, const float *scale, bool each, size_t n,
                     const struct levels8 *to) {
    const vf zero = vf_set1(to->zero), least = vf_set1(to->least), most = vf_set1(to->most);
    size_t i = 0;
    for (; i + 16 <= n; i += 16) {
        vi level[16 / VL];
        UNROLL for (size_t j = 0; j < 16 / VL; j++) {
            const vf by = each ? vf_load(scale + i + VL * j) : vf_set1(*scale);
            const vf v = vf_rint(vf_load(x + i + VL * j) / by) + zero;
            level[j] = vi_trunc(vf_min(vf_max(v, least), most)) & 0xff;
        }
        vi_store16_u8(dst + i, level);
    }
    return i;
}

void LANES(levels8)(uint8_t *dst, const float *x, size_t n, const struct levels8 *to) {
    const size_t done = levels(dst, x, &to->scale, false, n, to);
    levels8_c(dst + done, x + done, n - done, to);
}

void LANES(levels8_each)(uint8_t *dst, const float *x, const float *scale, size_t n,
                         const struct levels8 *to) {
    const size_t done = levels(dst, x, scale, true, n, to);
    levels8_each_c(dst + done, x + done, scale + done, n - done, to);
}
