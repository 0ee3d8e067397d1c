/* SPDX-License-Identifier: Apache-2.0
 * kernels/iq4.c - decoders of iq4_nl and iq4_xs.
 * Source: ggml/src/ggml-quants.c, dequantize_row_iq4_nl, dequantize_row_iq4_xs. */
#include "kernels/iq4.h"
#include "kernels/portable.h"

static void decode_32(float *dst, const uint8_t qs[16], float d) {
    for (int i = 0; i < 16; i++) {
        dst[i] = d * iq4_values[qs[i] & 15];
        dst[i + 16] = d * iq4_values[qs[i] >> 4];
    }
}

void iq4_nl_decode_c(float *dst, const void *src, size_t blocks) {
    const struct iq4_nl *b = src;
    for (size_t k = 0; k < blocks; k++, b++, dst += IQ4_ELEMS)
        decode_32(dst, b->qs, f32_from_f16(b->d));
}

void iq4_xs_decode_c(float *dst, const void *src, size_t blocks) {
    const struct iq4_xs *b = src;
    for (size_t k = 0; k < blocks; k++, b++) {
        for (int s = 0; s < 8; s++, dst += IQ4_ELEMS) {
            decode_32(dst, b->qs + 16 * s, f32_from_f16(b->d) * (float)iq4_xs_scale(b, s));
        }
    }
}
