/* SPDX-License-Identifier: Apache-2.0
 * kernels/q5_1.c - q5_1: as q4_1 with 5 bits each, the fifth ones apart.
 * Source: ggml/src/ggml-quants.c, quantize_row_q5_1_ref. */
#include "kernels/blocks.h"
#include "kernels/portable.h"
#include "kernels/scalar.h"

/* No clamp: (max - min) * (1 / ((max - min) / 31)) cannot round to 31.5 or more. */
static uint32_t level(float v) {
    return (uint32_t)int_trunc(v + 0.5f);
}

static void encode_block(void *dst, const float *x) {
    struct q5_1 *b = dst;
    float min, max;
    first_minmax(x, Q5_1_ELEMS, &min, &max);
    const float d = (max - min) / 31, id = inverse_or_0(d);
    uint32_t qh = 0;
    b->d = f16_from_f32(d);
    b->m = f16_from_f32(min);
    for (int i = 0; i < 16; i++) {
        const uint32_t lo = level((x[i] - min) * id), hi = level((x[i + 16] - min) * id);
        b->qs[i] = (uint8_t)((lo & 15) | (hi & 15) << 4);
        qh |= lo >> 4 << i | hi >> 4 << (i + 16);
    }
    b->qh = qh;
}

void q5_1_encode_c(void *dst, const float *src, size_t blocks) {
    encode_finite(dst, src, blocks, Q5_1_ELEMS, sizeof(struct q5_1), encode_block);
}
