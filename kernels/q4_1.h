/* SPDX-License-Identifier: Apache-2.0
 * kernels/q4_1.h - q4_1: 32 elements, scale and minimum, 4 bits each.
 * Source: ggml/src/ggml-quants.c, quantize_row_q4_1_ref, quantize_row_q4_1_impl. */
#pragma once
#include "kernels/affine.h"
#include "kernels/weighted.h"

BODY uint8_t q4_1_level(float v) {
    const int32_t q = int_trunc(v + 0.5f);
    return (uint8_t)(q < 15 ? q : 15);
}

BODY void q4_1_block(struct q4_1 *b, const float *x) {
    float min, max;
    first_minmax(x, Q4_1_ELEMS, &min, &max);
    const float d = (max - min) / 15, id = inverse_or_0(d);
    b->d = f16_from_f32(d);
    b->m = f16_from_f32(min);
    for (int i = 0; i < 16; i++)
        b->qs[i] =
            (uint8_t)(q4_1_level((x[i] - min) * id) | q4_1_level((x[i + 16] - min) * id) << 4);
}

/* No rounding of the scale first: the levels are the search's own. */
BODY void q4_1_block_weighted(struct q4_1 *b, const float *x, const float *importance,
                              float mean_square) {
    const struct affine_how how = { Q4_1_ELEMS, 15, -0.9f, 0.05f, 36, false };
    float w[Q4_1_ELEMS];
    uint8_t q[Q4_1_ELEMS];
    importance_weights(w, x, importance, Q4_1_ELEMS, mean_square);
    const struct affine found = affine_search(x, w, &how);
    b->d = f16_from_f32(found.scale);
    b->m = f16_from_f32(-found.min);
    for (int i = 0; i < Q4_1_ELEMS; i++)
        q[i] = (uint8_t)affine_level(&found, &how, x[i]);
    for (int i = 0; i < 16; i++)
        b->qs[i] = (uint8_t)(q[i] | q[i + 16] << 4);
}
