/* SPDX-License-Identifier: Apache-2.0
 * kernels/decode_int.c - decoders of the blocks of 32 with one scale.
 * Source: ggml/src/ggml-quants.c, dequantize_row_q4_0, _q4_1, _q5_0, _q5_1, _q8_0. */
#include "kernels/blocks.h"
#include "kernels/f16.h"
#include "kernels/portable.h"

enum { ELEMS = 32 };

void q4_0_decode_c(float *dst, const void *src, size_t blocks) {
    const struct q4_0 *b = src;
    for (size_t i = 0; i < blocks; i++, b++, dst += ELEMS) {
        const float d = f32_from_f16(b->d);
        for (int j = 0; j < 16; j++)
            dst[j] = (float)((b->qs[j] & 15) - 8) * d;
        for (int j = 0; j < 16; j++)
            dst[j + 16] = (float)((b->qs[j] >> 4) - 8) * d;
    }
}

void q4_1_decode_c(float *dst, const void *src, size_t blocks) {
    const struct q4_1 *b = src;
    for (size_t i = 0; i < blocks; i++, b++, dst += ELEMS) {
        const float d = f32_from_f16(b->d), m = f32_from_f16(b->m);
        for (int j = 0; j < 16; j++)
            dst[j] = (float)(b->qs[j] & 15) * d + m;
        for (int j = 0; j < 16; j++)
            dst[j + 16] = (float)(b->qs[j] >> 4) * d + m;
    }
}

/* Element j of a block whose fifth bits are apart. */
static inline int fifth(uint32_t qh, int j) {
    return (int)(qh >> j & 1) << 4;
}

void q5_0_decode_c(float *dst, const void *src, size_t blocks) {
    const struct q5_0 *b = src;
    for (size_t i = 0; i < blocks; i++, b++, dst += ELEMS) {
        const float d = f32_from_f16(b->d);
        const uint32_t qh = b->qh;
        for (int j = 0; j < 16; j++)
            dst[j] = (float)(((b->qs[j] & 15) | fifth(qh, j)) - 16) * d;
        for (int j = 0; j < 16; j++)
            dst[j + 16] = (float)((b->qs[j] >> 4 | fifth(qh, j + 16)) - 16) * d;
    }
}

void q5_1_decode_c(float *dst, const void *src, size_t blocks) {
    const struct q5_1 *b = src;
    for (size_t i = 0; i < blocks; i++, b++, dst += ELEMS) {
        const float d = f32_from_f16(b->d), m = f32_from_f16(b->m);
        const uint32_t qh = b->qh;
        for (int j = 0; j < 16; j++)
            dst[j] = (float)((b->qs[j] & 15) | fifth(qh, j)) * d + m;
        for (int j = 0; j < 16; j++)
            dst[j + 16] = (float)(b->qs[j] >> 4 | fifth(qh, j + 16)) * d + m;
    }
}

void q8_0_decode_c(float *dst, const void *src, size_t blocks) {
    const struct q8_0 *b = src;
    for (size_t i = 0; i < blocks; i++, b++, dst += ELEMS) {
        const float d = f32_from_f16(b->d);
        for (int j = 0; j < ELEMS; j++)
            dst[j] = (float)b->qs[j] * d;
    }
}
