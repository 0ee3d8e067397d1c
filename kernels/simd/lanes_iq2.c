/* SPDX-License-Identifier: Apache-2.0
 * kernels/simd/lanes_iq2.c - the encoders of iq2_xxs, iq2_xs and iq2_s: the search of lanes_iq.h
 * with each type's numbers. */
#include "kernels/simd/lanes_iq.h"

static bool iq2_xxs_weighted(void *dst, const float *src, const float *importance,
                             const float *mean_square) {
    (void)mean_square; /* the row's; this takes the super-block's */
    iq_encode_group(&iq2_xxs_how, dst, src, importance, sizeof(struct iq2_xxs), store_iq2_xxs);
    return true;
}

void LANES(iq2_xxs_encode_weighted)(void *dst, const float *src, const float *importance,
                                    size_t rows, size_t row_elems) {
    const struct weighted_job job = {
        SUPER_ELEMS, sizeof(struct iq2_xxs), SUPERS_OF(32),
        false,       iq2_xxs_weighted,       iq2_xxs_encode_weighted_c
    };
    encode_weighted_groups(&job, dst, src, importance, rows, row_elems);
}

static bool iq2_xs_weighted(void *dst, const float *src, const float *importance,
                            const float *mean_square) {
    (void)mean_square; /* the row's; this takes the super-block's */
    iq_encode_group(&iq2_xs_how, dst, src, importance, sizeof(struct iq2_xs), store_iq2_xs);
    return true;
}

void LANES(iq2_xs_encode_weighted)(void *dst, const float *src, const float *importance,
                                   size_t rows, size_t row_elems) {
    const struct weighted_job job = {
        SUPER_ELEMS, sizeof(struct iq2_xs), SUPERS_OF(16),
        false,       iq2_xs_weighted,       iq2_xs_encode_weighted_c
    };
    encode_weighted_groups(&job, dst, src, importance, rows, row_elems);
}

static bool iq2_s_weighted(void *dst, const float *src, const float *importance,
                           const float *mean_square) {
    (void)mean_square; /* the row's; this takes the super-block's */
    iq_encode_group(&iq2_s_how, dst, src, importance, sizeof(struct iq2_s), store_iq2_s);
    return true;
}

void LANES(iq2_s_encode_weighted)(void *dst, const float *src, const float *importance, size_t rows,
                                  size_t row_elems) {
    const struct weighted_job job = { SUPER_ELEMS, sizeof(struct iq2_s), SUPERS_OF(16),
                                      false,       iq2_s_weighted,       iq2_s_encode_weighted_c };
    encode_weighted_groups(&job, dst, src, importance, rows, row_elems);
}

static bool iq2_s_group(void *dst, const float *src) {
    if (!LANES(f32_all_finite)(src, SUPER_ELEMS * SUPERS_OF(16)))
        return false;
    iq_encode_group(&iq2_s_how, dst, src, NULL, sizeof(struct iq2_s), store_iq2_s);
    return true;
}

void LANES(iq2_s_encode)(void *dst, const float *src, size_t blocks) {
    encode_groups(dst, src, blocks, SUPER_ELEMS, sizeof(struct iq2_s), SUPERS_OF(16), iq2_s_group,
                  iq2_s_encode_c);
}
