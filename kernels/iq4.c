/* SPDX-License-Identifier: Apache-2.0
 * kernels/iq4.c - iq4_nl and iq4_xs: 4 bits an element, to 16 levels denser around 0.
 * Source: as in iq4.h; ggml/src/ggml-quants.c, dequantize_row_iq4_nl, dequantize_row_iq4_xs. */
#include "kernels/iq4.h"
#include "kernels/weighted.h"

/* Weights of @n elements, x^2 or by importance. */
static void set_weights(float *w, const float *x, const float *importance, int n) {
    if (importance) {
        importance_weights(w, x, importance, n, sum_squares(x, (size_t)n) * (2.0f / (float)n));
        return;
    }
    for (int i = 0; i < n; i++)
        w[i] = x[i] * x[i];
}

static void iq4_nl_with(struct iq4_nl *b, const float *x, const float *importance) {
    float w[IQ4_ELEMS];
    set_weights(w, x, importance, IQ4_ELEMS);
    const float d = iq4_search(x, w);
    b->d = f16_from_f32(d);
    iq4_store(b->qs, x, inverse_or_0(d));
}

static void iq4_xs_with(struct iq4_xs *b, const float *x, const float *importance) {
    float w[SUPER_ELEMS], scales[8], inverses[8];
    set_weights(w, x, importance, SUPER_ELEMS);
    for (int s = 0; s < 8; s++)
        scales[s] = iq4_search(x + IQ4_ELEMS * s, w + IQ4_ELEMS * s);
    iq4_xs_scales(b, scales, inverses);
    for (int s = 0; s < 8; s++)
        iq4_store(b->qs + 16 * s, x + IQ4_ELEMS * s, inverses[s]);
}

static void encode_iq4_nl(void *dst, const float *x) {
    iq4_nl_with(dst, x, NULL);
}
static void encode_iq4_xs(void *dst, const float *x) {
    iq4_xs_with(dst, x, NULL);
}

static void weighted_iq4_nl(void *dst, const float *x, const float *importance, float mean_square) {
    (void)mean_square; /* the row's; these take the block's */
    iq4_nl_with(dst, x, importance);
}

static void weighted_iq4_xs(void *dst, const float *x, const float *importance, float mean_square) {
    (void)mean_square;
    iq4_xs_with(dst, x, importance);
}

void iq4_nl_encode_c(void *dst, const float *src, size_t blocks) {
    encode_finite(dst, src, blocks, IQ4_ELEMS, sizeof(struct iq4_nl), encode_iq4_nl);
}

void iq4_xs_encode_c(void *dst, const float *src, size_t blocks) {
    encode_finite(dst, src, blocks, SUPER_ELEMS, sizeof(struct iq4_xs), encode_iq4_xs);
}

void iq4_nl_encode_weighted_c(void *dst, const float *src, const float *importance, size_t rows,
                              size_t row_elems) {
    encode_rows(dst, src, importance, rows, row_elems, IQ4_ELEMS, sizeof(struct iq4_nl),
                weighted_iq4_nl);
}

void iq4_xs_encode_weighted_c(void *dst, const float *src, const float *importance, size_t rows,
                              size_t row_elems) {
    encode_rows(dst, src, importance, rows, row_elems, SUPER_ELEMS, sizeof(struct iq4_xs),
                weighted_iq4_xs);
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
