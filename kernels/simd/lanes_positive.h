/* SPDX-License-Identifier: Apache-2.0
 * kernels/simd/lanes_positive.h - positive_search() of weighted.h for a sub-block in each lane. */
#pragma once
#include "kernels/simd/lanes.h"
#include "kernels/weighted.h"

/* positive_error(): what a candidate leaves, by weight. */
INLINE vf positive_error_lanes(const vf *x, const vf *w, int n, int max_level, vf inverse,
                               bool clamp) {
    const vf scale = 1.0f / inverse;
    vf error = vf_set1(0);
    for (int i = 0; i < n; i++) {
        const vi l = vi_nearest(inverse * x[i]);
        const vf level = vf_from_int(clamp ? vi_min(l, vi_set1(max_level)) : l & 255);
        const vf left = x[i] - scale * level;
        error += w[i] * left * left;
    }
    return error;
}

/* positive_improve(); false: no lane changed. */
INLINE bool positive_improve_lanes(const vf *x, const vf *w, int n, int max_level, vi *q,
                                   vf *sum_lx, vf *sum_l2) {
    const vf zero = vf_set1(0);
    vm changed = vf_lt(zero, zero);
    for (int i = 0; i < n; i++) {
        const vf wx = w[i] * x[i], old = vf_from_int(q[i]);
        const vf lx = *sum_lx - wx * old, l2 = *sum_l2 - w[i] * old * old;
        const vi l = vi_min(vi_nearest(x[i] * l2 / lx), vi_set1(max_level));
        const vf level = vf_from_int(l), new_lx = lx + wx * level,
                 new_l2 = l2 + w[i] * level * level;
        const vm usable = vm_and(vf_gt(lx, zero), vf_gt(l2, zero));
        const vm better = vf_gt(new_lx * new_lx * *sum_l2, *sum_lx * *sum_lx * new_l2);
        const vm take = vm_and(vm_and(usable, better), vm_not(vf_eq(level, old)));
        q[i] = vi_select(take, l & 255, q[i]);
        *sum_lx = vf_select(take, new_lx, *sum_lx);
        *sum_l2 = vf_select(take, new_l2, *sum_l2);
        changed = vm_or(changed, take);
    }
    return vm_any(changed);
}

/* The scales of @n elements in each lane; @q is room for them. */
INLINE vf positive_search_lanes(const vf *x, const vf *w, int n, int max_level, vi *q) {
    const vf zero = vf_set1(0);
    vf max = zero, sum_lx = zero, sum_l2 = zero;
    for (int i = 0; i < n; i++)
        max = vf_max(max, x[i]);
    vf inverse = (float)max_level / max;
    vf best = positive_error_lanes(x, w, n, max_level, inverse, false);
    for (int step = -4; step <= 4; step++) {
        if (step == 0)
            continue;
        const vf candidate = (0.1f * (float)step + (float)max_level) / max;
        const vf error = positive_error_lanes(x, w, n, max_level, candidate, true);
        const vm better = vf_lt(error, best);
        best = vf_select(better, error, best);
        inverse = vf_select(better, candidate, inverse);
    }
    for (int i = 0; i < n; i++) {
        const vi l = vi_min(vi_nearest(inverse * x[i]), vi_set1(max_level));
        const vf level = vf_from_int(l);
        q[i] = l & 255;
        sum_lx += w[i] * x[i] * level;
        sum_l2 += w[i] * level * level;
    }
    for (int pass = 0; pass < 5; pass++)
        if (!positive_improve_lanes(x, w, n, max_level, q, &sum_lx, &sum_l2))
            break;
    const vm none = vm_or(vf_lt(max, vf_set1(POSITIVE_TINY)), vm_not(vf_gt(sum_l2, zero)));
    return vf_select(none, zero, sum_lx / sum_l2);
}
