/* SPDX-License-Identifier: Apache-2.0
 * kernels/q6_k.c - q6_k: 16 sub-blocks of 16, 6 bits an element, an 8-bit scale a sub-block.
 * Source: ggml/src/ggml-quants.c, quantize_row_q6_K_ref, quantize_row_q6_K_impl. */
#include "kernels/pack.h"
#include "kernels/portable.h"
#include "kernels/symmetric.h"
#include "kernels/weighted.h"

enum { SUBS = 16, SUB_ELEMS = 16 };

static const struct symmetric_how how = { SUB_ELEMS, 32 };

static void finish(struct q6_k *b, const float *x, const float scales[SUBS], uint8_t *q) {
    const float max = first_absmax(scales, SUBS); /* passes over NaNs, as the reference does */
    if (fabsf(max) < SYMMETRIC_TINY) {
        memset(b, 0, sizeof *b);
        return;
    }
    const float inverse = -128 / max;
    b->d = f16_from_f32(1 / inverse);
    for (int s = 0; s < SUBS; s++) {
        const int32_t scale = int_nearest(inverse * scales[s]);
        b->scales[s] = (int8_t)(scale < 127 ? scale : 127);
        const float d = f32_from_f16(b->d) * b->scales[s];
        if (d == 0)
            continue;
        for (int i = SUB_ELEMS * s; i < SUB_ELEMS * (s + 1); i++)
            q[i] = (uint8_t)(symmetric_level(x[i] / d, how) + how.max_level);
    }
    q6_k_pack(b, q);
}

static void encode_block(void *dst, const float *x) {
    uint8_t q[SUPER_ELEMS];
    float scales[SUBS];
    for (int s = 0; s < SUBS; s++) {
        float w[SUB_ELEMS];
        for (int i = 0; i < SUB_ELEMS; i++)
            w[i] = x[SUB_ELEMS * s + i] * x[SUB_ELEMS * s + i];
        scales[s] = symmetric_search(x + SUB_ELEMS * s, w, how, q + SUB_ELEMS * s);
    }
    finish(dst, x, scales, q);
}

/* Here the importance data are the weights. */
static void encode_weighted(void *dst, const float *x, const float *importance, float mean_square) {
    (void)mean_square;
    uint8_t q[SUPER_ELEMS];
    float scales[SUBS];
    for (int s = 0; s < SUBS; s++)
        scales[s] =
            symmetric_search(x + SUB_ELEMS * s, importance + SUB_ELEMS * s, how, q + SUB_ELEMS * s);
    finish(dst, x, scales, q);
}

void q6_k_encode_c(void *dst, const float *src, size_t blocks) {
    encode_finite(dst, src, blocks, SUPER_ELEMS, sizeof(struct q6_k), encode_block);
}

void q6_k_encode_weighted_c(void *dst, const float *src, const float *importance, size_t rows,
                            size_t row_elems) {
    encode_rows(dst, src, importance, rows, row_elems, SUPER_ELEMS, sizeof(struct q6_k),
                encode_weighted);
}
