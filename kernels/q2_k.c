/* SPDX-License-Identifier: Apache-2.0
 * kernels/q2_k.c - q2_k: 16 sub-blocks of 16, 2 bits an element, scale and minimum of 4 bits each.
 * Source: ggml/src/ggml-quants.c, quantize_row_q2_K_ref. */
#include "kernels/affine.h"
#include "kernels/pack.h"

enum { SUBS = 16, SUB_ELEMS = 16 };

static const struct affine_how how = { SUB_ELEMS, 3, -0.5f, 15, true };

static void encode_block(void *dst, const float *x) {
    struct q2_k *b = dst;
    struct affine found[SUBS];
    float scales[SUBS], mins[SUBS];
    uint8_t q[SUPER_ELEMS];
    for (int s = 0; s < SUBS; s++) {
        float weights[SUB_ELEMS];
        for (int i = 0; i < SUB_ELEMS; i++)
            weights[i] = fabsf(x[SUB_ELEMS * s + i]);
        found[s] = affine_search(x + SUB_ELEMS * s, weights, &how);
        scales[s] = found[s].scale;
        mins[s] = found[s].min;
    }
    q2_k_scales(b, scales, mins);
    for (int s = 0; s < SUBS; s++)
        affine_levels(q + SUB_ELEMS * s, x + SUB_ELEMS * s,
                      f32_from_f16(b->d) * (float)(b->scales[s] & 15),
                      f32_from_f16(b->dmin) * (float)(b->scales[s] >> 4), &found[s], &how);
    twos_pack(b->qs, q);
}

void q2_k_encode_c(void *dst, const float *src, size_t blocks) {
    encode_finite(dst, src, blocks, SUPER_ELEMS, sizeof(struct q2_k), encode_block);
}
