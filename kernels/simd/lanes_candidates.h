/* SPDX-License-Identifier: Apache-2.0
 * kernels/simd/lanes_candidates.h - search_candidates() of iq_search.h for one sub-block, a
 * candidate in each lane. Neighbours mostly ask for the same code, and then for the nearest of the
 * same list: its points are gone through once for all lanes that do. */
#pragma once
#include "kernels/iq_types.h"
#include "kernels/simd/lanes_points.h"

enum { IQ_GROUPS_MAX = IQ_SUB_MAX / 4, STEPS_MAX = 15 };
enum { CANDIDATE_VECS = (2 * STEPS_MAX + VL) / VL, CANDIDATES_MAX = CANDIDATE_VECS * VL };

/* One sub-block: magnitudes, weights, their roots, and weight times magnitude. */
struct candidate_data {
    const float *x, *w, *root, *wx;
};

/* Candidates one after the other that ask for the same code in a group. */
struct code_run {
    int first; /* candidate */
    int count; /* of the list's points */
    const uint16_t *list;
};

struct candidates {
    vf inverse[CANDIDATE_VECS], scale[CANDIDATE_VECS];
    vi digits[IQ_GROUPS_MAX][CANDIDATE_VECS], point[IQ_GROUPS_MAX][CANDIDATE_VECS];
    /* A run for each bit of starts: candidates that differ from the one before, and the first of
     * each vector. */
    uint32_t starts[IQ_GROUPS_MAX];
    struct code_run runs[IQ_GROUPS_MAX][CANDIDATES_MAX];
    float sum_qx[CANDIDATES_MAX], sum_q2[CANDIDATES_MAX];
};

/* What the level of an element adds to the error: root * (scale * odd level - x)^2. */
struct level_errors {
    vf of[32]; /* by element and level */
};

/* Of digit @i of @point. In bytes, as this is the innermost loop, and a shift is saved. */
INLINE const vf *level_error(const struct level_errors *e, const struct iq_how *how, int point,
                             int i) {
    const int last = (1 << how->bits) - 1, size = sizeof(vf);
    const char *of = (const char *)(e->of + (i << how->bits));
    return (const void *)(of + (point * size >> (how->bits * i) & last * size));
}

INLINE void level_errors_init(struct level_errors *e, const struct iq_how *how, const float *x,
                              const float *root, vf scale) {
    UNROLL for (int l = 0; l < how->levels; l++) {
        const vf level = scale * (float)(2 * l + 1);
        UNROLL for (int i = 0; i < how->digits; i++) {
            const vf apart = level - x[i];
            e->of[(i << how->bits) + l] = root[i] * apart * apart;
        }
    }
}

/* The first of the best of @n points, as in nearest_point(). What fills the list up is the first
 * again, and not better. */
INLINE vi nearest_in_lanes(const struct level_errors *e, const struct iq_how *how,
                           const uint16_t *list, int n) {
    vf least = vf_set1(FLT_MAX);
    vi best = vi_set1(list[0]);
    for (int j = 0; j < n; j += IQ_LIST_UNIT) {
        UNROLL for (int k = 0; k < IQ_LIST_UNIT; k++) {
            const int point = list[j + k];
            vf error = *level_error(e, how, point, 0);
            UNROLL for (int i = 1; i < how->digits; i++) error += *level_error(e, how, point, i);
            best = vi_select(vf_lt(error, least), vi_set1(point), best);
            least = vf_min(error, least);
        }
    }
    return best;
}

/* Scales and codes of all candidates. */
INLINE void find_codes(struct candidates *c, const struct iq_how *how, const float *x, float top,
                       int vecs) {
    UNROLL for (int v = 0; v < vecs; v++) {
        /* Those after the last one are the last one again. */
        const vi step = vi_min(vi_iota() + (VL * v - how->steps), vi_set1(how->steps));
        c->inverse[v] = ((float)(2 * how->levels - 1) + vf_from_int(step) * how->delta) / top;
        c->scale[v] = 1.0f / c->inverse[v];
    }
    for (int g = 0; g < how->elems / how->digits; g++, x += how->digits) {
        UNROLL for (int v = 0; v < vecs; v++) {
            vi digits = { 0 };
            UNROLL for (int i = how->digits - 1; i >= 0; i--) {
                const vi l = vi_nearest(0.5f * (c->inverse[v] * x[i] - 1.0f));
                const vi digit = vi_max(vi_min(l, vi_set1(how->levels - 1)), vi_set1(0));
                digits = digits << how->bits | digit;
            }
            c->digits[g][v] = digits;
        }
    }
}

INLINE int code_of(const struct iq_how *how, int digits) {
    int code = 0;
    if (how->levels == 8)
        return digits;
    UNROLL for (int i = how->digits - 1; i >= 0; i--) code =
        how->levels * code + (digits >> (how->bits * i) & ((1 << how->bits) - 1));
    return code;
}

INLINE void find_runs(struct candidates *c, const struct iq_how *how, int vecs) {
    for (int g = 0; g < how->elems / how->digits; g++) {
        int32_t digits[1 + CANDIDATES_MAX];
        struct code_run *run = c->runs[g];
        uint32_t starts = 0;
        UNROLL for (int v = 0; v < vecs; v++) vi_store(digits + 1 + VL * v, c->digits[g][v]);
        UNROLL for (int v = 0; v < vecs; v++) {
            const vi same = c->digits[g][v] == vi_load(digits + VL * v);
            starts |= ((~vi_sign_bits(same) & ((1u << VL) - 1)) | 1) << (VL * v);
        }
        c->starts[g] = starts;
        for (; starts; starts &= starts - 1, run++) {
            run->first = __builtin_ctz(starts);
            run->list = iq_list(how->book, code_of(how, digits[1 + run->first]), &run->count);
        }
    }
}

/* The points for vector @v of group @g. */
INLINE vi near_points(const struct candidates *c, const struct iq_how *how, int g, int v,
                      const float *x, const float *root) {
    const uint32_t before = c->starts[g] & ((1u << (VL * v)) - 1);
    const uint32_t here = c->starts[g] >> (VL * v) & ((1u << VL) - 1);
    const struct code_run *run = c->runs[g] + __builtin_popcount(before);
    const struct code_run *end = run + __builtin_popcount(here);
    const vi lane = vi_iota() + VL * v;
    struct level_errors errors;
    vi points = { 0 };
    level_errors_init(&errors, how, x, root, c->scale[v]);
    for (; run < end; run++) {
        vi best = vi_set1(run->list[0]);
        if (run->count > 1)
            best = nearest_in_lanes(&errors, how, run->list, run->count);
        const vi earlier = lane < run->first;
        points = (points & earlier) | (best & ~earlier);
    }
    return points;
}

INLINE void find_points(struct candidates *c, const struct iq_how *how,
                        const struct candidate_data *data, int v) {
    vf odd[TABLE_VECS], sum_qx = vf_set1(0), sum_q2 = vf_set1(0);
    table_load(odd, odd_levels(how->levels));
    for (int g = 0; g < how->elems / how->digits; g++) {
        const int first = g * how->digits;
        const vi point = near_points(c, how, g, v, data->x + first, data->root + first);
        UNROLL for (int i = 0; i < how->digits; i++) {
            const vi digit = point >> (how->bits * i);
            const vf q = how->bits == 2 ? vf_pick4(odd, digit) : vf_pick(odd, digit);
            sum_qx += data->wx[first + i] * q;
            sum_q2 += data->w[first + i] * q * q;
        }
        c->point[g][v] = point;
    }
    vf_store(c->sum_qx + VL * v, sum_qx);
    vf_store(c->sum_q2 + VL * v, sum_q2);
}

/* The number of the best candidate, and its scale; negative: none is better than nothing. */
INLINE int best_candidate(struct candidates *c, const struct iq_how *how,
                          const struct candidate_data *data, float top, float *scale) {
    const int count = 2 * how->steps + 1, vecs = (count + VL - 1) / VL;
    float gain[CANDIDATES_MAX], best = 0;
    int found = -1;
    find_codes(c, how, data->x, top, vecs);
    find_runs(c, how, vecs);
    for (int v = 0; v < vecs; v++) {
        find_points(c, how, data, v);
        const vf sum_qx = vf_load(c->sum_qx + VL * v);
        vf_store(gain + VL * v, sum_qx / vf_load(c->sum_q2 + VL * v) * sum_qx);
    }
    for (int i = 0; i < count; i++) {
        const float sum_qx = c->sum_qx[i], sum_q2 = c->sum_q2[i];
        if (sum_q2 > 0 && sum_qx * sum_qx > best * sum_q2) {
            best = gain[i];
            found = i;
        }
    }
    if (found >= 0)
        *scale = c->sum_qx[found] / c->sum_q2[found];
    return found;
}
