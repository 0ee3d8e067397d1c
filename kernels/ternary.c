/* SPDX-License-Identifier: Apache-2.0
 * kernels/ternary.c - decoders of tq1_0, tq2_0, q1_0 and q2_0.
 * Source: ggml/src/ggml-quants.c, dequantize_row_* of these types. */
#include "kernels/ternary.h"
#include "kernels/portable.h"

/* Digit @i of five, the first the most significant: the fraction's next digit after i of them. */
static float trit_at(uint8_t byte, int i, float d) {
    static const uint8_t power[5] = { 1, 3, 9, 27, 81 };
    const uint8_t rest = (uint8_t)(byte * power[i]);
    return (float)((rest * 3 >> 8) - 1) * d;
}

void tq1_0_decode_c(float *dst, const void *src, size_t blocks) {
    const struct tq1_0 *b = src;
    for (size_t k = 0; k < blocks; k++, b++, dst += SUPER_ELEMS) {
        const float d = f32_from_f16(b->d);
        for (int i = 0; i < 160; i++)
            dst[i] = trit_at(b->qs[i % 32], i / 32, d);
        for (int i = 0; i < 80; i++)
            dst[160 + i] = trit_at(b->qs[32 + i % 16], i / 16, d);
        for (int i = 0; i < 16; i++)
            dst[240 + i] = trit_at(b->qh[i % 4], i / 4, d);
    }
}

void tq2_0_decode_c(float *dst, const void *src, size_t blocks) {
    const struct tq2_0 *b = src;
    for (size_t k = 0; k < blocks; k++, b++, dst += SUPER_ELEMS) {
        const float d = f32_from_f16(b->d);
        for (int i = 0; i < SUPER_ELEMS; i++)
            dst[i] = (float)((b->qs[i / 128 * 32 + i % 32] >> (i % 128 / 32 * 2) & 3) - 1) * d;
    }
}

void q1_0_decode_c(float *dst, const void *src, size_t blocks) {
    const struct q1_0 *b = src;
    for (size_t k = 0; k < blocks; k++, b++, dst += Q1_0_ELEMS) {
        const float d = f32_from_f16(b->d);
        for (int i = 0; i < Q1_0_ELEMS; i++)
            dst[i] = b->qs[i / 8] >> (i % 8) & 1 ? d : -d;
    }
}

void q2_0_decode_c(float *dst, const void *src, size_t blocks) {
    const struct q2_0 *b = src;
    for (size_t k = 0; k < blocks; k++, b++, dst += Q2_0_ELEMS) {
        const float d = f32_from_f16(b->d);
        for (int i = 0; i < Q2_0_ELEMS; i++)
            dst[i] = (float)((b->qs[i / 4] >> (i % 4 * 2) & 3) - 1) * d;
    }
}
