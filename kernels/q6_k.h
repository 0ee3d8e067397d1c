/* SPDX-License-Identifier: Apache-2.0
 * kernels/q6_k.h - q6_k: 16 sub-blocks of 16, 6 bits an element, an 8-bit scale a sub-block.
 * Source: ggml/src/ggml-quants.c, quantize_row_q6_K_ref, quantize_row_q6_K_impl. */
#pragma once
#include "kernels/pack.h"
#include "kernels/symmetric.h"
#include "kernels/team.h"

enum { Q6_K_SUBS = 16, Q6_K_SUB = 16, Q6_K_MAX = 32 };

/* Importance data are the weights as they are. */
BODY void q6_k_search(struct team *t, int s, const float *x, const float *importance) {
    const struct symmetric_how how = { Q6_K_SUB, Q6_K_MAX };
    float squares[Q6_K_SUB];
    x += Q6_K_SUB * s;
    for (int i = 0; i < Q6_K_SUB; i++)
        squares[i] = x[i] * x[i];
    t->scales[s] = symmetric_search(x, importance ? importance + Q6_K_SUB * s : squares, how,
                                    t->q + Q6_K_SUB * s);
}

BODY void q6_k_round(struct q6_k *b, struct team *t, bool weighted) {
    (void)weighted;
    const float max = first_absmax(t->scales, Q6_K_SUBS); /* passes over NaNs, as the reference */
    t->zero = fabsf(max) < SYMMETRIC_TINY;
    if (t->zero) {
        memset(b, 0, sizeof *b);
        return;
    }
    const float inverse = -128 / max;
    b->d = f16_from_f32(1 / inverse);
    for (int s = 0; s < Q6_K_SUBS; s++) {
        const int32_t scale = int_nearest(inverse * t->scales[s]);
        b->scales[s] = (int8_t)(scale < 127 ? scale : 127);
        t->scales[s] = f32_from_f16(b->d) * b->scales[s];
    }
}

BODY void q6_k_levels(struct team *t, int s, const float *x) {
    const struct symmetric_how how = { Q6_K_SUB, Q6_K_MAX };
    const float d = t->scales[s];
    for (int i = Q6_K_SUB * s; i < Q6_K_SUB * (s + 1) && d != 0 && !t->zero; i++)
        t->q[i] = (uint8_t)(symmetric_level(x[i] / d, how) + Q6_K_MAX);
}

BODY void q6_k_pack(struct q6_k *b, const struct team *t) {
    if (!t->zero)
        sixes_pack(b, t->q);
}

TEAM_BLOCK(q6_k, Q6_K_SUBS)
