/* SPDX-License-Identifier: Apache-2.0
 * kernels/q4_k.c - q4_k and q5_k: 8 sub-blocks of 32, 4 or 5 bits an element, scale and minimum.
 * Source: ggml/src/ggml-quants.c, quantize_row_q4_K_ref and quantize_row_q5_K_ref. */
#include "kernels/affine.h"
#include "kernels/pack.h"

enum { SUBS = 8, SUB_ELEMS = 32 };

static const struct affine_how how4 = { SUB_ELEMS, 15, -1.0f, 20, false };
static const struct affine_how how5 = { SUB_ELEMS, 31, -0.5f, 15, false };

static struct affine_super encode_super(const float *x, uint8_t *q, const struct affine_how *how) {
    struct affine found[SUBS];
    float weights[SUB_ELEMS], scales[SUBS], mins[SUBS];
    for (int s = 0; s < SUBS; s++) {
        affine_weights(weights, x + SUB_ELEMS * s, SUB_ELEMS);
        found[s] = affine_search(x + SUB_ELEMS * s, weights, how);
        scales[s] = found[s].scale;
        mins[s] = found[s].min;
    }
    const struct affine_super super = affine_finish(scales, mins);
    for (int s = 0; s < SUBS; s++)
        affine_levels(q + SUB_ELEMS * s, x + SUB_ELEMS * s, f32_from_f16(super.d) * super.scales[s],
                      f32_from_f16(super.dmin) * super.mins[s], &found[s], how);
    return super;
}

static void encode_q4_k(void *dst, const float *x) {
    struct q4_k *b = dst;
    uint8_t q[SUPER_ELEMS];
    const struct affine_super super = encode_super(x, q, &how4);
    b->d = super.d;
    b->dmin = super.dmin;
    scales_pack(b->scales, super.scales, super.mins);
    fours_pack(b->qs, q);
}

static void encode_q5_k(void *dst, const float *x) {
    struct q5_k *b = dst;
    uint8_t q[SUPER_ELEMS];
    const struct affine_super super = encode_super(x, q, &how5);
    b->d = super.d;
    b->dmin = super.dmin;
    scales_pack(b->scales, super.scales, super.mins);
    fours_pack(b->qs, q);
    top_bits_pack(b->qh, q, 16);
}

void q4_k_encode_c(void *dst, const float *src, size_t blocks) {
    encode_finite(dst, src, blocks, SUPER_ELEMS, sizeof(struct q4_k), encode_q4_k);
}

void q5_k_encode_c(void *dst, const float *src, size_t blocks) {
    encode_finite(dst, src, blocks, SUPER_ELEMS, sizeof(struct q5_k), encode_q5_k);
}
