/* SPDX-License-Identifier: Apache-2.0
 * kernels/q4_k.c - q4_k and q5_k: 8 sub-blocks of 32, 4 or 5 bits an element, scale and minimum.
 * Source: ggml/src/ggml-quants.c, quantize_row_q4_K_ref, quantize_row_q4_K_impl, and
 * the same of q5_K. */
#include "kernels/affine.h"
#include "kernels/pack.h"
#include "kernels/weighted.h"

enum { SUBS = 8, SUB_ELEMS = 32 };

static const struct affine_how how4 = { SUB_ELEMS, 15, -1.0f, 0.1f, 20, false };
static const struct affine_how how5 = { SUB_ELEMS, 31, -0.5f, 0.1f, 15, false };
static const struct affine_how weighted4 = { SUB_ELEMS, 15, -0.9f, 0.05f, 36, false };
static const struct affine_how weighted5 = { SUB_ELEMS, 31, -0.9f, 0.05f, 36, false };

static void search_subs(struct affine found[SUBS], float scales[SUBS], float mins[SUBS],
                        const float *x, const float *w, const struct affine_how *how) {
    for (int s = 0; s < SUBS; s++) {
        found[s] = affine_search(x + SUB_ELEMS * s, w + SUB_ELEMS * s, how);
        scales[s] = found[s].scale;
        mins[s] = found[s].min;
    }
}

static void super_levels(uint8_t *q, const float *x, const struct affine_super *super,
                         const struct affine found[SUBS], const struct affine_how *how) {
    for (int s = 0; s < SUBS; s++)
        affine_levels(q + SUB_ELEMS * s, x + SUB_ELEMS * s,
                      f32_from_f16(super->d) * super->scales[s],
                      f32_from_f16(super->dmin) * super->mins[s], &found[s], how);
}

static struct affine_super encode_super(const float *x, uint8_t *q, const struct affine_how *how) {
    struct affine found[SUBS];
    float w[SUPER_ELEMS], scales[SUBS], mins[SUBS];
    for (int s = 0; s < SUBS; s++)
        affine_weights(w + SUB_ELEMS * s, x + SUB_ELEMS * s, SUB_ELEMS);
    search_subs(found, scales, mins, x, w, how);
    const struct affine_super super = affine_finish(scales, mins);
    super_levels(q, x, &super, found, how);
    return super;
}

/* With importance data the scales and mins are searched too. */
static struct affine_super encode_super_weighted(const float *x, const float *importance,
                                                 uint8_t *q, const struct affine_how *how) {
    struct affine found[SUBS];
    float w[SUPER_ELEMS], sum_w[SUBS], scales[SUBS], mins[SUBS];
    importance_weights(w, x, importance, SUPER_ELEMS,
                       2 * sum_squares(x, SUPER_ELEMS) / SUPER_ELEMS);
    for (int s = 0; s < SUBS; s++) {
        sum_w[s] = 0;
        for (int i = 0; i < SUB_ELEMS; i++)
            sum_w[s] += w[SUB_ELEMS * s + i];
    }
    search_subs(found, scales, mins, x, w, how);
    const struct affine_super super =
        affine_finish_weighted(scales, mins, sum_w, how->max_level > 15);
    super_levels(q, x, &super, found, how);
    return super;
}

static void store_q4_k(struct q4_k *b, const struct affine_super *super, const uint8_t *q) {
    b->d = super->d;
    b->dmin = super->dmin;
    scales_pack(b->scales, super->scales, super->mins);
    fours_pack(b->qs, q);
}

static void store_q5_k(struct q5_k *b, const struct affine_super *super, const uint8_t *q) {
    b->d = super->d;
    b->dmin = super->dmin;
    scales_pack(b->scales, super->scales, super->mins);
    fours_pack(b->qs, q);
    top_bits_pack(b->qh, q, 16);
}

static void encode_q4_k(void *dst, const float *x) {
    uint8_t q[SUPER_ELEMS];
    const struct affine_super super = encode_super(x, q, &how4);
    store_q4_k(dst, &super, q);
}

static void encode_q5_k(void *dst, const float *x) {
    uint8_t q[SUPER_ELEMS];
    const struct affine_super super = encode_super(x, q, &how5);
    store_q5_k(dst, &super, q);
}

static void weighted_q4_k(void *dst, const float *x, const float *importance, float mean_square) {
    (void)mean_square; /* the row's; this takes the super-block's */
    uint8_t q[SUPER_ELEMS];
    const struct affine_super super = encode_super_weighted(x, importance, q, &weighted4);
    store_q4_k(dst, &super, q);
}

static void weighted_q5_k(void *dst, const float *x, const float *importance, float mean_square) {
    (void)mean_square;
    uint8_t q[SUPER_ELEMS];
    const struct affine_super super = encode_super_weighted(x, importance, q, &weighted5);
    store_q5_k(dst, &super, q);
}

void q4_k_encode_c(void *dst, const float *src, size_t blocks) {
    encode_finite(dst, src, blocks, SUPER_ELEMS, sizeof(struct q4_k), encode_q4_k);
}

void q5_k_encode_c(void *dst, const float *src, size_t blocks) {
    encode_finite(dst, src, blocks, SUPER_ELEMS, sizeof(struct q5_k), encode_q5_k);
}

void q4_k_encode_weighted_c(void *dst, const float *src, const float *importance, size_t rows,
                            size_t row_elems) {
    encode_rows(dst, src, importance, rows, row_elems, SUPER_ELEMS, sizeof(struct q4_k),
                weighted_q4_k);
}

void q5_k_encode_weighted_c(void *dst, const float *src, const float *importance, size_t rows,
                            size_t row_elems) {
    encode_rows(dst, src, importance, rows, row_elems, SUPER_ELEMS, sizeof(struct q5_k),
                weighted_q5_k);
}
