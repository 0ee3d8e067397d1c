/* SPDX-License-Identifier: Apache-2.0
 * kernels/affine.h - the search of q2_k, q4_k and q5_k for one sub-block: x[i] ~ scale * q[i] - min
 * by weighted least squares, over a few inverse scales. The lanes have a twin of it.
 * Source: ggml/src/ggml-quants.c, make_qkx2_quants, make_qkx3_quants. The order of the float
 * operations is the reference's: any other order changes bytes. */
#pragma once
#include "kernels/blocks.h"
#include "kernels/scalar.h"

struct affine_how {
    int elems;     /* of a sub-block: 16 or 32 */
    int max_level; /* levels are 0..max_level */
    float first;   /* the first inverse scale is (first + max_level) / range */
    float delta;   /* then each so much / range greater */
    int steps;     /* as many after the first */
    bool absolute; /* the error is |difference|, else its square */
};

struct affine {
    float scale, min;    /* the answer; min is what is subtracted */
    float inverse, base; /* the levels belonging to it are (x - base) * inverse, rounded */
    bool flat;           /* all elements equal: all levels 0 */
};

BODY int32_t affine_level(const struct affine *a, const struct affine_how *how, float x) {
    return a->flat ? 0 : int_clamp(int_nearest(a->inverse * (x - a->base)), 0, how->max_level);
}

BODY float affine_error(float difference, bool absolute) {
    return absolute ? fabsf(difference) : difference * difference;
}

struct affine_sums {
    float w, x;      /* of the weights, and of weight * x: the same for all candidates */
    float l, l2, xl; /* of weight times level, level squared, level times x */
};

BODY float affine_total_error(const float *x, const float *w, const uint8_t *q, float scale,
                              float min, const struct affine_how *how) {
    float error = 0;
    for (int i = 0; i < how->elems; i++)
        error += w[i] * affine_error(scale * q[i] + min - x[i], how->absolute);
    return error;
}

/* Levels and sums of the candidate @a. */
BODY void affine_fit(const float *x, const float *w, uint8_t *q, struct affine_sums *sums,
                     const struct affine *a, const struct affine_how *how) {
    sums->l = sums->l2 = sums->xl = 0;
    for (int i = 0; i < how->elems; i++) {
        q[i] = (uint8_t)affine_level(a, how, x[i]);
        const float l = q[i];
        sums->l += w[i] * l;
        sums->l2 += w[i] * l * l;
        sums->xl += w[i] * l * x[i];
    }
}

BODY struct affine affine_search(const float *x, const float *w, const struct affine_how *how) {
    float low, max;
    uint8_t q[32];
    struct affine_sums s = { w[0], w[0] * x[0], 0, 0, 0 };
    first_minmax(x, how->elems, &low, &max);
    for (int i = 1; i < how->elems; i++) {
        s.w += w[i];
        s.x += w[i] * x[i];
    }
    float min = low > 0 ? 0 : low;
    if (max == min) {
        const struct affine flat = { 0, -min, 0, 0, true };
        return flat;
    }

    const float first = (float)how->max_level / (max - min);
    struct affine best = { 1 / first, 0, first, min, false };
    for (int i = 0; i < how->elems; i++)
        q[i] = (uint8_t)affine_level(&best, how, x[i]);
    float error = affine_total_error(x, w, q, best.scale, min, how);
    for (int step = 0; step <= how->steps; step++) {
        /* The minimum moves with each success: it is not the data's any more. */
        struct affine a = { 0, 0, 0, min, false };
        a.inverse = (how->first + how->delta * (float)step + (float)how->max_level) / (max - min);
        affine_fit(x, w, q, &s, &a, how);
        const float det = s.w * s.l2 - s.l * s.l;
        if (!(det > 0))
            continue;
        a.scale = (s.w * s.xl - s.x * s.l) / det;
        a.min = (s.l2 * s.x - s.l * s.xl) / det;
        if (a.min > 0) {
            a.min = 0;
            a.scale = s.xl / s.l2;
        }
        const float e = affine_total_error(x, w, q, a.scale, a.min, how);
        if (e < error) {
            error = e;
            best = a;
            min = a.min;
        }
    }
    best.min = -min;
    return best;
}

/* Weights of q4_k and q5_k. */
BODY void affine_weights(float *w, const float *x, int n) {
    float sum = 0;
    for (int i = 0; i < n; i++)
        sum += x[i] * x[i];
    const float mean = sqrtf(sum / (float)n);
    for (int i = 0; i < n; i++)
        w[i] = mean + fabsf(x[i]);
}

/* What q4_k and q5_k do with the eight answers of a super-block: scales and mins of six bits, by
 * the greatest of each. A negative scale, which rounding errors can make, becomes 63. */
struct affine_super {
    uint16_t d, dmin;
    uint8_t scales[8], mins[8];
};

BODY uint8_t six_bits(float v) {
    const uint8_t l = (uint8_t)int_nearest(v);
    return l < 63 ? l : 63;
}

BODY struct affine_super affine_finish(const float scales[8], const float mins[8]) {
    struct affine_super super;
    float max_scale = 0, max_min = 0;
    for (int i = 0; i < 8; i++) {
        max_scale = scales[i] > max_scale ? scales[i] : max_scale;
        max_min = mins[i] > max_min ? mins[i] : max_min;
    }
    const float inverse_scale = max_scale > 0 ? 63 / max_scale : 0;
    const float inverse_min = max_min > 0 ? 63 / max_min : 0;
    for (int i = 0; i < 8; i++) {
        super.scales[i] = six_bits(inverse_scale * scales[i]);
        super.mins[i] = six_bits(inverse_min * mins[i]);
    }
    super.d = f16_from_f32(max_scale / 63);
    super.dmin = f16_from_f32(max_min / 63);
    return super;
}

/* The levels of one sub-block by its rounded scale and min; the search's own where that is 0. */
BODY void affine_levels(uint8_t *q, const float *x, float d, float dm, const struct affine *a,
                        const struct affine_how *how) {
    for (int i = 0; i < how->elems; i++)
        q[i] = (uint8_t)(d != 0 ? int_clamp(int_nearest((x[i] + dm) / d), 0, how->max_level)
                                : affine_level(a, how, x[i]));
}

/* Scales and mins of a q2_k: as above with four bits each; what is negative wraps into the byte. */
BODY void q2_k_scales(struct q2_k *b, const float scales[16], const float mins[16]) {
    float max_scale = 0, max_min = 0;
    for (int i = 0; i < 16; i++) {
        max_scale = scales[i] > max_scale ? scales[i] : max_scale;
        max_min = mins[i] > max_min ? mins[i] : max_min;
    }
    for (int i = 0; i < 16; i++) {
        const int32_t scale = max_scale > 0 ? int_nearest(15 / max_scale * scales[i]) : 0;
        const int32_t min = max_min > 0 ? int_nearest(15 / max_min * mins[i]) : 0;
        b->scales[i] = (uint8_t)((uint32_t)scale | (uint32_t)min << 4);
    }
    b->d = f16_from_f32(max_scale > 0 ? max_scale / 15 : 0);
    b->dmin = f16_from_f32(max_min > 0 ? max_min / 15 : 0);
}
