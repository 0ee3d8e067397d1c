/* SPDX-License-Identifier: Apache-2.0
 * kernels/symmetric.h - the search of q6_k, and of the symmetric types with importance data:
 * x[i] ~ scale * q[i] by weighted least squares, over 19 inverse scales around -max_level / max.
 * Source: ggml/src/ggml-quants.c, make_qx_quants with rmse_type 1. The order of the float
 * operations is the reference's: any other order changes bytes. */
#pragma once
#include "kernels/scalar.h"

#define SYMMETRIC_TINY 1e-15f /* numbers of no greater magnitude count as zeros */

/* @n numbers, to levels -max_level..max_level - 1. */
struct symmetric_how {
    int n, max_level;
};

BODY int32_t symmetric_level(float v, struct symmetric_how how) {
    return int_clamp(int_nearest(v), -how.max_level, how.max_level - 1);
}

BODY void symmetric_fit(const float *x, const float *w, struct symmetric_how how, float inverse,
                        float *sum_lx, float *sum_l2) {
    *sum_lx = *sum_l2 = 0;
    for (int i = 0; i < how.n; i++) {
        const float l = (float)symmetric_level(inverse * x[i], how);
        *sum_lx += w[i] * x[i] * l;
        *sum_l2 += w[i] * l * l;
    }
}

/* The scale; the first of the best wins. @q gets the levels plus max_level. */
BODY float symmetric_search(const float *x, const float *w, struct symmetric_how how, uint8_t *q) {
    const float max = first_absmax(x, how.n);
    if (fabsf(max) < SYMMETRIC_TINY) {
        memset(q, 0, (size_t)how.n); /* not max_level, which would stand for 0 */
        return 0;
    }
    float inverse = (float)-how.max_level / max, sum_lx, sum_l2;
    symmetric_fit(x, w, how, inverse, &sum_lx, &sum_l2);
    float scale = sum_l2 != 0 ? sum_lx / sum_l2 : 0, best = scale * sum_lx;
    for (int step = -9; step <= 9; step++) {
        if (step == 0)
            continue;
        const float candidate = -((float)how.max_level + 0.1f * (float)step) / max;
        symmetric_fit(x, w, how, candidate, &sum_lx, &sum_l2);
        if (sum_l2 > 0 && sum_lx * sum_lx > best * sum_l2) {
            inverse = candidate;
            scale = sum_lx / sum_l2;
            best = scale * sum_lx;
        }
    }
    for (int i = 0; i < how.n; i++)
        q[i] = (uint8_t)(symmetric_level(inverse * x[i], how) + how.max_level);
    return scale;
}
