/* SPDX-License-Identifier: Apache-2.0
 * kernels/q4_0.h - q4_0: 32 elements, one scale, 4 bits each, symmetric; -8 is reached, +8 is not.
 * Source: ggml/src/ggml-quants.c, quantize_row_q4_0_ref, quantize_row_q4_0_impl. */
#pragma once
#include "kernels/symmetric.h"
#include "kernels/weighted.h"

BODY uint8_t q4_0_level(float v) {
    const int32_t q = int_trunc(v + 8.5f);
    return (uint8_t)(q < 15 ? q : 15);
}

BODY void q4_0_block(struct q4_0 *b, const float *x) {
    const float d = first_absmax(x, Q4_0_ELEMS) / -8, id = inverse_or_0(d);
    b->d = f16_from_f32(d);
    for (int i = 0; i < 16; i++)
        b->qs[i] = (uint8_t)(q4_0_level(x[i] * id) | q4_0_level(x[i + 16] * id) << 4);
}

/* No rounding of the scale first: the levels are the search's own. */
BODY void q4_0_block_weighted(struct q4_0 *b, const float *x, const float *importance,
                              float mean_square) {
    const struct symmetric_how how = { Q4_0_ELEMS, 8 };
    float w[Q4_0_ELEMS];
    uint8_t q[Q4_0_ELEMS];
    importance_weights(w, x, importance, Q4_0_ELEMS, mean_square);
    b->d = f16_from_scale(symmetric_search(x, w, how, q));
    for (int i = 0; i < 16; i++)
        b->qs[i] = (uint8_t)(q[i] | q[i + 16] << 4);
}
