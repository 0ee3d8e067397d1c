/* SPDX-License-Identifier: Apache-2.0
 * kernels/q4_0.c - q4_0: 32 elements, one scale, 4 bits each, symmetric; -8 is reached, +8 is not.
 * Source: ggml/src/ggml-quants.c, quantize_row_q4_0_ref, quantize_row_q4_0_impl. */
#include "kernels/blocks.h"
#include "kernels/portable.h"
#include "kernels/symmetric.h"
#include "kernels/weighted.h"

static uint8_t level(float v) {
    const int32_t q = int_trunc(v + 8.5f);
    return (uint8_t)(q < 15 ? q : 15);
}

static void encode_block(void *dst, const float *x) {
    struct q4_0 *b = dst;
    const float d = first_absmax(x, Q4_0_ELEMS) / -8, id = inverse_or_0(d);
    b->d = f16_from_f32(d);
    for (int i = 0; i < 16; i++)
        b->qs[i] = (uint8_t)(level(x[i] * id) | level(x[i + 16] * id) << 4);
}

void q4_0_encode_c(void *dst, const float *src, size_t blocks) {
    encode_finite(dst, src, blocks, Q4_0_ELEMS, sizeof(struct q4_0), encode_block);
}

/* No rounding of the scale first: the levels are the search's own. */
static void encode_weighted(void *dst, const float *x, const float *importance, float mean_square) {
    struct q4_0 *b = dst;
    float w[Q4_0_ELEMS];
    uint8_t q[Q4_0_ELEMS];
    importance_weights(w, x, importance, Q4_0_ELEMS, mean_square);
    b->d = f16_from_f32(symmetric_search(x, w, (struct symmetric_how){ Q4_0_ELEMS, 8 }, q));
    for (int i = 0; i < 16; i++)
        b->qs[i] = (uint8_t)(q[i] | q[i + 16] << 4);
}

void q4_0_encode_weighted_c(void *dst, const float *src, const float *importance, size_t rows,
                            size_t row_elems) {
    encode_rows(dst, src, importance, rows, row_elems, Q4_0_ELEMS, sizeof(struct q4_0),
                encode_weighted);
}
