/* SPDX-License-Identifier: Apache-2.0
 * kernels/iq4.c - iq4_nl and iq4_xs: 4 bits an element, to 16 levels denser around 0.
 * Source: as in iq4.h; ggml/src/ggml-quants.c, dequantize_row_iq4_nl, dequantize_row_iq4_xs. */
#include "kernels/iq4.h"

static float search_plain(const float *x) {
    float w[IQ4_ELEMS];
    for (int i = 0; i < IQ4_ELEMS; i++)
        w[i] = x[i] * x[i];
    return iq4_search(x, w);
}

static void encode_iq4_nl(void *dst, const float *x) {
    struct iq4_nl *b = dst;
    const float d = search_plain(x);
    b->d = f16_from_f32(d);
    iq4_store(b->qs, x, inverse_or_0(d));
}

static void encode_iq4_xs(void *dst, const float *x) {
    struct iq4_xs *b = dst;
    float scales[8], inverses[8];
    for (int s = 0; s < 8; s++)
        scales[s] = search_plain(x + IQ4_ELEMS * s);
    iq4_xs_scales(b, scales, inverses);
    for (int s = 0; s < 8; s++)
        iq4_store(b->qs + 16 * s, x + IQ4_ELEMS * s, inverses[s]);
}

void iq4_nl_encode_c(void *dst, const float *src, size_t blocks) {
    encode_finite(dst, src, blocks, IQ4_ELEMS, sizeof(struct iq4_nl), encode_iq4_nl);
}

void iq4_xs_encode_c(void *dst, const float *src, size_t blocks) {
    encode_finite(dst, src, blocks, SUPER_ELEMS, sizeof(struct iq4_xs), encode_iq4_xs);
}

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
            const int low = b->scales_l[s / 2] >> (s % 2 * 4) & 15;
            const int scale = (low | (b->scales_h >> (2 * s) & 3) << 4) - 32;
            decode_32(dst, b->qs + 16 * s, f32_from_f16(b->d) * (float)scale);
        }
    }
}
