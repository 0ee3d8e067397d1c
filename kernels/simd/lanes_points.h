/* SPDX-License-Identifier: Apache-2.0
 * kernels/simd/lanes_points.h - the nearest of a list of points, a point in each lane. What an
 * element adds to a point's error depends on the point's digit only: it is looked up. */
#pragma once
#include "kernels/iq_books.h"
#include "kernels/simd/lanes.h"
#include <float.h>

/* What the digits of iq2 (twice, as the next digit's lowest bit is not masked off) and of iq3 stand
 * for in the search. */
INLINE const float *odd_levels(int levels) {
    static const float odd[2][8] = { { 1, 3, 5, 7, 1, 3, 5, 7 }, { 1, 3, 5, 7, 9, 11, 13, 15 } };
    return odd[levels == 8];
}

INLINE void table_load(vf table[TABLE_VECS], const float *eight) {
    UNROLL for (int v = 0; v < TABLE_VECS; v++) table[v] = table_load_part(eight, v);
}

/* What each digit of an element adds to the error: w[i] * (scale * level - x[i])^2. */
struct point_errors {
    int digits, bits;
    vf of[8][TABLE_VECS];
};

INLINE void point_errors_init(struct point_errors *e, int digits, const float *levels, float scale,
                              const float *x, const float *w) {
    vf level[TABLE_VECS];
    e->digits = digits;
    e->bits = digits == 8 ? 2 : 3;
    table_load(level, levels);
    UNROLL for (int v = 0; v < TABLE_VECS; v++) level[v] = scale * level[v];
    UNROLL for (int i = 0; i < digits; i++) {
        UNROLL for (int v = 0; v < TABLE_VECS; v++) {
            const vf apart = level[v] - x[i];
            e->of[i][v] = w[i] * apart * apart;
        }
    }
}

INLINE vf digit_error(const struct point_errors *e, vi points, int i) {
    const vi from = points >> (e->bits * i);
    return e->bits == 2 ? vf_pick4(e->of[i], from) : vf_pick(e->of[i], from);
}

/* A list is gone through by so many points. */
enum { STRIDE = IQ_LIST_BEYOND, STRIDE_VECS = STRIDE / VL, LIST_VECS_MAX = 320 / VL };

/* Errors of the @n points, infinite for those after them; and the least of each lane so far, from
 * FLT_MAX down. */
INLINE vf stride_errors(const struct point_errors *e, const uint16_t *points, int n, vf least,
                        vf error[STRIDE_VECS]) {
    UNROLL for (int v = 0; v < STRIDE_VECS; v++) {
        const vi p = vi_load_u16(points + VL * v);
        const vm own = vf_lt(vf_from_int(vi_iota() + VL * v), vf_set1((float)n));
        error[v] = digit_error(e, p, 0);
        UNROLL for (int i = 1; i < e->digits; i++) error[v] += digit_error(e, p, i);
        error[v] = vf_select(own, error[v], vf_set1(__builtin_inff()));
        least = vf_min(error[v], least);
    }
    return least;
}

/* Bit k: point k has the error @least. None has where that is FLT_MAX, as in nearest_point(). */
INLINE uint32_t stride_places(const vf error[STRIDE_VECS], vf least) {
    uint32_t places = 0;
    least = vf_select(vf_lt(least, vf_set1(FLT_MAX)), least, vf_set1(-1));
    UNROLL for (int v = 0; v < STRIDE_VECS; v++) places |= vm_bits(vf_eq(error[v], least))
                                                           << (VL * v);
    return places;
}

/* The point of the least error, for a list longer than that. */
INLINE int nearest_of_long_list(const struct point_errors *e, const uint16_t *list, int n) {
    vf error[LIST_VECS_MAX], least = vf_set1(FLT_MAX);
    for (int at = 0; at < n; at += STRIDE)
        least = stride_errors(e, list + at, n - at, least, error + at / VL);
    least = vf_least(least);
    for (int at = 0; at < n; at += STRIDE) {
        const uint32_t places = stride_places(error + at / VL, least);
        if (places)
            return list[at + __builtin_ctz(places)];
    }
    return -1;
}

/* The first point of the least error, as nearest_point() of iq_search.h; negative where no error is
 * finite. */
INLINE int nearest_of_list(const struct point_errors *e, const uint16_t *list, int n) {
    vf error[STRIDE_VECS];
    if (n > STRIDE)
        return nearest_of_long_list(e, list, n);
    const vf least = stride_errors(e, list, n, vf_set1(FLT_MAX), error);
    const uint32_t places = stride_places(error, vf_least(least));
    return places ? list[__builtin_ctz(places)] : -1;
}
