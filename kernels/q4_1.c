/* SPDX-License-Identifier: Apache-2.0
 * kernels/q4_1.c - q4_1: 32 elements, scale and minimum, 4 bits each.
 * Source: ggml/src/ggml-quants.c, quantize_row_q4_1_ref. */
#include "kernels/blocks.h"
#include "kernels/portable.h"
#include "kernels/scalar.h"

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
