/* SPDX-License-Identifier: Apache-2.0
 * kernels/weighted.h - what the encoders with importance data share: the weights, and the search
 * for positive scales. Source: ggml/src/ggml-quants.c, quantize_row_*_impl and make_qp_quants. The
 * order of the float operations is the reference's: any other order changes bytes. */
#pragma once
#include "kernels/affine.h"
#include "kernels/pack.h"

BODY float sum_squares(const float *x, size_t n) {
    float sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += x[i] * x[i];
    return sum;
}

/* An element weighs its importance times a length that no zero makes 0. */
BODY void importance_weights(float *w, const float *x, const float *importance, int n,
                             float mean_square) {
    for (int i = 0; i < n; i++)
        w[i] = importance[i] * sqrtf(mean_square + x[i] * x[i]);
}

#define POSITIVE_TINY 1e-15f

/* The levels of one candidate, as they would be: what is left of it, by weight. */
BODY float positive_error(const float *x, const float *w, int n, int max_level, float inverse,
                          bool clamp) {
    const float scale = 1 / inverse;
    float error = 0;
    for (int i = 0; i < n; i++) {
        int32_t l = int_nearest(inverse * x[i]);
        l = !clamp ? (uint8_t)l : l < max_level ? l : max_level;
        const float left = x[i] - scale * (float)l;
        error += w[i] * left * left;
    }
    return error;
}

/* One element after the other gets the level that is best, the others given. */
BODY bool positive_improve(const float *x, const float *w, int n, int max_level, uint8_t *q,
                           float *sum_lx, float *sum_l2) {
    bool changed = false;
    for (int i = 0; i < n; i++) {
        float lx = *sum_lx - w[i] * x[i] * q[i], l2 = *sum_l2 - w[i] * q[i] * q[i];
        if (!(lx > 0 && l2 > 0))
            continue;
        int32_t l = int_nearest(x[i] * l2 / lx);
        l = l < max_level ? l : max_level;
        if (l == q[i])
            continue;
        lx += w[i] * x[i] * (float)l;
        l2 += w[i] * (float)l * (float)l;
        if (lx * lx * *sum_l2 > *sum_lx * *sum_lx * l2) {
            q[i] = (uint8_t)l; /* a negative one wraps, as in the reference */
            *sum_lx = lx;
            *sum_l2 = l2;
            changed = true;
        }
    }
    return changed;
}

/* x[i] ~ scale * q[i], q in 0..max_level: the scales and minimums of a super-block. */
BODY float positive_search(const float *x, const float *w, int n, int max_level, uint8_t *q) {
    float max = 0, sum_lx = 0, sum_l2 = 0;
    for (int i = 0; i < n; i++)
        max = max > x[i] ? max : x[i];
    if (max < POSITIVE_TINY) {
        memset(q, 0, (size_t)n);
        return 0;
    }
    float inverse = (float)max_level / max;
    float best = positive_error(x, w, n, max_level, inverse, false);
    for (int step = -4; step <= 4; step++) {
        const float candidate = (0.1f * (float)step + (float)max_level) / max;
        const float error = step ? positive_error(x, w, n, max_level, candidate, true) : INFINITY;
        if (error < best) {
            best = error;
            inverse = candidate;
        }
    }
    for (int i = 0; i < n; i++) {
        int32_t l = int_nearest(inverse * x[i]);
        l = l < max_level ? l : max_level;
        q[i] = (uint8_t)l;
        sum_lx += w[i] * x[i] * (float)l;
        sum_l2 += w[i] * (float)l * (float)l;
    }
    for (int pass = 0; pass < 5; pass++)
        if (!positive_improve(x, w, n, max_level, q, &sum_lx, &sum_l2))
            break;
    return sum_l2 > 0 ? sum_lx / sum_l2 : 0;
}

/* Scales and mins of a super-block of q4_k, or of q5_k, which alone clamps them: a negative one
 * wraps, and in q4_k spills into the bits of another. Packing and unpacking does so too. */
BODY struct affine_super affine_finish_weighted(const float scales[8], const float mins[8],
                                                const float sum_w[8], bool clamp) {
    struct affine_super super;
    uint8_t packed[12];
    super.d = f16_from_scale(positive_search(scales, sum_w, 8, 63, super.scales));
    super.dmin = f16_from_scale(positive_search(mins, sum_w, 8, 63, super.mins));
    for (int s = 0; s < 8 && clamp; s++) {
        super.scales[s] = super.scales[s] < 63 ? super.scales[s] : 63;
        super.mins[s] = super.mins[s] < 63 ? super.mins[s] : 63;
    }
    scales_pack(packed, super.scales, super.mins);
    scales_unpack(super.scales, super.mins, packed);
    return super;
}

BODY void q2_k_scales_weighted(struct q2_k *b, const float scales[16], const float mins[16],
                               const float sum_w[16]) {
    uint8_t low[16], high[16];
    b->d = f16_from_scale(positive_search(scales, sum_w, 16, 15, low));
    b->dmin = f16_from_scale(positive_search(mins, sum_w, 16, 15, high));
    for (int s = 0; s < 16; s++)
        b->scales[s] = (uint8_t)(low[s] | high[s] << 4);
}
