/* SPDX-License-Identifier: Apache-2.0
 * kernels/simd/lanes_iq3.c - the encoders of iq3_xxs and iq3_s: the search of lanes_iq.h with each
 * type's numbers. */
#include "kernels/simd/lanes_iq.h"

static bool iq3_xxs_weighted(void *dst, const float *src, const float *importance,
                             const float *mean_square) {
    (void)mean_square; /* the row's; this takes the super-block's */
    iq_encode_group(&iq3_xxs_how, dst, src, importance, sizeof(struct iq3_xxs), store_iq3_xxs);
    return true;
}

void LANES(iq3_xxs_encode_weighted)(void *dst, const float *src, const float *importance,
                                    size_t rows, size_t row_elems) {
    const struct weighted_job job = {
        SUPER_ELEMS, sizeof(struct iq3_xxs), SUPERS_OF(32),
        false,       iq3_xxs_weighted,       iq3_xxs_encode_weighted_c
    };
    encode_weighted_groups(&job, dst, src, importance, rows, row_elems);
}

static bool iq3_xxs_group(void *dst, const float *src) {
    if (!LANES(f32_all_finite)(src, SUPER_ELEMS * SUPERS_OF(32)))
        return false;
    iq_encode_group(&iq3_xxs_how, dst, src, NULL, sizeof(struct iq3_xxs), store_iq3_xxs);
    return true;
}

void LANES(iq3_xxs_encode)(void *dst, const float *src, size_t blocks) {
    encode_groups(dst, src, blocks, SUPER_ELEMS, sizeof(struct iq3_xxs), SUPERS_OF(32),
                  iq3_xxs_group, iq3_xxs_encode_c);
}

static bool iq3_s_weighted(void *dst, const float *src, const float *importance,
                           const float *mean_square) {
    (void)mean_square; /* the row's; this takes the super-block's */
    iq_encode_group(&iq3_s_how, dst, src, importance, sizeof(struct iq3_s), store_iq3_s);
    return true;
}

void LANES(iq3_s_encode_weighted)(void *dst, const float *src, const float *importance, size_t rows,
                                  size_t row_elems) {
    const struct weighted_job job = { SUPER_ELEMS, sizeof(struct iq3_s), SUPERS_OF(32),
                                      false,       iq3_s_weighted,       iq3_s_encode_weighted_c };
    encode_weighted_groups(&job, dst, src, importance, rows, row_elems);
}

static bool iq3_s_group(void *dst, const float *src) {
    if (!LANES(f32_all_finite)(src, SUPER_ELEMS * SUPERS_OF(32)))
        return false;
    iq_encode_group(&iq3_s_how, dst, src, NULL, sizeof(struct iq3_s), store_iq3_s);
    return true;
}

void LANES(iq3_s_encode)(void *dst, const float *src, size_t blocks) {
    encode_groups(dst, src, blocks, SUPER_ELEMS, sizeof(struct iq3_s), SUPERS_OF(32), iq3_s_group,
                  iq3_s_encode_c);
}
