/* SPDX-License-Identifier: Apache-2.0
 * kernels/q4_1.c - q4_1: 32 elements, scale and minimum, 4 bits each.
 * Source: ggml/src/ggml-quants.c, quantize_row_q4_1_ref, quantize_row_q4_1_impl. */
#include "kernels/affine.h"
#include "kernels/blocks.h"
#include "kernels/portable.h"
#include "kernels/weighted.h"

static uint8_t level(float v) {
    const int32_t q = int_trunc(v + 0.5f);
    return (uint8_t)(q < 15 ? q : 15);
}

static void encode_block(void *dst, const float *x) {
    struct q4_1 *b = dst;
    float min, max;
    first_minmax(x, Q4_1_ELEMS, &min, &max);
    const float d = (max - min) / 15, id = inverse_or_0(d);
    b->d = f16_from_f32(d);
    b->m = f16_from_f32(min);
    for (int i = 0; i < 16; i++)
        b->qs[i] = (uint8_t)(level((x[i] - min) * id) | level((x[i + 16] - min) * id) << 4);
}

void q4_1_encode_c(void *dst, const float *src, size_t blocks) {
    encode_finite(dst, src, blocks, Q4_1_ELEMS, sizeof(struct q4_1), encode_block);
}

/* No rounding of the scale first: the levels are the search's own. */
static void encode_weighted(void *dst, const float *x, const float *importance, float mean_square) {
    const struct affine_how how = { Q4_1_ELEMS, 15, -0.9f, 0.05f, 36, false };
    struct q4_1 *b = dst;
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

void q4_1_encode_weighted_c(void *dst, const float *src, const float *importance, size_t rows,
                            size_t row_elems) {
    encode_rows(dst, src, importance, rows, row_elems, Q4_1_ELEMS, sizeof(struct q4_1),
                encode_weighted);
}
