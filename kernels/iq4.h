/* SPDX-License-Identifier: Apache-2.0
 * kernels/iq4.h - iq4_nl and iq4_xs: 4 bits an element, to 16 levels denser around 0.
 * Source: ggml/src/ggml-quants.c, quantize_row_iq4_nl_impl with seven tries, as llama-quantize
 * calls it. The order of the float operations is the reference's. */
#pragma once
#include "kernels/blocks_iq.h"
#include "kernels/scalar.h"
#include "kernels/team.h"

enum { IQ4_ELEMS = 32, IQ4_TRIES = 7 };
#define IQ4_TINY 1e-15f /* no greater magnitude: counts as zeros */

BODY_TABLE int8_t iq4_values[16] = { -127, -104, -83, -65, -49, -35, -22, -10,
                                     1,    13,   25,  38,  53,  69,  89,  113 };

/* The nearest value; in the middle of two the greater. A NaN gives the last. */
BODY uint8_t iq4_level(float v) {
    uint8_t level = 0;
    for (int i = 1; i < 16; i++)
        level = (uint8_t)(level + !(2 * v < (float)(iq4_values[i - 1] + iq4_values[i])));
    return level;
}

BODY void iq4_fit(const float *x, const float *w, float inverse, float *sum_qx, float *sum_q2) {
    *sum_qx = *sum_q2 = 0;
    for (int i = 0; i < IQ4_ELEMS; i++) {
        const float q = iq4_values[iq4_level(inverse * x[i])];
        *sum_qx += w[i] * q * x[i];
        *sum_q2 += w[i] * q * q;
    }
}

BODY float iq4_search(const float *x, const float *w) {
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

BODY void iq4_store(uint8_t qs[16], const float *x, float inverse) {
    for (int i = 0; i < 16; i++)
        qs[i] = (uint8_t)(iq4_level(inverse * x[i]) | iq4_level(inverse * x[i + 16]) << 4);
}

/* The six-bit scales of an iq4_xs; @inverses of the rounded ones. */
BODY void iq4_xs_scales(struct iq4_xs *b, const float scales[8], float inverses[8]) {
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

/* The scale of sub-block @s. */
BODY int iq4_xs_scale(const struct iq4_xs *b, int s) {
    const int low = b->scales_l[s / 2] >> (s % 2 * 4) & 15;
    return (low | (b->scales_h >> (2 * s) & 3) << 4) - 32;
}

/* Weights of @n elements of a block, x^2 or by importance; @mean_square is the whole block's. */
BODY void iq4_weights(float *w, const float *x, const float *importance, int n, float mean_square) {
    if (importance) {
        importance_weights(w, x, importance, n, mean_square);
        return;
    }
    for (int i = 0; i < n; i++)
        w[i] = x[i] * x[i];
}

BODY void iq4_nl_with(struct iq4_nl *b, const float *x, const float *importance) {
    float w[IQ4_ELEMS];
    iq4_weights(w, x, importance, IQ4_ELEMS,
                importance ? sum_squares(x, IQ4_ELEMS) * (2.0f / IQ4_ELEMS) : 0);
    const float d = iq4_search(x, w);
    b->d = f16_from_scale(d);
    iq4_store(b->qs, x, inverse_or_0(d));
}

BODY void iq4_nl_block(struct iq4_nl *b, const float *x) {
    iq4_nl_with(b, x, NULL);
}

BODY void iq4_nl_block_weighted(struct iq4_nl *b, const float *x, const float *importance,
                                float mean_square) {
    (void)mean_square; /* the row's; this takes the block's */
    iq4_nl_with(b, x, importance);
}

enum { IQ4_XS_SUBS = 8 };

BODY void iq4_xs_search(struct team *t, int s, const float *x, const float *importance) {
    float w[IQ4_ELEMS];
    x += IQ4_ELEMS * s;
    iq4_weights(w, x, importance ? importance + IQ4_ELEMS * s : NULL, IQ4_ELEMS,
                t->sum_x2 * (2.0f / SUPER_ELEMS));
    t->scales[s] = iq4_search(x, w);
}

/* The team's scales become inverses. */
BODY void iq4_xs_round(struct iq4_xs *b, struct team *t, bool weighted) {
    (void)weighted;
    float inverses[IQ4_XS_SUBS];
    iq4_xs_scales(b, t->scales, inverses);
    for (int s = 0; s < IQ4_XS_SUBS; s++)
        t->scales[s] = inverses[s];
}

/* Packed at once: 16 bytes of the 256 levels' room. */
BODY void iq4_xs_levels(struct team *t, int s, const float *x) {
    iq4_store(t->q + 16 * s, x + IQ4_ELEMS * s, t->scales[s]);
}

BODY void iq4_xs_pack(struct iq4_xs *b, const struct team *t) {
    memcpy(b->qs, t->q, sizeof b->qs);
}

TEAM_BLOCK(iq4_xs, IQ4_XS_SUBS)
