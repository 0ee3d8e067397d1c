/* SPDX-License-Identifier: Apache-2.0
 * kernels/decode_k.c - decoders of the K-types.
 * Source: ggml/src/ggml-quants.c, dequantize_row_q2_K to dequantize_row_q6_K. */
#include "kernels/blocks.h"
#include "kernels/f16.h"
#include "kernels/pack.h"
#include "kernels/portable.h"

void q2_k_decode_c(float *dst, const void *src, size_t blocks) {
    const struct q2_k *b = src;
    for (size_t k = 0; k < blocks; k++, b++, dst += SUPER_ELEMS) {
        const float d = f32_from_f16(b->d), dmin = f32_from_f16(b->dmin);
        for (int i = 0; i < SUPER_ELEMS; i++) {
            const int q = b->qs[i / 128 * 32 + i % 32] >> (i % 128 / 32 * 2) & 3;
            const uint8_t scale = b->scales[i / 16];
            dst[i] = d * (float)(scale & 15) * (float)q - dmin * (float)(scale >> 4);
        }
    }
}

void q3_k_decode_c(float *dst, const void *src, size_t blocks) {
    const struct q3_k *b = src;
    for (size_t k = 0; k < blocks; k++, b++, dst += SUPER_ELEMS) {
        const float d = f32_from_f16(b->d);
        uint8_t scales[16];
        scales16_unpack(scales, b->scales);
        for (int i = 0; i < SUPER_ELEMS; i++) {
            const int low = b->qs[i / 128 * 32 + i % 32] >> (i % 128 / 32 * 2) & 3;
            const int high = (b->hmask[i % 32] >> (i / 32) & 1) << 2;
            dst[i] = d * (float)(scales[i / 16] - 32) * (float)((low | high) - 4);
        }
    }
}

void q4_k_decode_c(float *dst, const void *src, size_t blocks) {
    const struct q4_k *b = src;
    for (size_t k = 0; k < blocks; k++, b++, dst += SUPER_ELEMS) {
        const float d = f32_from_f16(b->d), dmin = f32_from_f16(b->dmin);
        uint8_t scales[8], mins[8];
        scales_unpack(scales, mins, b->scales);
        for (int i = 0; i < SUPER_ELEMS; i++) {
            const int s = i / 32, q = b->qs[i / 64 * 32 + i % 32] >> (s % 2 * 4) & 15;
            dst[i] = d * scales[s] * (float)q - dmin * mins[s];
        }
    }
}

void q5_k_decode_c(float *dst, const void *src, size_t blocks) {
    const struct q5_k *b = src;
    for (size_t k = 0; k < blocks; k++, b++, dst += SUPER_ELEMS) {
        const float d = f32_from_f16(b->d), dmin = f32_from_f16(b->dmin);
        uint8_t scales[8], mins[8];
        scales_unpack(scales, mins, b->scales);
        for (int i = 0; i < SUPER_ELEMS; i++) {
            const int s = i / 32, low = b->qs[i / 64 * 32 + i % 32] >> (s % 2 * 4) & 15;
            const int q = low | (b->qh[i % 32] >> s & 1) << 4;
            dst[i] = d * scales[s] * (float)q - dmin * mins[s];
        }
    }
}

/* Sixteen elements of q6_k: @ql and @qh at the bits of the first of them. */
static inline void decode_q6_sub(float *dst, const uint8_t *ql, int ql_shift, const uint8_t *qh,
                                 int qh_shift, float scale) {
    for (int i = 0; i < 16; i++) {
        const int q = (ql[i] >> ql_shift & 15) | (qh[i] >> qh_shift & 3) << 4;
        dst[i] = scale * (float)(q - 32);
    }
}

void q6_k_decode_c(float *dst, const void *src, size_t blocks) {
    const struct q6_k *b = src;
    for (size_t i = 0; i < blocks; i++, b++, dst += SUPER_ELEMS) {
        const float d = f32_from_f16(b->d);
        for (int s = 0; s < 16; s++) {
            const int side = s / 8, part = s % 8 / 2; /* part: which two bits of qh */
            decode_q6_sub(dst + 16 * s, b->ql + 64 * side + 16 * (s % 4), part / 2 * 4,
                          b->qh + 32 * side + 16 * (s % 2), part * 2, d * b->scales[s]);
        }
    }
}
