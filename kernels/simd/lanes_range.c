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

void LANES(levels8)(uint8_t *dst, const float *x, size_t n, const struct levels8 *to) {
    enum { VECS = 16 / VL };
    const vf scale = vf_set1(to->scale), zero = vf_set1(to->zero);
    const vf least = vf_set1(to->least), most = vf_set1(to->most);
    size_t i = 0;
    for (; i + 16 <= n; i += 16) {
        vi level[VECS];
        UNROLL for (int j = 0; j < VECS; j++) {
            const vf v = vf_rint(vf_load(x + i + VL * j) / scale) + zero;
            level[j] = vi_trunc(vf_min(vf_max(v, least), most)) & 0xff;
        }
        vi_store16_u8(dst + i, level);
    }
    levels8_c(dst + i, x + i, n - i, to);
}
