/* SPDX-License-Identifier: Apache-2.0
 * kernels/simd/lanes_iq1_sort.h - the elements of a sub-block in each lane, sorted: Batcher's
 * odd-even merge sort. Of equals the one that comes first stays first, which a network alone does
 * not see to: places are compared too. */
#pragma once
#include "kernels/simd/lanes.h"

struct iq1_sorted {
    vf x[32], place[32]; /* place: where the element stood */
    vf w[32], wx[32];    /* its weight, and weight times x */
};

/* Puts two elements in order. */
INLINE void iq1_sort_pair(struct iq1_sorted *s, int i, int j) {
    const vf xi = s->x[i], xj = s->x[j], pi = s->place[i], pj = s->place[j];
    const vf wi = s->w[i], wj = s->w[j], wxi = s->wx[i], wxj = s->wx[j];
    const vm turn = vm_or(vf_lt(xj, xi), vm_and(vf_eq(xj, xi), vf_lt(pj, pi)));
    s->x[i] = vf_select(turn, xj, xi);
    s->x[j] = vf_select(turn, xi, xj);
    s->place[i] = vf_select(turn, pj, pi);
    s->place[j] = vf_select(turn, pi, pj);
    s->w[i] = vf_select(turn, wj, wi);
    s->w[j] = vf_select(turn, wi, wj);
    s->wx[i] = vf_select(turn, wxj, wxi);
    s->wx[j] = vf_select(turn, wxi, wxj);
}

/* @n is a power of two. */
INLINE void iq1_sort(struct iq1_sorted *s, const vf *x, const vf *w, int n) {
    for (int i = 0; i < n; i++) {
        s->x[i] = x[i];
        s->w[i] = w[i];
        s->wx[i] = w[i] * x[i];
        s->place[i] = vf_set1((float)i);
    }
    for (int run = 1; run < n; run *= 2)
        for (int step = run; step >= 1; step /= 2)
            for (int first = step % run; first + step < n; first += 2 * step)
                for (int i = first; i < first + step && i + step < n; i++)
                    if (i / (2 * run) == (i + step) / (2 * run))
                        iq1_sort_pair(s, i, i + step);
}
