/* SPDX-License-Identifier: Apache-2.0
 * kernels/simd/lanes_q6_k.c - the encoder of q6_k, a sub-block of 16 in each lane. */
#include "kernels/pack.h"
#include "kernels/scalar.h"
#include "kernels/simd/lanes_symmetric.h"
#include "kernels/simd/lanes_weighted.h"

/* Two super-blocks at once: their vectors are independent, which hides latency. */
enum { SUBS = 16, SUB_ELEMS = 16, SUPERS = 2, VECS = SUPERS * SUBS / VL };
enum {
    MAX_LEVEL = 32,
    STEPS = 18,
    TOGETHER = 3
}; /* candidate scales, and how many are tried in one pass */

struct search {
    vf x[VECS][SUB_ELEMS], w[VECS][SUB_ELEMS], wx[VECS][SUB_ELEMS];
    vf max[VECS], scale[VECS], best[VECS], inverse[VECS];
};

/* Loads a vector of sub-blocks and finds max, the first of the greatest magnitude. The weights are
 * the importance data, or x^2. False: not finite. */
INLINE bool load_subs(struct search *s, int g, const float *src, const float *importance) {
    const size_t first = (size_t)SUB_ELEMS * VL * (size_t)g;
    for (int i = 0; i < SUB_ELEMS; i += VL) {
        vf_load_columns(s->x[g] + i, src + first + i, SUB_ELEMS);
        if (importance)
            vf_load_columns(s->w[g] + i, importance + first + i, SUB_ELEMS);
    }
    for (int i = 0; i < SUB_ELEMS; i++) {
        const vf x = s->x[g][i];
        if (!importance)
            s->w[g][i] = x * x;
        s->wx[g][i] = s->w[g][i] * x;
    }
    return first_absmax_lanes(&s->max[g], s->x[g], SUB_ELEMS);
}

INLINE void fit_first(struct search *s) {
    vf sum_lx[VECS], sum_l2[VECS];
    UNROLL for (int g = 0; g < VECS; g++) {
        s->inverse[g] = -32.0f / s->max[g];
        sum_lx[g] = sum_l2[g] = vf_set1(0);
    }
    for (int i = 0; i < SUB_ELEMS; i++) {
        UNROLL for (int g = 0; g < VECS; g++) {
            const vf l = symmetric_level_lanes(s->inverse[g] * s->x[g][i], MAX_LEVEL);
            sum_lx[g] += s->wx[g][i] * l;
            sum_l2[g] += s->w[g][i] * l * l;
        }
    }
    UNROLL for (int g = 0; g < VECS; g++) {
        const vm none = vf_eq(sum_l2[g], vf_set1(0));
        s->scale[g] = vf_select(none, vf_set1(0), sum_lx[g] / sum_l2[g]);
        s->best[g] = s->scale[g] * sum_lx[g];
    }
}

/* Tries TOGETHER candidates, and takes them in their order. */
INLINE void fit_candidates(struct search *s, const float *numerator) {
    vf inverse[VECS][TOGETHER], sum_lx[VECS][TOGETHER], sum_l2[VECS][TOGETHER];
    UNROLL for (int g = 0; g < VECS; g++) {
        UNROLL for (int c = 0; c < TOGETHER; c++) {
            inverse[g][c] = numerator[c] / s->max[g];
            sum_lx[g][c] = sum_l2[g][c] = vf_set1(0);
        }
    }
    _Pragma("GCC unroll 4") for (int i = 0; i < SUB_ELEMS; i++) {
        UNROLL for (int g = 0; g < VECS; g++) {
            UNROLL for (int c = 0; c < TOGETHER; c++) {
                const vf l = symmetric_level_lanes(inverse[g][c] * s->x[g][i], MAX_LEVEL);
                sum_lx[g][c] += s->wx[g][i] * l;
                sum_l2[g][c] += s->w[g][i] * l * l;
            }
        }
    }
    UNROLL for (int c = 0; c < TOGETHER; c++) {
        UNROLL for (int g = 0; g < VECS; g++) {
            const vf lx = sum_lx[g][c], l2 = sum_l2[g][c], scale = lx / l2;
            const vm better = vm_and(vf_gt(l2, vf_set1(0)), vf_gt(lx * lx, s->best[g] * l2));
            s->scale[g] = vf_select(better, scale, s->scale[g]);
            s->best[g] = vf_select(better, scale * lx, s->best[g]);
            s->inverse[g] = vf_select(better, inverse[g][c], s->inverse[g]);
        }
    }
}

INLINE void search_scales(struct search *s) {
    float numerators[STEPS];
    for (int i = 0; i < STEPS; i++)
        numerators[i] = -(32 + 0.1f * (float)(i < 9 ? i - 9 : i - 8));
    fit_first(s);
    for (int step = 0; step < STEPS; step += TOGETHER)
        fit_candidates(s, numerators + step);
    for (int g = 0; g < VECS; g++) {
        const vm tiny = vf_lt(vf_abs(s->max[g]), vf_set1(SYMMETRIC_TINY));
        s->scale[g] = vf_select(tiny, vf_set1(0), s->scale[g]);
    }
}

/* Levels by the rounded scales; by the search's inverse where the rounded scale is 0. */
INLINE void store_levels(uint8_t *q, const struct search *s, int g, vf scale) {
    const vm zero = vf_eq(scale, vf_set1(0));
    const vm tiny = vf_lt(vf_abs(s->max[g]), vf_set1(SYMMETRIC_TINY));
    vi bytes[4];
    for (int part = 0; part < 4; part++) {
        bytes[part] = vi_set1(0);
        UNROLL for (int i = 0; i < 4; i++) {
            const vf x = s->x[g][4 * part + i];
            vi l = vi_nearest(x / scale);
            if (__builtin_expect(vm_any(zero), 0)) {
                const vf own = vf_select(tiny, vf_set1(-MAX_LEVEL), x * s->inverse[g]);
                l = vi_select(zero, vi_nearest(own), l);
            }
            bytes[part] |= (vi_max(vi_min(l, vi_set1(31)), vi_set1(-32)) + 32) << (8 * i);
        }
    }
    vi_store_columns4(q, SUB_ELEMS, bytes);
}

INLINE void encode_super(struct q6_k *b, const struct search *s, int first) {
    float scales[SUBS];
    uint8_t q[SUPER_ELEMS];
    vi rounded[SUBS / VL];
    UNROLL for (int g = 0; g < SUBS / VL; g++) vf_store(scales + VL * g, s->scale[first + g]);
    const float max = first_absmax16(scales);
    if (fabsf(max) < SYMMETRIC_TINY) {
        memset(b, 0, sizeof *b);
        return;
    }
    const float inverse = -128 / max;
    b->d = f16_from_f32(1 / inverse);
    UNROLL for (int g = 0; g < SUBS / VL; g++) {
        const vi scale = vi_min(vi_nearest(inverse * s->scale[first + g]), vi_set1(127)) & 255;
        const vf d = vf_set1_f16(b->d) * vf_from_int((scale ^ 128) - 128);
        rounded[g] = scale;
        store_levels(q + SUB_ELEMS * VL * g, s, first + g, d);
    }
    vi_store16_u8(b->scales, rounded);
    sixes_pack(b, q);
}

INLINE bool encode_group(void *dst, const float *src, const float *importance) {
    struct search s;
    bool finite = true;
    for (int g = 0; g < VECS; g++)
        finite &= load_subs(&s, g, src, importance);
    if (!finite)
        return false;
    search_scales(&s);
    for (int i = 0; i < SUPERS; i++)
        encode_super((struct q6_k *)dst + i, &s, i * SUBS / VL);
    return true;
}

static bool q6_k_group(void *dst, const float *src) {
    return encode_group(dst, src, NULL);
}

static bool q6_k_weighted(void *dst, const float *src, const float *importance,
                          const float *mean_square) {
    (void)mean_square; /* the importance data are the weights as they are */
    return encode_group(dst, src, importance);
}

void LANES(q6_k_encode_weighted)(void *dst, const float *src, const float *importance, size_t rows,
                                 size_t row_elems) {
    const struct weighted_job job = { SUPER_ELEMS, sizeof(struct q6_k), SUPERS,
                                      false,       q6_k_weighted,       q6_k_encode_weighted_c };
    encode_weighted_groups(&job, dst, src, importance, rows, row_elems);
}

void LANES(q6_k_encode)(void *dst, const float *src, size_t blocks) {
    encode_groups(dst, src, blocks, SUPER_ELEMS, sizeof(struct q6_k), SUPERS, q6_k_group,
                  q6_k_encode_c);
}
