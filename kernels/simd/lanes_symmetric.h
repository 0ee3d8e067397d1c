/* SPDX-License-Identifier: Apache-2.0
 * kernels/simd/lanes_symmetric.h - symmetric_search() of symmetric.h for a sub-block in each lane.
 */
#pragma once
#include "kernels/simd/lanes.h"
#include "kernels/symmetric.h"

enum { SYMMETRIC_TOGETHER = 3 }; /* candidates tried in one pass, which hides latency */

struct lanes_symmetric {
    vf x[32], w[32], wx[32];
    vf max, scale, best, inverse;
};

/* An integral float made a level, on the bits: the ports of float min and max are the busy ones. As
 * unsigned, negative floats come after all others, by magnitude. */
INLINE vf symmetric_clamp(vf near, int max_level) {
    const vi high = vi_min((vi)near, (vi)vf_set1((float)(max_level - 1)));
    return (vf)vi_min_unsigned(high, (vi)vf_set1((float)-max_level));
}

/* Magnitudes of @v stay near max_level, so that rounding is int_nearest()'s, but where the data are
 * tiny and the answer is not used. */
INLINE vf symmetric_level_lanes(vf v, int max_level) {
    return symmetric_clamp(vf_rint(v), max_level);
}

/* first_absmax() of @n elements; false: one is not finite. */
INLINE bool first_absmax_lanes(vf *max, const vf *x, int n) {
    vi most = (vi)x[0], least = (vi)x[0]; /* as unsigned, the negative numbers are the greatest */
    for (int i = 1; i < n; i++) {
        most = vi_max(most, (vi)x[i]);
        least = vi_max_unsigned(least, (vi)x[i]);
    }
    const vi above = vi_max(most, vi_set1(0)), below = least & 0x7fffffff & least >> 31;
    *max = (vf)vi_select(vf_lt((vf)above, (vf)below), least, above);
    const vm tie = vm_and(vf_eq((vf)above, (vf)below), vf_lt(vf_set1(0), (vf)above));
    if (__builtin_expect(vm_any(tie), 0)) {
        for (int i = n - 1; i >= 0; i--) /* backwards: the first one is then the last written */
            *max = vf_select(vm_and(tie, vf_eq(vf_abs(x[i]), (vf)above)), x[i], *max);
    }
    return !vi_sign_bits((0x7f800000 - 1) - vi_max(above, below));
}

/* @count candidates, taken in their order; @first: the one that all begins with. */
INLINE void symmetric_try(struct lanes_symmetric *s, int n, int max_level, const float *numerators,
                          int count, bool first) {
    vf inverse[SYMMETRIC_TOGETHER], sum_lx[SYMMETRIC_TOGETHER], sum_l2[SYMMETRIC_TOGETHER];
    UNROLL for (int c = 0; c < count; c++) {
        inverse[c] = numerators[c] / s->max;
        sum_lx[c] = sum_l2[c] = vf_set1(0);
    }
    _Pragma("GCC unroll 4") for (int i = 0; i < n; i++) {
        UNROLL for (int c = 0; c < count; c++) {
            const vf l = symmetric_level_lanes(inverse[c] * s->x[i], max_level);
            sum_lx[c] += s->wx[i] * l;
            sum_l2[c] += s->w[i] * l * l;
        }
    }
    UNROLL for (int c = 0; c < count; c++) {
        const vf lx = sum_lx[c], l2 = sum_l2[c], zero = vf_set1(0), scale = lx / l2;
        const vm better =
            first ? vm_not(vf_eq(l2, zero)) : vm_and(vf_gt(l2, zero), vf_gt(lx * lx, s->best * l2));
        const vf found = first ? vf_select(better, scale, zero) : scale;
        const vm take = first ? vf_eq(zero, zero) : better;
        s->scale = vf_select(take, found, s->scale);
        s->best = vf_select(take, found * lx, s->best);
        s->inverse = vf_select(take, inverse[c], s->inverse);
    }
}

/* x and w are there. Lanes whose data are tiny get the scale 0. */
INLINE void symmetric_search_lanes(struct lanes_symmetric *s, int n, int max_level) {
    float numerators[18];
    const float first = (float)-max_level;
    for (int i = 0; i < 18; i++)
        numerators[i] = -((float)max_level + 0.1f * (float)(i < 9 ? i - 9 : i - 8));
    for (int i = 0; i < n; i++)
        s->wx[i] = s->w[i] * s->x[i];
    first_absmax_lanes(&s->max, s->x, n); /* all are finite */
    s->scale = s->best = s->inverse = vf_set1(0);
    symmetric_try(s, n, max_level, &first, 1, true);
    for (int i = 0; i < 18; i += SYMMETRIC_TOGETHER)
        symmetric_try(s, n, max_level, numerators + i, SYMMETRIC_TOGETHER, false);
    s->scale = vf_select(vf_lt(vf_abs(s->max), vf_set1(SYMMETRIC_TINY)), vf_set1(0), s->scale);
}

/* The level of element @i plus max_level, as symmetric_search() leaves it. */
INLINE vi symmetric_own_level(const struct lanes_symmetric *s, int i, int max_level) {
    const vm tiny = vf_lt(vf_abs(s->max), vf_set1(SYMMETRIC_TINY));
    const vf l = symmetric_level_lanes(s->inverse * s->x[i], max_level);
    return vi_select(tiny, vi_set1(0), vi_trunc(l) + max_level);
}
