/* SPDX-License-Identifier: Apache-2.0
 * kernels/simd/lanes_q2_k.c - the encoder of q2_k, a sub-block of 16 in each lane. */
#include "kernels/pack.h"
#include "kernels/simd/lanes_affine.h"
#include "kernels/simd/lanes_weighted.h"

enum { SUBS = 16, SUB_ELEMS = 16, SUPERS = LANES_ALL / SUBS };

/* The levels by the scales and mins in @b. */
INLINE void store_levels(struct q2_k *b, const struct lanes_affine *s, int max_level) {
    float d[LANES_ALL], dm[LANES_ALL];
    uint8_t q[SUB_ELEMS * LANES_ALL];
    for (int k = 0; k < SUPERS; k++) {
        for (int i = 0; i < SUBS; i++) {
            d[SUBS * k + i] = f32_from_f16(b[k].d) * (float)(b[k].scales[i] & 15);
            dm[SUBS * k + i] = f32_from_f16(b[k].dmin) * (float)(b[k].scales[i] >> 4);
        }
    }
    for (int g = 0; g < VECS; g++)
        affine_store_levels(q + SUB_ELEMS * VL * g, SUB_ELEMS, s, g, 0, vf_load(d + VL * g),
                            vf_load(dm + VL * g), max_level);
    for (int k = 0; k < SUPERS; k++)
        twos_pack(b[k].qs, q + SUPER_ELEMS * k);
}

static bool q2_k_group(void *dst, const float *src) {
    const struct affine_how how = { SUB_ELEMS, 3, -0.5f, 0.1f, 15, true };
    struct q2_k *b = dst;
    struct lanes_affine s;
    float scales[LANES_ALL], mins[LANES_ALL];
    affine_load(&s, src, SUB_ELEMS);
    for (int i = 0; i < SUB_ELEMS; i++) {
        UNROLL for (int g = 0; g < VECS; g++) s.w[i][g] = vf_abs(s.x[i][g]);
    }
    if (!affine_search_lanes(&s, how))
        return false;
    affine_store_answers(&s, scales, mins);
    for (int k = 0; k < SUPERS; k++)
        q2_k_scales(&b[k], scales + SUBS * k, mins + SUBS * k);
    store_levels(b, &s, how.max_level);
    return true;
}

static bool q2_k_weighted(void *dst, const float *src, const float *importance,
                          const float *mean_square) {
    const struct affine_how how = { SUB_ELEMS, 3, -0.9f, 0.05f, 36, false };
    struct q2_k *b = dst;
    struct lanes_affine s;
    float scales[LANES_ALL], mins[LANES_ALL], sum_w[LANES_ALL], mean[SUPERS], means[LANES_ALL];
    (void)mean_square; /* the row's; this takes the super-block's */
    affine_load(&s, src, SUB_ELEMS);
    super_mean_squares(mean, src, SUPERS, 1);
    for (int i = 0; i < LANES_ALL; i++)
        means[i] = mean[i / SUBS];
    affine_load_weights(&s, importance, means, SUB_ELEMS);
    if (!affine_search_lanes(&s, how))
        return false;
    affine_store_answers(&s, scales, mins);
    for (int g = 0; g < VECS; g++)
        vf_store(sum_w + VL * g, s.sum_w[g]);
    for (int k = 0; k < SUPERS; k++)
        q2_k_scales_weighted(&b[k], scales + SUBS * k, mins + SUBS * k, sum_w + SUBS * k);
    store_levels(b, &s, how.max_level);
    return true;
}

void LANES(q2_k_encode)(void *dst, const float *src, size_t blocks) {
    encode_groups(dst, src, blocks, SUPER_ELEMS, sizeof(struct q2_k), SUPERS, q2_k_group,
                  q2_k_encode_c);
}

void LANES(q2_k_encode_weighted)(void *dst, const float *src, const float *importance, size_t rows,
                                 size_t row_elems) {
    const struct weighted_job job = { SUPER_ELEMS, sizeof(struct q2_k), SUPERS,
                                      false,       q2_k_weighted,       q2_k_encode_weighted_c };
    encode_weighted_groups(&job, dst, src, importance, rows, row_elems);
}
