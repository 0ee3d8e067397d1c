/* SPDX-License-Identifier: Apache-2.0
 * kernels/q2_k.h - q2_k: 16 sub-blocks of 16, 2 bits an element, scale and minimum of 4 bits each.
 * Source: ggml/src/ggml-quants.c, quantize_row_q2_K_ref, quantize_row_q2_K_impl. */
#pragma once
#include "kernels/pack.h"
#include "kernels/team.h"

enum { Q2_K_SUBS = 16, Q2_K_SUB = 16 };

BODY struct affine_how q2_k_how(bool weighted) {
    const struct affine_how plain = { Q2_K_SUB, 3, -0.5f, 0.1f, 15, true };
    const struct affine_how by_importance = { Q2_K_SUB, 3, -0.9f, 0.05f, 36, false };
    return weighted ? by_importance : plain;
}

BODY void q2_k_search(struct team *t, int s, const float *x, const float *importance) {
    const struct affine_how how = q2_k_how(importance != NULL);
    float w[Q2_K_SUB];
    x += Q2_K_SUB * s;
    if (importance)
        team_weights(t, s, w, x, importance + Q2_K_SUB * s, Q2_K_SUB, t->sum_x2 / SUPER_ELEMS);
    else
        for (int i = 0; i < Q2_K_SUB; i++)
            w[i] = fabsf(x[i]);
    team_affine_search(t, s, x, w, &how);
}

BODY void q2_k_round(struct q2_k *b, struct team *t, bool weighted) {
    if (weighted)
        q2_k_scales_weighted(b, t->scales, t->mins, t->sum_w);
    else
        q2_k_scales(b, t->scales, t->mins);
    for (int s = 0; s < Q2_K_SUBS; s++) {
        t->scales[s] = f32_from_f16(b->d) * (float)(b->scales[s] & 15);
        t->mins[s] = f32_from_f16(b->dmin) * (float)(b->scales[s] >> 4);
    }
}

BODY void q2_k_levels(struct team *t, int s, const float *x) {
    const struct affine_how how = q2_k_how(false);
    team_affine_levels(t, s, x, &how);
}

BODY void q2_k_pack(struct q2_k *b, const struct team *t) {
    twos_pack(b->qs, t->q);
}

TEAM_BLOCK(q2_k, Q2_K_SUBS)
