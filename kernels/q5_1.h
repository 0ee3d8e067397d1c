/* SPDX-License-Identifier: Apache-2.0
 * kernels/q5_1.h - q5_1: as q4_1 with 5 bits each, the fifth ones apart.
 * Source: ggml/src/ggml-quants.c, quantize_row_q5_1_ref, quantize_row_q5_1_impl. */
#pragma once
#include "kernels/affine.h"
#include "kernels/pack.h"
#include "kernels/weighted.h"

/* No clamp: (max - min) * (1 / ((max - min) / 31)) cannot round to 31.5 or more. */
BODY uint8_t q5_1_level(float v) {
    return (uint8_t)int_trunc(v + 0.5f);
}

BODY void q5_1_block(struct q5_1 *b, const float *x) {
    float min, max;
    first_minmax(x, Q5_1_ELEMS, &min, &max);
    const float d = (max - min) / 31, id = inverse_or_0(d);
    uint8_t q[Q5_1_ELEMS];
    b->d = f16_from_f32(d);
    b->m = f16_from_f32(min);
    for (int i = 0; i < Q5_1_ELEMS; i++)
        q[i] = q5_1_level((x[i] - min) * id);
    b->qh = fives_pack(b->qs, q);
}

/* No rounding of the scale first: the levels are the search's own. */
BODY void q5_1_block_weighted(struct q5_1 *b, const float *x, const float *importance,
                              float mean_square) {
    const struct affine_how how = { Q5_1_ELEMS, 31, -0.9f, 0.05f, 36, false };
    float w[Q5_1_ELEMS];
    uint8_t q[Q5_1_ELEMS];
    importance_weights(w, x, importance, Q5_1_ELEMS, mean_square);
    const struct affine found = affine_search(x, w, &how);
    b->d = f16_from_f32(found.scale);
    b->m = f16_from_f32(-found.min);
    for (int i = 0; i < Q5_1_ELEMS; i++)
        q[i] = (uint8_t)affine_level(&found, &how, x[i]);
    b->qh = fives_pack(b->qs, q);
}
