/* SPDX-License-Identifier: Apache-2.0
 * kernels/q2_k.c - q2_k: 16 sub-blocks of 16, 2 bits an element, scale and minimum of 4 bits each.
 * Source: ggml/src/ggml-quants.c, quantize_row_q2_K_ref, quantize_row_q2_K_impl. */
#include "kernels/affine.h"
#include "kernels/pack.h"
#include "kernels/weighted.h"

enum { SUBS = 16, SUB_ELEMS = 16 };

static const struct affine_how how = { SUB_ELEMS, 3, -0.5f, 0.1f, 15, true };
static const struct affine_how weighted = { SUB_ELEMS, 3, -0.9f, 0.05f, 36, false };

static void finish(struct q2_k *b, const float *x, const struct affine found[SUBS],
                   const struct affine_how *by) {
    uint8_t q[SUPER_ELEMS];
    for (int s = 0; s < SUBS; s++)
        affine_levels(q + SUB_ELEMS * s, x + SUB_ELEMS * s,
                      f32_from_f16(b->d) * (float)(b->scales[s] & 15),
                      f32_from_f16(b->dmin) * (float)(b->scales[s] >> 4), &found[s], by);
    twos_pack(b->qs, q);
}

static void encode_block(void *dst, const float *x) {
    struct affine found[SUBS];
    float w[SUPER_ELEMS], scales[SUBS], mins[SUBS];
    for (int i = 0; i < SUPER_ELEMS; i++)
        w[i] = fabsf(x[i]);
    for (int s = 0; s < SUBS; s++) {
        found[s] = affine_search(x + SUB_ELEMS * s, w + SUB_ELEMS * s, &how);
        scales[s] = found[s].scale;
        mins[s] = found[s].min;
    }
    q2_k_scales(dst, scales, mins);
    finish(dst, x, found, &how);
}

static void encode_weighted(void *dst, const float *x, const float *importance, float mean_square) {
    (void)mean_square; /* the row's; this takes the super-block's */
    struct affine found[SUBS];
    float w[SUPER_ELEMS], sum_w[SUBS], scales[SUBS], mins[SUBS];
    importance_weights(w, x, importance, SUPER_ELEMS, sum_squares(x, SUPER_ELEMS) / SUPER_ELEMS);
    for (int s = 0; s < SUBS; s++) {
        found[s] = affine_search(x + SUB_ELEMS * s, w + SUB_ELEMS * s, &weighted);
        scales[s] = found[s].scale;
        mins[s] = found[s].min;
        sum_w[s] = 0;
        for (int i = 0; i < SUB_ELEMS; i++)
            sum_w[s] += w[SUB_ELEMS * s + i];
    }
    q2_k_scales_weighted(dst, scales, mins, sum_w);
    finish(dst, x, found, &weighted);
}

void q2_k_encode_c(void *dst, const float *src, size_t blocks) {
    encode_finite(dst, src, blocks, SUPER_ELEMS, sizeof(struct q2_k), encode_block);
}

void q2_k_encode_weighted_c(void *dst, const float *src, const float *importance, size_t rows,
                            size_t row_elems) {
    encode_rows(dst, src, importance, rows, row_elems, SUPER_ELEMS, sizeof(struct q2_k),
                encode_weighted);
}
