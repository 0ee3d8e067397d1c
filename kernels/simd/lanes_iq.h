/* SPDX-License-Identifier: Apache-2.0
 * kernels/simd/lanes_iq.h - the search of iq_search.h for a sub-block in each lane. Only the lists
 * of near points are gone through otherwise: there, a lane is a point. */
#pragma once
#include "kernels/iq_types.h"
#include "kernels/simd/lanes_candidates.h"
#include "kernels/simd/lanes_points.h"
#include "kernels/simd/lanes_positive.h"
#include "kernels/simd/lanes_weighted.h"

struct lanes_iq {
    vf x[IQ_SUB_MAX], w[IQ_SUB_MAX], wx[IQ_SUB_MAX]; /* magnitudes, weights, their product */
    vi signs[IQ_SUB_MAX / 8];                        /* bit i: element i is negative */
    /* The same by sub-block, and roots of weights. */
    float by_sub[VL][IQ_SUB_MAX], w_by_sub[VL][IQ_SUB_MAX], wx_by_sub[VL][IQ_SUB_MAX];
    float root[VL][IQ_SUB_MAX];
    vf top, scale;
    vm found;
    vi point[IQ_GROUPS_MAX], on_grid[IQ_GROUPS_MAX]; /* on_grid: all bits or none */
};

/* split_signs() for elements @first to @first + 7. */
INLINE void iq_split_signs(struct lanes_iq *s, const struct iq_how *how, int first) {
    vi signs = { 0 }, least = { 0 };
    vf least_error = s->w[first] * s->x[first] * s->x[first];
    for (int i = 0; i < 8; i++) {
        const vf x = s->x[first + i], error = s->w[first + i] * x * x;
        const vm positive = vm_not(vf_lt(x, vf_set1(0))); /* all are numbers */
        const vm less = vf_lt(error, least_error);
        least = vi_select(less, vi_set1(i), least);
        least_error = vf_select(less, error, least_error);
        signs |= vi_select(positive, vi_set1(0), vi_set1(1 << i));
        s->x[first + i] = vf_select(positive, x, -x);
    }
    if (how->even_signs) {
        vi odd = signs ^ signs >> 4;
        odd ^= odd >> 2;
        odd = -((odd ^ odd >> 1) & 1);
        for (int i = 0; i < 8; i++) {
            const vi here = odd & (least == i);
            signs ^= here & 1 << i;
            s->x[first + i] = (vf)((vi)s->x[first + i] ^ (here & INT32_MIN));
        }
    }
    s->signs[first / 8] = signs;
}

/* Weights, magnitudes, signs. @mean: of each lane, the mean square times mean_factor. */
INLINE void iq_load(struct lanes_iq *s, const struct iq_how *how, const float *src,
                    const float *importance, vf mean) {
    for (int i = 0; i < how->elems; i += VL) {
        vf columns[VL];
        vf_load_columns(s->x + i, src + i, (size_t)how->elems);
        if (importance)
            vf_load_columns(columns, importance + i, (size_t)how->elems);
        UNROLL for (int k = 0; k < VL; k++) {
            const vf x = s->x[i + k];
            s->w[i + k] =
                importance ? columns[k] * vf_sqrt(mean + x * x) : how->plain_factor * mean + x * x;
        }
    }
    for (int i = 0; i < how->elems; i += 8)
        iq_split_signs(s, how, i);
    s->top = s->x[0];
    for (int i = 0; i < how->elems; i++) {
        s->wx[i] = s->w[i] * s->x[i];
        s->top = vf_max(s->top, s->x[i]);
    }
    for (int i = 0; i < how->elems; i += VL) {
        vf roots[VL];
        UNROLL for (int k = 0; k < VL; k++) roots[k] = vf_sqrt(s->w[i + k]);
        vf_store_columns(s->by_sub[0] + i, IQ_SUB_MAX, s->x + i);
        vf_store_columns(s->w_by_sub[0] + i, IQ_SUB_MAX, s->w + i);
        vf_store_columns(s->wx_by_sub[0] + i, IQ_SUB_MAX, s->wx + i);
        vf_store_columns(s->root[0] + i, IQ_SUB_MAX, roots);
    }
}

/* look_up() for group @g of all lanes; @on_grid gets the lanes whose code is a point. */
INLINE vi iq_look_up(const struct lanes_iq *s, const struct iq_how *how, int g, vf inverse,
                     const float scales[VL], vi *on_grid) {
    const int first = g * how->digits;
    vi code = { 0 }, digits = { 0 };
    int32_t codes[VL], points[VL];
    for (int i = how->digits - 1; i >= 0; i--) {
        const vi l = vi_nearest(0.5f * (inverse * s->x[first + i] - 1.0f));
        const vi digit = vi_max(vi_min(l, vi_set1(how->levels - 1)), vi_set1(0));
        digits = digits << how->bits | digit;
        code = how->levels == 8 ? digits : code + (code << 1) + digit;
    }
    vi_store(codes, code);
    for (int k = 0; k < VL; k++) {
        struct point_errors errors;
        point_errors_init(&errors, how->digits, odd_levels(how->levels), scales[k],
                          s->by_sub[k] + first, s->root[k] + first);
        int n;
        const uint16_t *list = iq_list(how->book, codes[k], &n);
        const int point = nearest_of_list(&errors, list, n);
        points[k] = point < 0 ? list[0] : point;
    }
    *on_grid = vi_load(points) == digits;
    return vi_load(points);
}

/* fit() */
INLINE void iq_fit(const struct lanes_iq *s, const struct iq_how *how, const vi *point, vf *sum_qx,
                   vf *sum_q2) {
    vf odd[TABLE_VECS];
    table_load(odd, odd_levels(how->levels));
    *sum_qx = *sum_q2 = vf_set1(0);
    for (int g = 0; g < how->elems / how->digits; g++) {
        UNROLL for (int i = 0; i < how->digits; i++) {
            const vi digit = point[g] >> (how->bits * i);
            const vf q = how->bits == 2 ? vf_pick4(odd, digit) : vf_pick(odd, digit);
            const int at = g * how->digits + i;
            *sum_qx += s->wx[at] * q;
            *sum_q2 += s->w[at] * q * q;
        }
    }
}

/* search_candidates(): a sub-block after the other. */
INLINE void iq_candidates(struct lanes_iq *s, const struct iq_how *how) {
    const int groups = how->elems / how->digits;
    const uint32_t found = vm_bits(s->found);
    int32_t point[IQ_GROUPS_MAX][VL], on_grid[IQ_GROUPS_MAX][VL];
    float top[VL], scale[VL];
    vf_store(top, s->top);
    vf_store(scale, s->scale);
    for (int k = 0; k < VL; k++) {
        const struct candidate_data data = { s->by_sub[k], s->w_by_sub[k], s->root[k],
                                             s->wx_by_sub[k] };
        struct candidates c;
        const int best = found >> k & 1 ? best_candidate(&c, how, &data, top[k], &scale[k]) : -1;
        for (int g = 0; g < groups; g++) {
            point[g][k] = best < 0 ? how->book->grid[0] : c.point[g][best / VL][best % VL];
            on_grid[g][k] =
                -(best < 0 ? !how->refine_all : point[g][k] == c.digits[g][best / VL][best % VL]);
        }
    }
    s->scale = vf_load(scale);
    for (int g = 0; g < groups; g++) {
        s->point[g] = vi_load(point[g]);
        s->on_grid[g] = vi_load(on_grid[g]);
    }
}

/* refine() */
INLINE void iq_refine(struct lanes_iq *s, const struct iq_how *how) {
    const int groups = how->elems / how->digits;
    const vf zero = vf_set1(0), inverse = 1.0f / s->scale;
    vi all_on_grid = vi_set1(how->from_scale ? 0 : -1), unused;
    float scales[VL];
    vf sum_qx, sum_q2;
    vf_store(scales, s->scale);
    for (int g = 0; g < groups; g++)
        all_on_grid &= s->on_grid[g];
    const vm again = vm_and(vf_gt(s->scale, zero), vf_eq(vf_from_int(all_on_grid), zero));
    for (int g = 0; g < groups; g++) {
        const vi other = iq_look_up(s, how, g, inverse, scales, &unused);
        const bool always = how->from_scale || how->refine_all;
        const vi kept = always ? vi_set1(0) : s->on_grid[g];
        s->point[g] = vi_select(again, (other & ~kept) | (s->point[g] & kept), s->point[g]);
    }
    iq_fit(s, how, s->point, &sum_qx, &sum_q2);
    s->scale = vf_select(vm_and(again, vf_gt(sum_q2, zero)), sum_qx / sum_q2, s->scale);
}

/* search_sub(), once the data are loaded. */
INLINE void iq_search_lanes(struct lanes_iq *s, const struct iq_how *how) {
    const vf zero = vf_set1(0);
    const vm tiny = vm_or(vf_lt(s->top, vf_set1(how->tiny)), vf_eq(s->top, zero));
    s->found = vm_not(tiny);
    if (how->from_scale) {
        vi room[IQ_SUB_MAX];
        s->scale = positive_search_lanes(s->x, s->w, how->elems, how->levels + 1, room);
        s->top = s->scale * (float)how->levels;
        s->found = vm_and(s->found, vm_not(vf_le(s->top, zero)));
    } else {
        s->scale = s->top / (float)(2 * how->levels - 1);
    }
    iq_candidates(s, how);
    iq_refine(s, how);
}

/* The answers of VL sub-blocks. */
INLINE void iq_store_subs(struct iq_sub *out, const struct lanes_iq *s, const struct iq_how *how) {
    const uint32_t found = vm_bits(s->found);
    float scales[VL];
    int32_t points[IQ_GROUPS_MAX][VL], signs[IQ_SUB_MAX / 8][VL];
    vf_store(scales, s->scale);
    for (int g = 0; g < how->elems / how->digits; g++)
        vi_store(points[g], s->point[g]);
    for (int g = 0; g < how->elems / 8; g++)
        vi_store(signs[g], s->signs[g]);
    for (int k = 0; k < VL; k++, out++) {
        memset(out, 0, sizeof *out);
        out->found = found >> k & 1;
        if (!out->found)
            continue;
        out->scale = fabsf(scales[k]);
        for (int g = 0; g < how->elems / 8; g++)
            out->signs[g] = (uint8_t)(scales[k] < 0 ? ~signs[g][k] : signs[g][k]);
        for (int g = 0; g < how->elems / how->digits; g++)
            out->point[g] = iq_number(how->book, how->points, (uint16_t)points[g][k]);
    }
}

/* Encode SUPERS_OF(elems) finite blocks, without importance data where it is NULL. */
INLINE void iq_encode_group(const struct iq_how *how, void *dst, const float *src,
                            const float *importance, size_t block_bytes, iq_store_fn *store) {
    enum { SUPERS_MAX = 2, SUBS_MAX = SUPERS_MAX * SUPER_ELEMS / 16 };
    const int supers = SUPERS_OF(how->elems), subs = SUPER_ELEMS / how->elems;
    struct iq_sub found[SUBS_MAX];
    float mean[SUPERS_MAX], means[SUBS_MAX];
    super_mean_squares(mean, src, supers, how->mean_factor);
    for (int i = 0; i < supers * subs; i++)
        means[i] = mean[i / subs];
    for (int i = 0; i < supers * subs; i += VL) {
        struct lanes_iq s;
        iq_load(&s, how, src + i * how->elems, importance ? importance + i * how->elems : NULL,
                vf_load(means + i));
        iq_search_lanes(&s, how);
        iq_store_subs(found + i, &s, how);
    }
    memset(dst, 0, block_bytes * (size_t)supers);
    for (int k = 0; k < supers; k++) {
        struct iq_super super = { 0 };
        memcpy(super.sub, found + subs * k, sizeof *found * (size_t)subs);
        finish_scales(&super, how);
        store((char *)dst + block_bytes * (size_t)k, &super);
    }
}
