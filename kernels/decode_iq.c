/* SPDX-License-Identifier: Apache-2.0
 * kernels/decode_iq.c - decoders of the types with codebooks: 32 elements at a time, in four
 * groups of eight with a sign each.
 * Source: ggml/src/ggml-quants.c, dequantize_row_iq1_s to dequantize_row_iq3_s. */
#include "kernels/blocks_iq.h"
#include "kernels/iq1.h"
#include "kernels/iq_grids.h"
#include "kernels/portable.h"

enum { SUBS = 8, SUB_ELEMS = 32 };
#define IQ1_SHIFT 0.125f

static float with_sign(float v, uint32_t signs, int i) {
    return signs >> i & 1 ? -v : v;
}

/* Eight elements of an iq2 type. */
static void decode_iq2(float *dst, uint16_t code, uint32_t signs, float d) {
    for (int i = 0; i < 8; i++)
        dst[i] = with_sign(d * (float)iq2_value(code, i), signs, i);
}

void iq2_xxs_decode_c(float *dst, const void *src, size_t blocks) {
    const struct iq2_xxs *b = src;
    for (size_t k = 0; k < blocks; k++, b++) {
        for (int s = 0; s < SUBS; s++, dst += SUB_ELEMS) {
            const uint32_t signs = b->sub[s].signs;
            const float d = f32_from_f16(b->d) * (0.5f + (float)(signs >> 28)) * 0.25f;
            for (int g = 0; g < 4; g++)
                decode_iq2(dst + 8 * g, iq2_xxs_grid[b->sub[s].points[g]],
                           iq_signs(signs >> (7 * g)), d);
        }
    }
}

/* The two scales of 32 elements of iq2_xs and iq2_s. */
static float iq2_scale(half d, uint8_t scales, int group) {
    return f32_from_f16(d) * (0.5f + (float)(scales >> (group / 2 * 4) & 15)) * 0.25f;
}

void iq2_xs_decode_c(float *dst, const void *src, size_t blocks) {
    const struct iq2_xs *b = src;
    for (size_t k = 0; k < blocks; k++, b++) {
        for (int s = 0; s < SUBS; s++, dst += SUB_ELEMS) {
            for (int g = 0; g < 4; g++) {
                const uint16_t q = b->qs[4 * s + g];
                decode_iq2(dst + 8 * g, iq2_xs_grid[q & 511], iq_signs(q >> 9),
                           iq2_scale(b->d, b->scales[s], g));
            }
        }
    }
}

void iq2_s_decode_c(float *dst, const void *src, size_t blocks) {
    const struct iq2_s *b = src;
    for (size_t k = 0; k < blocks; k++, b++) {
        for (int s = 0; s < SUBS; s++, dst += SUB_ELEMS) {
            for (int g = 0; g < 4; g++) {
                const int point = b->qs[4 * s + g] | (b->qh[s] >> (2 * g) & 3) << 8;
                decode_iq2(dst + 8 * g, iq2_s_grid[point], b->signs[4 * s + g],
                           iq2_scale(b->d, b->scales[s], g));
            }
        }
    }
}

void iq3_xxs_decode_c(float *dst, const void *src, size_t blocks) {
    const struct iq3_xxs *b = src;
    for (size_t k = 0; k < blocks; k++, b++) {
        for (int s = 0; s < SUBS; s++, dst += SUB_ELEMS) {
            const uint32_t signs = b->signs[s];
            const float d = f32_from_f16(b->d) * (0.5f + (float)(signs >> 28)) * 0.5f;
            for (int i = 0; i < SUB_ELEMS; i++) {
                const uint16_t code = iq3_xxs_grid[b->qs[8 * s + i / 4]];
                dst[i] = with_sign(d * (float)iq3_xxs_value(code, i % 4),
                                   iq_signs(signs >> (i / 8 * 7)), i % 8);
            }
        }
    }
}

void iq3_s_decode_c(float *dst, const void *src, size_t blocks) {
    const struct iq3_s *b = src;
    for (size_t k = 0; k < blocks; k++, b++) {
        for (int s = 0; s < SUBS; s++, dst += SUB_ELEMS) {
            const int scale = b->scales[s / 2] >> (s % 2 * 4) & 15;
            const float d = f32_from_f16(b->d) * (float)(1 + 2 * scale);
            for (int i = 0; i < SUB_ELEMS; i++) {
                const int point = b->qs[8 * s + i / 4] | (b->qh[s] >> (i / 4) & 1) << 8;
                dst[i] = with_sign(d * (float)iq3_s_value(iq3_s_grid[point], i % 4),
                                   b->signs[4 * s + i / 8], i % 8);
            }
        }
    }
}

/* Eight elements of an iq1 type, all moved up or down an eighth. */
static void decode_iq1(float *dst, int point, bool down, float d) {
    for (int i = 0; i < 8; i++)
        dst[i] = d * ((float)iq1_value(iq1_grid[point], i) + (down ? -IQ1_SHIFT : IQ1_SHIFT));
}

void iq1_s_decode_c(float *dst, const void *src, size_t blocks) {
    const struct iq1_s *b = src;
    for (size_t k = 0; k < blocks; k++, b++) {
        for (int s = 0; s < SUBS; s++, dst += SUB_ELEMS) {
            const uint16_t qh = b->qh[s];
            const float d = f32_from_f16(b->d) * (float)(2 * (qh >> 12 & 7) + 1);
            for (int g = 0; g < 4; g++)
                decode_iq1(dst + 8 * g, b->qs[4 * s + g] | (qh >> (3 * g) & 7) << 8, qh & 0x8000,
                           d);
        }
    }
}

void iq1_m_decode_c(float *dst, const void *src, size_t blocks) {
    const struct iq1_m *b = src;
    for (size_t k = 0; k < blocks; k++, b++) {
        const float all = iq1_m_scale(b);
        for (int s = 0; s < SUBS; s++, dst += SUB_ELEMS) {
            for (int g = 0; g < 4; g++) {
                const int qh = b->qh[2 * s + g / 2] >> (g % 2 * 4) & 15;
                const int scale = b->scales[s / 2] >> (s % 2 * 6 + g / 2 * 3) & 7;
                decode_iq1(dst + 8 * g, b->qs[4 * s + g] | (qh & 7) << 8, qh & 8,
                           all * (float)(2 * scale + 1));
            }
        }
    }
}
