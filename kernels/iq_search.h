/* SPDX-License-Identifier: Apache-2.0
 * kernels/iq_search.h - the search of iq2 and iq3: magnitudes of a sub-block to points of a
 * codebook, whose digit l stands for 2 * l + 1, and signs apart. Where no point has the digits
 * asked for, near points are tried.
 * Long for a header: it is compiled anew for each type, with the type's numbers as constants.
 * Source: ggml/src/ggml-quants.c, quantize_row_iq2_xxs_impl to quantize_row_iq3_s_impl,
 * iq2_find_best_neighbour, iq2xs_init_impl, and their like for iq3. */
#pragma once
#include "kernels/blocks_iq.h"
#include "kernels/iq_books.h"
#include "kernels/portable.h"
#include "kernels/weighted.h"
#include <float.h>

#define ALWAYS static inline __attribute__((always_inline))

enum { IQ_SUB_MAX = 32 };

struct iq_how {
    const struct iq_book *book;
    int points;         /* in it */
    int digits, bits;   /* of a point: 8 of 2 bits, or 4 of 3 */
    int levels;         /* values of a digit: 3, or 8 */
    int elems;          /* of a sub-block: 16 or 32 */
    int steps;          /* candidates -steps..steps around (2 * levels - 1) / max */
    float delta;        /* times so much */
    float tiny;         /* a sub-block with all magnitudes below is zeros */
    bool from_scale;    /* iq2_xxs: the search starts from a scale, not from the maximum */
    bool even_signs;    /* the eighth sign follows from the others */
    bool refine_all;    /* iq3_s: all groups are looked up again, not only those off the grid */
    float mean_factor;  /* weights by importance: this times the mean square of the block */
    float plain_factor; /* and without: weight = x^2 + so much of the same */
    float scale_factor; /* of the block's scale in the end */
};

struct iq_sub {
    bool found;                     /* else all its magnitudes are tiny, and the rest is 0 */
    float scale;                    /* not negative */
    uint16_t point[IQ_SUB_MAX / 4]; /* its number in the codebook, for each group */
    uint8_t signs[IQ_SUB_MAX / 8];  /* bit i: element i of the eight is negative */
};

/* What is found for a super-block. */
struct iq_super {
    struct iq_sub sub[16];
    uint8_t scales[16]; /* four bits each */
    uint16_t d;
    bool zero; /* no sub-block has a scale */
};

typedef void iq_store_fn(void *dst, const struct iq_super *super);

/* What digit @k of a point stands for in the search. */
ALWAYS float iq_odd(const struct iq_how *how, uint16_t point, int k) {
    return (float)(2 * (point >> (how->bits * k) & ((1 << how->bits) - 1)) + 1);
}

/* The first of the best near points for @x; where none has a finite error, at which the reference
 * gives up, the first. */
ALWAYS uint16_t nearest_point(const struct iq_how *how, const uint16_t *list, int n, const float *x,
                              const float *w, float scale) {
    uint16_t best = list[0];
    float best_error = FLT_MAX;
    for (int j = 0; j < n; j++) {
        float error = 0;
        for (int i = 0; i < how->digits; i++) {
            const float apart = scale * iq_odd(how, list[j], i) - x[i];
            error += w[i] * apart * apart;
        }
        if (error < best_error) {
            best = list[j];
            best_error = error;
        }
    }
    return best;
}

/* Magnitudes and signs of eight. Where the signs must be even in number and are not, the element
 * that matters least keeps the other one. */
static inline uint8_t split_signs(const struct iq_how *how, const float *x, const float *w,
                                  float *mag) {
    uint8_t signs = 0;
    int least = 0;
    for (int i = 0; i < 8; i++) {
        const bool negative = !(x[i] >= 0);
        mag[i] = negative ? -x[i] : x[i];
        signs = (uint8_t)(signs | negative << i);
        if (w[i] * x[i] * x[i] < w[least] * x[least] * x[least])
            least = i;
    }
    if (how->even_signs && __builtin_parity(signs)) {
        mag[least] = -mag[least];
        signs ^= (uint8_t)(1 << least);
    }
    return signs;
}

/* One sub-block on its way. */
struct state {
    float x[IQ_SUB_MAX], w[IQ_SUB_MAX], root[IQ_SUB_MAX]; /* magnitudes, weights, their roots */
    uint16_t point[IQ_SUB_MAX / 4];
    bool on_grid[IQ_SUB_MAX / 4];
};

/* The code that @inverse gives group @g, and its point; false: a near one. */
ALWAYS bool look_up(const struct state *s, const struct iq_how *how, int g, float inverse,
                    float scale, uint16_t *point) {
    const int first = g * how->digits;
    int code = 0, digits = 0;
    for (int i = how->digits - 1; i >= 0; i--) {
        const int l = int_nearest(0.5f * (inverse * s->x[first + i] - 1));
        const int digit = int_clamp(l, 0, how->levels - 1);
        code = how->levels * code + digit;
        digits = digits << how->bits | digit;
    }
    int n;
    const uint16_t *list = iq_list(how->book, code, &n);
    *point = nearest_point(how, list, n, s->x + first, s->root + first, scale);
    return *point == digits;
}

ALWAYS void fit(const struct state *s, const struct iq_how *how, const uint16_t *point,
                float *sum_qx, float *sum_q2) {
    *sum_qx = *sum_q2 = 0;
    for (int i = 0; i < how->elems; i++) {
        const float q = iq_odd(how, point[i / how->digits], i % how->digits);
        *sum_qx += s->w[i] * s->x[i] * q;
        *sum_q2 += s->w[i] * q * q;
    }
}

ALWAYS float search_candidates(struct state *s, const struct iq_how *how, float scale, float top) {
    const int groups = how->elems / how->digits;
    float best = 0, sum_qx, sum_q2;
    for (int step = -how->steps; step <= how->steps; step++) {
        const float inverse = ((float)(2 * how->levels - 1) + (float)step * how->delta) / top;
        const float own_scale = 1 / inverse;
        uint16_t point[IQ_SUB_MAX / 4];
        bool on_grid[IQ_SUB_MAX / 4];
        for (int g = 0; g < groups; g++)
            on_grid[g] = look_up(s, how, g, inverse, own_scale, &point[g]);
        fit(s, how, point, &sum_qx, &sum_q2);
        if (sum_q2 > 0 && sum_qx * sum_qx > best * sum_q2) {
            scale = sum_qx / sum_q2;
            best = scale * sum_qx;
            memcpy(s->point, point, sizeof s->point);
            memcpy(s->on_grid, on_grid, sizeof s->on_grid);
        }
    }
    return scale;
}

/* Groups are looked up again with the scale that was found. */
ALWAYS float refine(struct state *s, const struct iq_how *how, float scale) {
    const int groups = how->elems / how->digits;
    bool again = how->from_scale;
    float sum_qx, sum_q2;
    for (int g = 0; g < groups; g++)
        again |= !s->on_grid[g];
    if (!again || !(scale > 0))
        return scale;
    for (int g = 0; g < groups; g++)
        if (how->from_scale || how->refine_all || !s->on_grid[g])
            look_up(s, how, g, 1 / scale, scale, &s->point[g]);
    fit(s, how, s->point, &sum_qx, &sum_q2);
    return sum_q2 > 0 ? sum_qx / sum_q2 : scale;
}

/* @w has the weights; @out is zeros. */
ALWAYS void search_sub(struct state *s, const struct iq_how *how, const float *x,
                       struct iq_sub *out) {
    uint8_t unused[IQ_SUB_MAX], signs[IQ_SUB_MAX / 8];
    for (int i = 0; i < how->elems; i += 8)
        signs[i / 8] = split_signs(how, x + i, s->w + i, s->x + i);
    float top = s->x[0], scale;
    for (int i = 0; i < how->elems; i++) {
        s->root[i] = sqrtf(s->w[i]);
        top = top > s->x[i] ? top : s->x[i];
    }
    if (top < how->tiny || top == 0)
        return;
    if (how->from_scale) {
        scale = positive_search(s->x, s->w, how->elems, how->levels + 1, unused);
        top = scale * (float)how->levels;
        if (top <= 0)
            return;
    } else {
        scale = top / (float)(2 * how->levels - 1);
    }
    for (int g = 0; g < IQ_SUB_MAX / 4; g++)
        s->point[g] = how->book->grid[0];
    memset(s->on_grid, !how->refine_all, sizeof s->on_grid);
    scale = refine(s, how, search_candidates(s, how, scale, top));
    for (int i = 0; i < how->elems / 8; i++)
        out->signs[i] = (uint8_t)(scale < 0 ? ~signs[i] : signs[i]);
    out->found = true;
    out->scale = fabsf(scale);
    for (int g = 0; g < how->elems / how->digits; g++)
        out->point[g] = iq_number(how->book, how->points, s->point[g]);
}

/* Four-bit scales by the greatest: (2 * l + 1) / 31 of it. */
static inline void finish_scales(struct iq_super *super, const struct iq_how *how) {
    const int subs = SUPER_ELEMS / how->elems;
    float max = 0;
    for (int s = 0; s < subs; s++)
        max = max > super->sub[s].scale ? max : super->sub[s].scale;
    super->zero = max == 0;
    if (super->zero)
        return;
    const float d = max / 31, inverse = 1 / d;
    super->d = f16_from_f32(d * how->scale_factor);
    for (int s = 0; s < subs; s++) {
        const int l = int_nearest(0.5f * (inverse * super->sub[s].scale - 1));
        super->scales[s] = (uint8_t)int_clamp(l, 0, 15);
    }
}

ALWAYS void encode_super(const struct iq_how *how, struct iq_super *super, const float *x,
                         const float *importance) {
    const float mean = how->mean_factor * sum_squares(x, SUPER_ELEMS) / SUPER_ELEMS;
    memset(super, 0, sizeof *super);
    for (int s = 0; s < SUPER_ELEMS / how->elems; s++, x += how->elems) {
        struct state state;
        if (importance)
            importance_weights(state.w, x, importance + s * how->elems, how->elems, mean);
        else
            for (int i = 0; i < how->elems; i++)
                state.w[i] = how->plain_factor * mean + x[i] * x[i];
        search_sub(&state, how, x, &super->sub[s]);
    }
    finish_scales(super, how);
}

/* Encode rows, with or without (NULL) importance data; a row that is not finite becomes zeros. */
ALWAYS void iq_encode_rows(const struct iq_how *how, void *dst, const float *src,
                           const float *importance, size_t rows, size_t row_elems,
                           size_t block_bytes, iq_store_fn *store) {
    char *b = dst;
    for (size_t row = 0; row < rows; row++, src += row_elems) {
        const bool finite = f32_all_finite_c(src, row_elems);
        for (size_t i = 0; i < row_elems; i += SUPER_ELEMS, b += block_bytes) {
            struct iq_super super;
            memset(b, 0, block_bytes);
            if (!finite)
                continue;
            encode_super(how, &super, src + i, importance ? importance + i : NULL);
            store(b, &super);
        }
    }
}
