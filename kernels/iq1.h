/* SPDX-License-Identifier: Apache-2.0
 * kernels/iq1.h - iq1_s and iq1_m: what a sub-block's search finds, and how a block is put together
 * of it. Each element is one of three values, which are -1, 0, 1 moved up or down an eighth.
 * Source: ggml/src/ggml-quants.c, quantize_row_iq1_s_impl, quantize_row_iq1_m_impl. The order of
 * the float operations is the reference's: any other order changes bytes. */
#pragma once
#include "kernels/blocks_iq.h"
#include "kernels/iq_books.h"
#include "kernels/scalar.h"

enum { IQ1_POINTS = 2048, IQ1_S_SUB = 32, IQ1_M_SUB = 16 };
#define IQ1_S_TINY 1e-12f /* no greater magnitude: counts as zeros */
#define IQ1_M_TINY 1e-7f

/* By digit, moved up, and down. */
static const float iq1_values_of[2][3] = { { -0.875f, 0.125f, 1.125f },
                                           { -1.125f, -0.125f, 0.875f } };

/* Points of the codebook. One that was not found has a scale of 0, and all points the first one. */
struct iq1_sub {
    float scale;       /* not negative */
    uint16_t point[4]; /* as in iq_books.h; of each eight elements */
    uint8_t down[2];   /* whether the first and second half's values are moved down */
};

/* Levels 0 to 2 * 7 + 1 of the greatest scale, in steps of two from one on. */
static inline int iq1_scale_level(float scale, float inverse) {
    return int_clamp(int_nearest(0.5f * (inverse * scale - 1)), 0, 7);
}

/* The scale of a whole block lies in the four upper bits of the four words. */
static inline float iq1_m_scale(const struct iq1_m *b) {
    return f32_from_f16((uint16_t)(b->scales[0] >> 12 | (b->scales[1] >> 8 & 0xf0) |
                                   (b->scales[2] >> 4 & 0xf00) | (b->scales[3] & 0xf000)));
}

static inline float iq1_greatest_scale(const struct iq1_sub *subs, int n) {
    float max = 0;
    for (int s = 0; s < n; s++)
        max = max > subs[s].scale ? max : subs[s].scale;
    return max;
}

static inline void iq1_s_store(struct iq1_s *b, const struct iq1_sub subs[8]) {
    const float d = iq1_greatest_scale(subs, 8) / 15, inverse = 1 / d;
    memset(b, 0, sizeof *b);
    for (int s = 0; s < 8; s++) {
        for (int g = 0; g < 4; g++) {
            const int number = iq_number(&iq1_book, IQ1_POINTS, subs[s].point[g]);
            b->qs[4 * s + g] = (uint8_t)number;
            b->qh[s] = (uint16_t)(b->qh[s] | number >> 8 << (3 * g));
        }
        if (d != 0)
            b->qh[s] = (uint16_t)(b->qh[s] | iq1_scale_level(subs[s].scale, inverse) << 12 |
                                  subs[s].down[0] << 15);
    }
    b->d = f16_from_f32(d * 1.125f);
}

/* The block's scale is fitted once more, to all elements. @w: the weights of the search. */
static inline void iq1_m_store(struct iq1_m *b, const struct iq1_sub subs[16], const float *x,
                               const float *w) {
    float d = iq1_greatest_scale(subs, 16) / 15, sum_qx = 0, sum_q2 = 0;
    const float inverse = 1 / d;
    const bool zero = d == 0;
    memset(b, 0, sizeof *b);
    for (int s = 0; s < 16; s++) {
        const int level = zero ? 0 : iq1_scale_level(subs[s].scale, inverse);
        b->scales[s / 4] = (uint16_t)(b->scales[s / 4] | level << (s % 4 * 3));
        for (int g = 0; g < 2; g++) {
            const uint16_t point = subs[s].point[g];
            const int number = iq_number(&iq1_book, IQ1_POINTS, point);
            const int high = number >> 8 | (zero ? 0 : subs[s].down[g] << 3);
            b->qs[2 * s + g] = (uint8_t)number;
            b->qh[s] = (uint8_t)(b->qh[s] | high << (4 * g));
            for (int i = 0; i < 8; i++, x++, w++) {
                const float value = iq1_values_of[subs[s].down[g]][point >> (2 * i) & 3];
                const float q = value * (float)(2 * level + 1);
                sum_qx += *w * q * *x;
                sum_q2 += *w * q * q;
            }
        }
    }
    if (zero)
        return;
    if (sum_q2 > 0)
        d = sum_qx / sum_q2;
    const uint16_t f16 = f16_from_f32(d * 1.1125f);
    for (int i = 0; i < 4; i++) /* four bits on top of four scales */
        b->scales[i] = (uint16_t)(b->scales[i] | (f16 >> (4 * i) & 15) << 12);
}
