/* SPDX-License-Identifier: Apache-2.0
 * kernels/decode_k.c - decoders of the K-types.
 * Source: ggml/src/ggml-quants.c, dequantize_row_q6_K. */
#include "kernels/plain.h"

/* Sixteen elements of q6_k: @ql and @qh at the bits of the first of them. */
static inline void decode_q6_sub(float *dst, const uint8_t *ql, int ql_shift, const uint8_t *qh,
                                 int qh_shift, float scale) {
    for (int i = 0; i < 16; i++) {
        const int q = (ql[i] >> ql_shift & 15) | (qh[i] >> qh_shift & 3) << 4;
        dst[i] = scale * (float)(q - 32);
    }
}

void PLAIN(q6_k_decode)(float *restrict dst, const void *restrict src, size_t blocks) {
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
