/* SPDX-License-Identifier: Apache-2.0
 * kernels/q6_k.c - q6_k: 16 sub-blocks of 16, 6 bits an element, an 8-bit scale a sub-block.
 * Source: ggml/src/ggml-quants.c, quantize_row_q6_K_ref with make_qx_quants.
 * The order of the float operations is the reference's: any other order changes bytes. */
#include "kernels/pack.h"
#include "kernels/portable.h"
#include "kernels/scalar.h"

enum { SUBS = 16, SUB_ELEMS = 16, MAX_LEVEL = 32 };
#define TINY 1e-15f /* a sub-block with no greater magnitude counts as zeros */

static int32_t level(float v) {
    return int_clamp(int_nearest(v), -MAX_LEVEL, MAX_LEVEL - 1);
}

/* The sums of one candidate: least squares with weights x^2. */
static void fit(const float *x, float inverse, float *sum_lx, float *sum_l2) {
    *sum_lx = *sum_l2 = 0;
    for (int i = 0; i < SUB_ELEMS; i++) {
        const float l = (float)level(inverse * x[i]), w = x[i] * x[i];
        *sum_lx += w * x[i] * l;
        *sum_l2 += w * l * l;
    }
}

/* The scale of one sub-block: 19 candidates around -32 / max, the first of the best wins. @q gets
 * the levels, for the case that the scale, once rounded, is 0. */
static float search_scale(const float *x, uint8_t *q) {
    const float max = first_absmax(x, SUB_ELEMS);
    if (fabsf(max) < TINY) {
        memset(q, 0, SUB_ELEMS); /* not MAX_LEVEL, which would stand for 0 */
        return 0;
    }
    float inverse = -MAX_LEVEL / max, sum_lx, sum_l2;
    fit(x, inverse, &sum_lx, &sum_l2);
    float scale = sum_l2 != 0 ? sum_lx / sum_l2 : 0, best = scale * sum_lx;
    for (int step = -9; step <= 9; step++) {
        if (step == 0)
            continue;
        const float candidate = -(MAX_LEVEL + 0.1f * (float)step) / max;
        fit(x, candidate, &sum_lx, &sum_l2);
        if (sum_l2 > 0 && sum_lx * sum_lx > best * sum_l2) {
            inverse = candidate;
            scale = sum_lx / sum_l2;
            best = scale * sum_lx;
        }
    }
    for (int i = 0; i < SUB_ELEMS; i++)
        q[i] = (uint8_t)(level(inverse * x[i]) + MAX_LEVEL);
    return scale;
}

static void encode_block(void *dst, const float *x) {
    struct q6_k *b = dst;
    uint8_t q[SUPER_ELEMS];
    float scales[SUBS];
    for (int s = 0; s < SUBS; s++)
        scales[s] = search_scale(x + SUB_ELEMS * s, q + SUB_ELEMS * s);

    const float max = first_absmax(scales, SUBS); /* passes over NaNs, as the reference does */
    if (fabsf(max) < TINY) {
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
            q[i] = (uint8_t)(level(x[i] / d) + MAX_LEVEL);
    }
    q6_k_pack(b, q);
}

void q6_k_encode_c(void *dst, const float *src, size_t blocks) {
    encode_finite(dst, src, blocks, SUPER_ELEMS, sizeof(struct q6_k), encode_block);
}
