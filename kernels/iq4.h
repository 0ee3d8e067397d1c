/* SPDX-License-Identifier: Apache-2.0
 * kernels/iq4.h - the levels of iq4_nl and iq4_xs, and the search for the scale of 32 elements.
 * Source: ggml/src/ggml-quants.c, quantize_row_iq4_nl_impl with seven tries, as llama-quantize
 * calls it. The order of the float operations is the reference's. */
#pragma once
#include "kernels/blocks_iq.h"
#include "kernels/scalar.h"

enum { IQ4_ELEMS = 32, IQ4_TRIES = 7 };
#define IQ4_TINY 1e-15f /* no greater magnitude: counts as zeros */

static const int8_t iq4_values[16] = { -127, -104, -83, -65, -49, -35, -22, -10,
                                       1,    13,   25,  38,  53,  69,  89,  113 };

/* The nearest value; in the middle of two the greater. A NaN gives the last. */
static inline uint8_t iq4_level(float v) {
    uint8_t level = 0;
    for (int i = 1; i < 16; i++)
        level = (uint8_t)(level + !(2 * v < (float)(iq4_values[i - 1] + iq4_values[i])));
    return level;
}

static inline void iq4_fit(const float *x, const float *w, float inverse, float *sum_qx,
                           float *sum_q2) {
    *sum_qx = *sum_q2 = 0;
    for (int i = 0; i < IQ4_ELEMS; i++) {
        const float q = iq4_values[iq4_level(inverse * x[i])];
        *sum_qx += w[i] * q * x[i];
        *sum_q2 += w[i] * q * q;
    }
}

static inline float iq4_search(const float *x, const float *w) {
    const float max = first_absmax(x, IQ4_ELEMS);
    float sum_qx, sum_q2;
    if (fabsf(max) < IQ4_TINY)
        return 0;
    iq4_fit(x, w, 1 / (-max / iq4_values[0]), &sum_qx, &sum_q2);
    float d = sum_q2 > 0 ? sum_qx / sum_q2 : 0, best = d * sum_qx;
    for (int i = -IQ4_TRIES; i <= IQ4_TRIES; i++) {
        iq4_fit(x, w, (float)(i + iq4_values[0]) / max, &sum_qx, &sum_q2);
        if (sum_q2 > 0 && sum_qx * sum_qx > best * sum_q2) {
            d = sum_qx / sum_q2;
            best = d * sum_qx;
        }
    }
    return d;
}

static inline void iq4_store(uint8_t qs[16], const float *x, float inverse) {
    for (int i = 0; i < 16; i++)
        qs[i] = (uint8_t)(iq4_level(inverse * x[i]) | iq4_level(inverse * x[i + 16]) << 4);
}

/* The six-bit scales of an iq4_xs; @inverses of the rounded ones. */
static inline void iq4_xs_scales(struct iq4_xs *b, const float scales[8], float inverses[8]) {
    const float d = -first_absmax(scales, 8) / 32, id = inverse_or_0(d);
    b->d = f16_from_f32(d);
    b->scales_h = 0;
    for (int s = 0; s < 8; s++) {
        const int l = int_clamp(int_nearest(id * scales[s]), -32, 31), up = l + 32;
        inverses[s] = inverse_or_0(d * (float)l);
        b->scales_l[s / 2] = (uint8_t)((s % 2 ? b->scales_l[s / 2] : 0) | (up & 15) << (s % 2 * 4));
        b->scales_h = (uint16_t)(b->scales_h | up >> 4 << (2 * s));
    }
}
