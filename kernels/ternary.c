/* SPDX-License-Identifier: Apache-2.0
 * kernels/ternary.c - tq1_0, tq2_0, q1_0 and q2_0: a scale and next to nothing else.
 * Source: ggml/src/ggml-quants.c, quantize_row_*_ref and dequantize_row_* of these types. */
#include "kernels/blocks_iq.h"
#include "kernels/pack.h"
#include "kernels/scalar.h"

enum { Q1_0_ELEMS = 128, Q2_0_ELEMS = 64 };

/* 0, 1, 2; the middle where the inverse scale is infinite. */
static uint8_t trit(float v) {
    return (uint8_t)(int_trunc(roundf(v)) + 1);
}

/* @digits trits @stride apart, the first the most significant of five. */
static uint8_t trits_pack(const uint8_t *q, int digits, int stride) {
    int n = 0;
    for (int i = 0; i < 5; i++)
        n = 3 * n + (i < digits ? q[i * stride] : 0);
    return (uint8_t)((n * 256 + 242) / 243);
}

static float trits_levels(uint8_t *q, const float *x) {
    const float d = fabsf(first_absmax(x, SUPER_ELEMS)), id = inverse_or_0(d);
    for (int i = 0; i < SUPER_ELEMS; i++)
        q[i] = trit(x[i] * id);
    return d;
}

static void encode_tq1_0(void *dst, const float *x) {
    struct tq1_0 *b = dst;
    uint8_t q[SUPER_ELEMS];
    b->d = f16_from_f32(trits_levels(q, x));
    for (int i = 0; i < 32; i++)
        b->qs[i] = trits_pack(q + i, 5, 32);
    for (int i = 0; i < 16; i++)
        b->qs[32 + i] = trits_pack(q + 160 + i, 5, 16);
    for (int i = 0; i < 4; i++)
        b->qh[i] = trits_pack(q + 240 + i, 4, 4);
}

static void encode_tq2_0(void *dst, const float *x) {
    struct tq2_0 *b = dst;
    uint8_t q[SUPER_ELEMS];
    b->d = f16_from_f32(trits_levels(q, x));
    twos_pack(b->qs, q);
}

static void encode_q1_0(void *dst, const float *x) {
    struct q1_0 *b = dst;
    float sum = 0;
    memset(b->qs, 0, sizeof b->qs);
    for (int i = 0; i < Q1_0_ELEMS; i++) {
        sum += fabsf(x[i]);
        b->qs[i / 8] = (uint8_t)(b->qs[i / 8] | (x[i] >= 0) << (i % 8));
    }
    b->d = f16_from_f32(sum / Q1_0_ELEMS);
}

static void encode_q2_0(void *dst, const float *x) {
    struct q2_0 *b = dst;
    const float d = fabsf(first_absmax(x, Q2_0_ELEMS)), id = inverse_or_0(d);
    memset(b->qs, 0, sizeof b->qs);
    b->d = f16_from_f32(d);
    for (int i = 0; i < Q2_0_ELEMS; i++) {
        /* What no int holds is the least one in the reference: level 0, not the middle. */
        const float v = x[i] * id;
        const int q = fabsf(v) < 0x1p31f ? int_clamp((int)roundf(v) + 1, 0, 3) : 0;
        b->qs[i / 4] = (uint8_t)(b->qs[i / 4] | q << (i % 4 * 2));
    }
}

void tq1_0_encode_c(void *dst, const float *src, size_t blocks) {
    encode_finite(dst, src, blocks, SUPER_ELEMS, sizeof(struct tq1_0), encode_tq1_0);
}

void tq2_0_encode_c(void *dst, const float *src, size_t blocks) {
    encode_finite(dst, src, blocks, SUPER_ELEMS, sizeof(struct tq2_0), encode_tq2_0);
}

void q1_0_encode_c(void *dst, const float *src, size_t blocks) {
    encode_finite(dst, src, blocks, Q1_0_ELEMS, sizeof(struct q1_0), encode_q1_0);
}

void q2_0_encode_c(void *dst, const float *src, size_t blocks) {
    encode_finite(dst, src, blocks, Q2_0_ELEMS, sizeof(struct q2_0), encode_q2_0);
}

/* Digit @i of five, the first the most significant: the fraction's next digit after i of them. */
static float trit_at(uint8_t byte, int i, float d) {
    static const uint8_t power[5] = { 1, 3, 9, 27, 81 };
    const uint8_t rest = (uint8_t)(byte * power[i]);
    return (float)((rest * 3 >> 8) - 1) * d;
}

void tq1_0_decode_c(float *dst, const void *src, size_t blocks) {
    const struct tq1_0 *b = src;
    for (size_t k = 0; k < blocks; k++, b++, dst += SUPER_ELEMS) {
        const float d = f32_from_f16(b->d);
        for (int i = 0; i < 160; i++)
            dst[i] = trit_at(b->qs[i % 32], i / 32, d);
        for (int i = 0; i < 80; i++)
            dst[160 + i] = trit_at(b->qs[32 + i % 16], i / 16, d);
        for (int i = 0; i < 16; i++)
            dst[240 + i] = trit_at(b->qh[i % 4], i / 4, d);
    }
}

void tq2_0_decode_c(float *dst, const void *src, size_t blocks) {
    const struct tq2_0 *b = src;
    for (size_t k = 0; k < blocks; k++, b++, dst += SUPER_ELEMS) {
        const float d = f32_from_f16(b->d);
        for (int i = 0; i < SUPER_ELEMS; i++)
            dst[i] = (float)((b->qs[i / 128 * 32 + i % 32] >> (i % 128 / 32 * 2) & 3) - 1) * d;
    }
}

void q1_0_decode_c(float *dst, const void *src, size_t blocks) {
    const struct q1_0 *b = src;
    for (size_t k = 0; k < blocks; k++, b++, dst += Q1_0_ELEMS) {
        const float d = f32_from_f16(b->d);
        for (int i = 0; i < Q1_0_ELEMS; i++)
            dst[i] = b->qs[i / 8] >> (i % 8) & 1 ? d : -d;
    }
}

void q2_0_decode_c(float *dst, const void *src, size_t blocks) {
    const struct q2_0 *b = src;
    for (size_t k = 0; k < blocks; k++, b++, dst += Q2_0_ELEMS) {
        const float d = f32_from_f16(b->d);
        for (int i = 0; i < Q2_0_ELEMS; i++)
            dst[i] = (float)((b->qs[i / 4] >> (i % 4 * 2) & 3) - 1) * d;
    }
}
