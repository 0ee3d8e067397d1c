/* SPDX-License-Identifier: Apache-2.0
 * kernels/iq2.c - the encoders of iq2 and iq3; iq2_xxs and iq2_xs only with importance data, as
 * in the reference. Source: as in iq_search.h. */
#include "kernels/iq_types.h"

/* Without importance data: rows of one block, so that what is not finite reaches no further. */

void iq2_s_encode_c(void *dst, const float *src, size_t blocks) {
    iq_encode_rows(&iq2_s_how, dst, src, NULL, blocks, SUPER_ELEMS, sizeof(struct iq2_s),
                   store_iq2_s);
}

void iq3_xxs_encode_c(void *dst, const float *src, size_t blocks) {
    iq_encode_rows(&iq3_xxs_how, dst, src, NULL, blocks, SUPER_ELEMS, sizeof(struct iq3_xxs),
                   store_iq3_xxs);
}

void iq3_s_encode_c(void *dst, const float *src, size_t blocks) {
    iq_encode_rows(&iq3_s_how, dst, src, NULL, blocks, SUPER_ELEMS, sizeof(struct iq3_s),
                   store_iq3_s);
}

void iq2_xxs_encode_weighted_c(void *dst, const float *src, const float *importance, size_t rows,
                               size_t row_elems) {
    iq_encode_rows(&iq2_xxs_how, dst, src, importance, rows, row_elems, sizeof(struct iq2_xxs),
                   store_iq2_xxs);
}

void iq2_xs_encode_weighted_c(void *dst, const float *src, const float *importance, size_t rows,
                              size_t row_elems) {
    iq_encode_rows(&iq2_xs_how, dst, src, importance, rows, row_elems, sizeof(struct iq2_xs),
                   store_iq2_xs);
}

void iq2_s_encode_weighted_c(void *dst, const float *src, const float *importance, size_t rows,
                             size_t row_elems) {
    iq_encode_rows(&iq2_s_how, dst, src, importance, rows, row_elems, sizeof(struct iq2_s),
                   store_iq2_s);
}

void iq3_xxs_encode_weighted_c(void *dst, const float *src, const float *importance, size_t rows,
                               size_t row_elems) {
    iq_encode_rows(&iq3_xxs_how, dst, src, importance, rows, row_elems, sizeof(struct iq3_xxs),
                   store_iq3_xxs);
}

void iq3_s_encode_weighted_c(void *dst, const float *src, const float *importance, size_t rows,
                             size_t row_elems) {
    iq_encode_rows(&iq3_s_how, dst, src, importance, rows, row_elems, sizeof(struct iq3_s),
                   store_iq3_s);
}
