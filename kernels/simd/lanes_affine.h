/* SPDX-License-Identifier: Apache-2.0
 * kernels/simd/lanes_affine.h - affine_search() of affine.h for a sub-block in each lane, and
 * several vectors of them at once, which hides latency. */
#pragma once
#include "kernels/affine.h"
#include "kernels/simd/lanes.h"

enum { VECS = 4, LANES_ALL = VECS * VL };
enum { SUMMED = 2 }; /* vectors whose sums are taken in one loop: more need more registers */

struct lanes_affine {
    vf x[32][VECS], w[32][VECS], l[32][VECS]; /* l: the levels of the candidate */
    vf low[VECS], max[VECS];                  /* of the data */
    vf sum_w[VECS], sum_x[VECS], error[VECS];
    vf scale[VECS], min[VECS], inverse[VECS], base[VECS]; /* the best; min as it is added */
    vm flat[VECS];
    vi farthest[VECS]; /* bits of the greatest magnitude that a level had before it was rounded */
};

/* The level of an integral float, in 0..max: on the bits, as the ports of float min and max are
 * the busy ones. */
INLINE vf clamp_level(vf l, int max) {
    return (vf)vi_min(vi_max((vi)l, vi_set1(0)), (vi)vf_set1((float)max));
}

/* vf_rint is int_nearest() for magnitudes up to this; where a level could be beyond, or is not a
 * number, the lane is lost. */
#define NEAREST_MAX 4194303.0f

/* The levels of all elements are between those of low and max. */
INLINE void note_levels(struct lanes_affine *s, int g, vf inverse) {
    const vi of_max = vi_abs_bits(inverse * (s->max[g] - s->min[g]));
    const vi of_low = vi_abs_bits(inverse * (s->low[g] - s->min[g]));
    s->farthest[g] = vi_max(s->farthest[g], vi_max(of_max, of_low));
}

/* An element that is not finite has made sum_x so. */
INLINE vm lost_lanes(const struct lanes_affine *s, int g) {
    const vm near = vf_lt((vf)s->farthest[g], vf_set1(NEAREST_MAX));
    const vm finite = vf_lt(vf_abs(s->sum_x[g]), vf_set1(__builtin_inff()));
    return vm_not(vm_and(vm_or(near, s->flat[g]), finite));
}

INLINE void affine_load(struct lanes_affine *s, const float *src, int elems) {
    UNROLL for (int g = 0; g < VECS; g++) {
        for (int i = 0; i < elems; i += VL) {
            vf columns[VL];
            vf_load_columns(columns, src + (size_t)(elems * VL * g + i), (size_t)elems);
            UNROLL for (int k = 0; k < VL; k++) s->x[i + k][g] = columns[k];
        }
    }
}

/* Weights by importance: @mean_square of each lane. */
INLINE void affine_load_weights(struct lanes_affine *s, const float *importance,
                                const float *mean_square, int elems) {
    UNROLL for (int g = 0; g < VECS; g++) {
        const vf mean = vf_load(mean_square + VL * g);
        for (int i = 0; i < elems; i += VL) {
            vf columns[VL];
            vf_load_columns(columns, importance + (size_t)(elems * VL * g + i), (size_t)elems);
            UNROLL for (int k = 0; k < VL; k++) {
                const vf x = s->x[i + k][g];
                s->w[i + k][g] = columns[k] * vf_sqrt(mean + x * x);
            }
        }
    }
}

/* The first candidate, and what is the same for all. The weights are there. */
INLINE void affine_start(struct lanes_affine *s, struct affine_how how) {
    UNROLL for (int g = 0; g < VECS; g++) {
        s->low[g] = s->max[g] = s->x[0][g];
        s->sum_w[g] = s->w[0][g];
        s->sum_x[g] = s->w[0][g] * s->x[0][g];
        s->error[g] = vf_set1(0);
    }
    for (int i = 1; i < how.elems; i++) {
        UNROLL for (int g = 0; g < VECS; g++) {
            const vf x = s->x[i][g], w = s->w[i][g];
            s->low[g] = vf_min(x, s->low[g]);
            s->max[g] = vf_max(x, s->max[g]);
            s->sum_w[g] += w;
            s->sum_x[g] += w * x;
        }
    }
    UNROLL for (int g = 0; g < VECS; g++) {
        s->min[g] = vf_select(vf_gt(s->low[g], vf_set1(0)), vf_set1(0), s->low[g]);
        s->base[g] = s->min[g];
        s->flat[g] = vf_eq(s->max[g], s->min[g]);
        s->farthest[g] = vi_set1(0);
        s->inverse[g] = (float)how.max_level / (s->max[g] - s->min[g]);
        s->scale[g] = 1.0f / s->inverse[g];
        note_levels(s, g, s->inverse[g]);
    }
}

INLINE vf affine_difference(vf difference, bool absolute) {
    if (absolute)
        return vf_abs(difference);
    return difference * difference;
}

INLINE void affine_first_error(struct lanes_affine *s, struct affine_how how) {
    for (int i = 0; i < how.elems; i++) {
        UNROLL for (int g = 0; g < VECS; g++) {
            const vf x = s->x[i][g];
            const vf l = clamp_level(vf_rint(s->inverse[g] * (x - s->min[g])), how.max_level);
            const vf difference = s->scale[g] * l + s->min[g] - x;
            s->error[g] += s->w[i][g] * affine_difference(difference, how.absolute);
        }
    }
}

/* One candidate: @numerator over the range, which moves as the minimum does. */
INLINE void affine_candidate(struct lanes_affine *s, struct affine_how how, float numerator) {
    const vf zero = vf_set1(0);
    vf inverse[VECS], sum_l[VECS], sum_l2[VECS], sum_xl[VECS], scale[VECS], min[VECS], error[VECS];
    vm found[VECS];
    UNROLL for (int g = 0; g < VECS; g++) {
        inverse[g] = numerator / (s->max[g] - s->min[g]);
        note_levels(s, g, inverse[g]);
        sum_l[g] = sum_l2[g] = sum_xl[g] = error[g] = zero;
    }
    UNROLL for (int from = 0; from < VECS; from += SUMMED) {
        _Pragma("GCC unroll 2") for (int i = 0; i < how.elems; i++) {
            UNROLL for (int g = from; g < from + SUMMED; g++) {
                const vf x = s->x[i][g];
                const vf l = clamp_level(vf_rint(inverse[g] * (x - s->min[g])), how.max_level);
                const vf wl = s->w[i][g] * l;
                s->l[i][g] = l;
                sum_l[g] += wl;
                sum_l2[g] += wl * l;
                sum_xl[g] += wl * x;
            }
        }
    }
    UNROLL for (int g = 0; g < VECS; g++) {
        const vf det = s->sum_w[g] * sum_l2[g] - sum_l[g] * sum_l[g];
        found[g] = vm_and(vf_gt(det, zero), vm_not(s->flat[g]));
        scale[g] = (s->sum_w[g] * sum_xl[g] - s->sum_x[g] * sum_l[g]) / det;
        min[g] = (sum_l2[g] * s->sum_x[g] - sum_l[g] * sum_xl[g]) / det;
        const vm above = vf_gt(min[g], zero);
        if (vm_any(above)) {
            scale[g] = vf_select(above, sum_xl[g] / sum_l2[g], scale[g]);
            min[g] = vf_select(above, zero, min[g]);
        }
    }
    _Pragma("GCC unroll 2") for (int i = 0; i < how.elems; i++) {
        UNROLL for (int g = 0; g < VECS; g++) {
            const vf difference = scale[g] * s->l[i][g] + min[g] - s->x[i][g];
            error[g] += s->w[i][g] * affine_difference(difference, how.absolute);
        }
    }
    UNROLL for (int g = 0; g < VECS; g++) {
        const vm better = vm_and(vf_lt(error[g], s->error[g]), found[g]);
        s->error[g] = vf_select(better, error[g], s->error[g]);
        s->scale[g] = vf_select(better, scale[g], s->scale[g]);
        s->inverse[g] = vf_select(better, inverse[g], s->inverse[g]);
        s->base[g] = vf_select(better, s->min[g], s->base[g]);
        s->min[g] = vf_select(better, min[g], s->min[g]);
    }
}

/* False: a lane is lost. Data and weights are there. */
INLINE bool affine_search_lanes(struct lanes_affine *s, struct affine_how how) {
    affine_start(s, how);
    affine_first_error(s, how);
    for (int step = 0; step <= how.steps; step++)
        affine_candidate(s, how, how.first + how.delta * (float)step + (float)how.max_level);
    vm lost = lost_lanes(s, 0);
    UNROLL for (int g = 0; g < VECS; g++) {
        s->scale[g] = vf_select(s->flat[g], vf_set1(0), s->scale[g]);
        lost = vm_or(lost, lost_lanes(s, g));
    }
    return !vm_any(lost);
}

/* In the order of the sub-blocks. */
INLINE void affine_store_answers(const struct lanes_affine *s, float *scales, float *mins) {
    for (int g = 0; g < VECS; g++) {
        vf_store(scales + VL * g, s->scale[g]);
        vf_store(mins + VL * g, -s->min[g]);
    }
}

/* affine_levels() for vector @g: d and dm of each lane, 16 levels from element @first on. */
INLINE void affine_store_levels(uint8_t *q, size_t stride, const struct lanes_affine *s, int g,
                                int first, vf d, vf dm, int max_level) {
    const vm zero = vf_eq(d, vf_set1(0));
    vi bytes[4];
    for (int part = 0; part < 4; part++) {
        bytes[part] = vi_set1(0);
        UNROLL for (int i = 0; i < 4; i++) {
            const vf x = s->x[first + 4 * part + i][g];
            vi l = vi_nearest((x + dm) / d);
            if (__builtin_expect(vm_any(zero), 0)) {
                const vi own = vi_nearest(s->inverse[g] * (x - s->base[g]));
                l = vi_select(zero, vi_select(s->flat[g], vi_set1(0), own), l);
            }
            bytes[part] |= vi_max(vi_min(l, vi_set1(max_level)), vi_set1(0)) << (8 * i);
        }
    }
    vi_store_columns4(q, stride, bytes);
}
