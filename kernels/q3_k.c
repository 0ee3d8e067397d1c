/* SPDX-License-Identifier: Apache-2.0
 * kernels/q3_k.c - q3_k: 16 sub-blocks of 16, 3 bits an element, a 6-bit scale a sub-block.
 * Source: ggml/src/ggml-quants.c, quantize_row_q3_K_ref with make_q3_quants,
 * quantize_row_q3_K_impl. The order of the float operations is the reference's: any other order
 * changes bytes. */
#include "kernels/blocks.h"
#include "kernels/pack.h"
#include "kernels/symmetric.h"
#include "kernels/weighted.h"

enum { SUBS = 16, SUB_ELEMS = 16, MAX_LEVEL = 4, PASSES = 5 };
#define TINY 1e-15f /* a sub-block with no greater magnitude counts as zeros */

static int32_t level(float v) {
    return int_clamp(int_nearest(v), -MAX_LEVEL, MAX_LEVEL - 1);
}

/* One element after the other gets the level that is best, the others given. */
static bool improve(const float *x, int32_t *q, float *sum_lx, float *sum_l2) {
    bool changed = false;
    for (int i = 0; i < SUB_ELEMS; i++) {
        const float w = x[i] * x[i], old = (float)q[i];
        float lx = *sum_lx - w * x[i] * old, l2 = *sum_l2 - w * old * old;
        if (!(lx > 0))
            continue;
        const int32_t l = level(x[i] * l2 / lx);
        if (l == q[i])
            continue;
        lx += w * x[i] * (float)l;
        l2 += w * (float)l * (float)l;
        if (l2 > 0 && lx * lx * *sum_l2 > *sum_lx * *sum_lx * l2) {
            q[i] = l;
            *sum_lx = lx;
            *sum_l2 = l2;
            changed = true;
        }
    }
    return changed;
}

/* The scale of one sub-block; @out gets its levels, for the case that the scale, once rounded,
 * is 0. */
static float search_scale(const float *x, uint8_t *out) {
    const float max = first_absmax(x, SUB_ELEMS);
    if (fabsf(max) < TINY) {
        memset(out, 0, SUB_ELEMS); /* not MAX_LEVEL, which would stand for 0 */
        return 0;
    }
    const float inverse = -MAX_LEVEL / max;
    float sum_lx = 0, sum_l2 = 0;
    int32_t q[SUB_ELEMS];
    for (int i = 0; i < SUB_ELEMS; i++) {
        q[i] = level(inverse * x[i]);
        const float w = x[i] * x[i], l = (float)q[i];
        sum_lx += w * x[i] * l;
        sum_l2 += w * l * l;
    }
    for (int pass = 0; pass < PASSES && improve(x, q, &sum_lx, &sum_l2); pass++)
        ;
    for (int i = 0; i < SUB_ELEMS; i++)
        out[i] = (uint8_t)(q[i] + MAX_LEVEL);
    return sum_l2 > 0 ? sum_lx / sum_l2 : 0;
}

static void finish(struct q3_k *b, const float *x, const uint8_t sixes[SUBS], uint8_t *q) {
    scales16_pack(b->scales, sixes);
    for (int s = 0; s < SUBS; s++) {
        const float d = f32_from_f16(b->d) * (float)(sixes[s] - 32);
        if (d == 0)
            continue;
        for (int i = SUB_ELEMS * s; i < SUB_ELEMS * (s + 1); i++)
            q[i] = (uint8_t)(level(x[i] / d) + MAX_LEVEL);
    }
    twos_pack(b->qs, q);
    top_bits_pack(b->hmask, q, 4);
}

static void encode_block(void *dst, const float *x) {
    struct q3_k *b = dst;
    float scales[SUBS];
    uint8_t sixes[SUBS], q[SUPER_ELEMS];
    for (int s = 0; s < SUBS; s++)
        scales[s] = search_scale(x + SUB_ELEMS * s, q + SUB_ELEMS * s);
    b->d = q3_k_scales(sixes, scales);
    finish(b, x, sixes, q);
}

/* With importance data the scales are searched, and so are the scales of the scales. */
static void encode_weighted(void *dst, const float *x, const float *importance, float mean_square) {
    (void)mean_square; /* the row's; this takes the super-block's */
    const struct symmetric_how how = { SUB_ELEMS, MAX_LEVEL }, how_scales = { SUBS, 32 };
    struct q3_k *b = dst;
    float w[SUPER_ELEMS], sum_w[SUBS], scales[SUBS];
    uint8_t sixes[SUBS], q[SUPER_ELEMS];
    importance_weights(w, x, importance, SUPER_ELEMS,
                       2 * sum_squares(x, SUPER_ELEMS) / SUPER_ELEMS);
    for (int s = 0; s < SUBS; s++) {
        sum_w[s] = 0;
        for (int i = 0; i < SUB_ELEMS; i++)
            sum_w[s] += w[SUB_ELEMS * s + i];
        scales[s] = symmetric_search(x + SUB_ELEMS * s, w + SUB_ELEMS * s, how, q + SUB_ELEMS * s);
    }
    b->d = f16_from_f32(symmetric_search(scales, sum_w, how_scales, sixes));
    finish(b, x, sixes, q);
}

void q3_k_encode_c(void *dst, const float *src, size_t blocks) {
    encode_finite(dst, src, blocks, SUPER_ELEMS, sizeof(struct q3_k), encode_block);
}

void q3_k_encode_weighted_c(void *dst, const float *src, const float *importance, size_t rows,
                            size_t row_elems) {
    encode_rows(dst, src, importance, rows, row_elems, SUPER_ELEMS, sizeof(struct q3_k),
                encode_weighted);
}
