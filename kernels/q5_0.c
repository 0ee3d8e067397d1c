/* SPDX-License-Identifier: Apache-2.0
 * kernels/q5_0.c - q5_0: as q4_0 with 5 bits each, the fifth ones apart.
 * Source: ggml/src/ggml-quants.c, quantize_row_q5_0_ref. */
#include "kernels/blocks.h"
#include "kernels/portable.h"
#include "kernels/scalar.h"

static uint32_t level(float v) {
    const int32_t q = int_trunc(v + 16.5f);
    return (uint32_t)(q < 31 ? q : 31);
}

static void encode_block(void *dst, const float *x) {
    struct q5_0 *b = dst;
    const float d = first_absmax(x, Q5_0_ELEMS) / -16, id = inverse_or_0(d);
    uint32_t qh = 0;
    b->d = f16_from_f32(d);
    for (int i = 0; i < 16; i++) {
        const uint32_t lo = level(x[i] * id), hi = level(x[i + 16] * id);
        b->qs[i] = (uint8_t)((lo & 15) | (hi & 15) << 4);
        qh |= lo >> 4 << i | hi >> 4 << (i + 16);
    }
    b->qh = qh;
}

void q5_0_encode_c(void *dst, const float *src, size_t blocks) {
    encode_finite(dst, src, blocks, Q5_0_ELEMS, sizeof(struct q5_0), encode_block);
}
