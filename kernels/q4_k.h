/* SPDX-License-Identifier: Apache-2.0
 * kernels/q4_k.h - q4_k and q5_k: 8 sub-blocks of 32, 4 or 5 bits an element, scale and minimum.
 * Source: ggml/src/ggml-quants.c, quantize_row_q4_K_ref, quantize_row_q4_K_impl, and
 * the same of q5_K. */
#pragma once
#include "kernels/pack.h"
#include "kernels/team.h"

enum { Q4_K_SUBS = 8, Q4_K_SUB = 32, Q5_K_SUBS = Q4_K_SUBS };

BODY struct affine_how q4_k_how(bool weighted) {
    const struct affine_how plain = { Q4_K_SUB, 15, -1.0f, 0.1f, 20, false };
    const struct affine_how by_importance = { Q4_K_SUB, 15, -0.9f, 0.05f, 36, false };
    return weighted ? by_importance : plain;
}

BODY struct affine_how q5_k_how(bool weighted) {
    const struct affine_how plain = { Q4_K_SUB, 31, -0.5f, 0.1f, 15, false };
    const struct affine_how by_importance = { Q4_K_SUB, 31, -0.9f, 0.05f, 36, false };
    return weighted ? by_importance : plain;
}

BODY void q45_k_search(struct team *t, int s, const float *x, const float *importance,
                       const struct affine_how *how) {
    float w[Q4_K_SUB];
    x += Q4_K_SUB * s;
    if (importance)
        team_weights(t, s, w, x, importance + Q4_K_SUB * s, Q4_K_SUB, 2 * t->sum_x2 / SUPER_ELEMS);
    else
        affine_weights(w, x, Q4_K_SUB);
    team_affine_search(t, s, x, w, how);
}

BODY void q4_k_search(struct team *t, int s, const float *x, const float *importance) {
    const struct affine_how how = q4_k_how(importance != NULL);
    q45_k_search(t, s, x, importance, &how);
}

BODY void q5_k_search(struct team *t, int s, const float *x, const float *importance) {
    const struct affine_how how = q5_k_how(importance != NULL);
    q45_k_search(t, s, x, importance, &how);
}

/* With importance data the scales and mins are searched too. */
BODY struct affine_super q45_k_round(struct team *t, bool weighted, bool clamp) {
    const struct affine_super super =
        weighted ? affine_finish_weighted(t->scales, t->mins, t->sum_w, clamp)
                 : affine_finish(t->scales, t->mins);
    for (int s = 0; s < Q4_K_SUBS; s++) {
        t->scales[s] = f32_from_f16(super.d) * super.scales[s];
        t->mins[s] = f32_from_f16(super.dmin) * super.mins[s];
    }
    return super;
}

BODY void q4_k_round(struct q4_k *b, struct team *t, bool weighted) {
    const struct affine_super super = q45_k_round(t, weighted, false);
    b->d = super.d;
    b->dmin = super.dmin;
    scales_pack(b->scales, super.scales, super.mins);
}

BODY void q5_k_round(struct q5_k *b, struct team *t, bool weighted) {
    const struct affine_super super = q45_k_round(t, weighted, true);
    b->d = super.d;
    b->dmin = super.dmin;
    scales_pack(b->scales, super.scales, super.mins);
}

BODY void q4_k_levels(struct team *t, int s, const float *x) {
    const struct affine_how how = q4_k_how(false);
    team_affine_levels(t, s, x, &how);
}

BODY void q5_k_levels(struct team *t, int s, const float *x) {
    const struct affine_how how = q5_k_how(false);
    team_affine_levels(t, s, x, &how);
}

BODY void q4_k_pack(struct q4_k *b, const struct team *t) {
    fours_pack(b->qs, t->q);
}

BODY void q5_k_pack(struct q5_k *b, const struct team *t) {
    fours_pack(b->qs, t->q);
    top_bits_pack(b->qh, t->q, 16);
}

TEAM_BLOCK(q4_k, Q4_K_SUBS)
TEAM_BLOCK(q5_k, Q5_K_SUBS)
