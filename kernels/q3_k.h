/* SPDX-License-Identifier: Apache-2.0
 * kernels/q3_k.h - q3_k: 16 sub-blocks of 16, 3 bits an element, a 6-bit scale a sub-block.
 * Source: ggml/src/ggml-quants.c, quantize_row_q3_K_ref with make_q3_quants,
 * quantize_row_q3_K_impl. The order of the float operations is the reference's: any other order
 * changes bytes. */
#pragma once
#include "kernels/pack.h"
#include "kernels/symmetric.h"
#include "kernels/team.h"

enum { Q3_K_SUBS = 16, Q3_K_SUB = 16, Q3_K_MAX = 4, Q3_K_PASSES = 5 };
#define Q3_K_TINY 1e-15f /* a sub-block with no greater magnitude counts as zeros */

BODY int32_t q3_k_level(float v) {
    return int_clamp(int_nearest(v), -Q3_K_MAX, Q3_K_MAX - 1);
}

/* One element after the other gets the level that is best, the others given. */
BODY bool q3_k_improve(const float *x, int32_t *q, float *sum_lx, float *sum_l2) {
    bool changed = false;
    for (int i = 0; i < Q3_K_SUB; i++) {
        const float w = x[i] * x[i], old = (float)q[i];
        float lx = *sum_lx - w * x[i] * old, l2 = *sum_l2 - w * old * old;
        if (!(lx > 0))
            continue;
        const int32_t l = q3_k_level(x[i] * l2 / lx);
        if (l == q[i])
            continue;
        lx += w * x[i] * (float)l;
        l2 += w * (float)l * (float)l;
        if (l2 > 0 && lx * lx * *sum_l2 > *sum_lx * *sum_lx * l2) {
            q[i] = l;
            *sum_lx = lx;
            *sum_l2 = l2;
            changed = true;
        }
    }
    return changed;
}

/* The scale of one sub-block; @out gets its levels, for the case that the scale, once rounded,
 * is 0. */
BODY float q3_k_search_plain(const float *x, uint8_t *out) {
    const float max = first_absmax(x, Q3_K_SUB);
    if (fabsf(max) < Q3_K_TINY) {
        memset(out, 0, Q3_K_SUB); /* not Q3_K_MAX, which would stand for 0 */
        return 0;
    }
    const float inverse = -Q3_K_MAX / max;
    float sum_lx = 0, sum_l2 = 0;
    int32_t q[Q3_K_SUB];
    for (int i = 0; i < Q3_K_SUB; i++) {
        q[i] = q3_k_level(inverse * x[i]);
        const float w = x[i] * x[i], l = (float)q[i];
        sum_lx += w * x[i] * l;
        sum_l2 += w * l * l;
    }
    for (int pass = 0; pass < Q3_K_PASSES && q3_k_improve(x, q, &sum_lx, &sum_l2); pass++)
        ;
    for (int i = 0; i < Q3_K_SUB; i++)
        out[i] = (uint8_t)(q[i] + Q3_K_MAX);
    return sum_l2 > 0 ? sum_lx / sum_l2 : 0;
}

/* With importance data the scales are searched, and so are the scales of the scales. */
BODY void q3_k_search(struct team *t, int s, const float *x, const float *importance) {
    uint8_t *q = t->q + Q3_K_SUB * s;
    x += Q3_K_SUB * s;
    if (importance) {
        const struct symmetric_how how = { Q3_K_SUB, Q3_K_MAX };
        float w[Q3_K_SUB];
        team_weights(t, s, w, x, importance + Q3_K_SUB * s, Q3_K_SUB, 2 * t->sum_x2 / SUPER_ELEMS);
        t->scales[s] = symmetric_search(x, w, how, q);
    } else {
        t->scales[s] = q3_k_search_plain(x, q);
    }
}

BODY void q3_k_round(struct q3_k *b, struct team *t, bool weighted) {
    const struct symmetric_how how = { Q3_K_SUBS, 32 };
    uint8_t sixes[Q3_K_SUBS];
    b->d = weighted ? f16_from_scale(symmetric_search(t->scales, t->sum_w, how, sixes))
                    : q3_k_scales(sixes, t->scales);
    scales16_pack(b->scales, sixes);
    for (int s = 0; s < Q3_K_SUBS; s++)
        t->scales[s] = f32_from_f16(b->d) * (float)(sixes[s] - 32);
}

BODY void q3_k_levels(struct team *t, int s, const float *x) {
    const float d = t->scales[s];
    for (int i = Q3_K_SUB * s; i < Q3_K_SUB * (s + 1) && d != 0; i++)
        t->q[i] = (uint8_t)(q3_k_level(x[i] / d) + Q3_K_MAX);
}

BODY void q3_k_pack(struct q3_k *b, const struct team *t) {
    twos_pack(b->qs, t->q);
    top_bits_pack(b->hmask, t->q, 4);
}

TEAM_BLOCK(q3_k, Q3_K_SUBS)
