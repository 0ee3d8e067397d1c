/* SPDX-License-Identifier: Apache-2.0
 * kernels/q5_0.c - q5_0: as q4_0 with 5 bits each, the fifth ones apart.
 * Source: ggml/src/ggml-quants.c, quantize_row_q5_0_ref, quantize_row_q5_0_impl. */
#include "kernels/blocks.h"
#include "kernels/pack.h"
#include "kernels/portable.h"
#include "kernels/symmetric.h"
#include "kernels/weighted.h"

static uint8_t level(float v) {
    const int32_t q = int_trunc(v + 16.5f);
    return (uint8_t)(q < 31 ? q : 31);
}

static void encode_block(void *dst, const float *x) {
    struct q5_0 *b = dst;
    const float d = first_absmax(x, Q5_0_ELEMS) / -16, id = inverse_or_0(d);
    uint8_t q[Q5_0_ELEMS];
    b->d = f16_from_f32(d);
    for (int i = 0; i < Q5_0_ELEMS; i++)
        q[i] = level(x[i] * id);
    b->qh = fives_pack(b->qs, q);
}

void q5_0_encode_c(void *dst, const float *src, size_t blocks) {
    encode_finite(dst, src, blocks, Q5_0_ELEMS, sizeof(struct q5_0), encode_block);
}

/* No rounding of the scale first: the levels are the search's own. */
static void encode_weighted(void *dst, const float *x, const float *importance, float mean_square) {
    struct q5_0 *b = dst;
    float w[Q5_0_ELEMS];
    uint8_t q[Q5_0_ELEMS];
    importance_weights(w, x, importance, Q5_0_ELEMS, mean_square);
    b->d = f16_from_f32(symmetric_search(x, w, (struct symmetric_how){ Q5_0_ELEMS, 16 }, q));
    b->qh = fives_pack(b->qs, q);
}

void q5_0_encode_weighted_c(void *dst, const float *src, const float *importance, size_t rows,
                            size_t row_elems) {
    encode_rows(dst, src, importance, rows, row_elems, Q5_0_ELEMS, sizeof(struct q5_0),
                encode_weighted);
}
