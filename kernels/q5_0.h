/* SPDX-License-Identifier: Apache-2.0
 * kernels/q5_0.h - q5_0: as q4_0 with 5 bits each, the fifth ones apart.
 * Source: ggml/src/ggml-quants.c, quantize_row_q5_0_ref, quantize_row_q5_0_impl. */
#pragma once
#include "kernels/pack.h"
#include "kernels/symmetric.h"
#include "kernels/weighted.h"

BODY uint8_t q5_0_level(float v) {
    const int32_t q = int_trunc(v + 16.5f);
    return (uint8_t)(q < 31 ? q : 31);
}

BODY void q5_0_block(struct q5_0 *b, const float *x) {
    const float d = first_absmax(x, Q5_0_ELEMS) / -16, id = inverse_or_0(d);
    uint8_t q[Q5_0_ELEMS];
    b->d = f16_from_f32(d);
    for (int i = 0; i < Q5_0_ELEMS; i++)
        q[i] = q5_0_level(x[i] * id);
    b->qh = fives_pack(b->qs, q);
}

/* No rounding of the scale first: the levels are the search's own. */
BODY void q5_0_block_weighted(struct q5_0 *b, const float *x, const float *importance,
                              float mean_square) {
    const struct symmetric_how how = { Q5_0_ELEMS, 16 };
    float w[Q5_0_ELEMS];
    uint8_t q[Q5_0_ELEMS];
    importance_weights(w, x, importance, Q5_0_ELEMS, mean_square);
    b->d = f16_from_scale(symmetric_search(x, w, how, q));
    b->qh = fives_pack(b->qs, q);
}
