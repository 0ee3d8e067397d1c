/* SPDX-License-Identifier: Apache-2.0
 * kernels/ternary.h - tq1_0, tq2_0, q1_0 and q2_0: a scale and next to nothing else.
 * Source: ggml/src/ggml-quants.c, quantize_row_*_ref of these types. */
#pragma once
#include "kernels/blocks_iq.h"
#include "kernels/pack.h"
#include "kernels/scalar.h"

enum { Q1_0_ELEMS = 128, Q2_0_ELEMS = 64 };

/* 0, 1, 2; the middle where the inverse scale is infinite. */
BODY uint8_t trit(float v) {
    return (uint8_t)(int_trunc(roundf(v)) + 1);
}

/* @digits trits @stride apart, the first the most significant of five. */
BODY uint8_t trits_pack(const uint8_t *q, int digits, int stride) {
    int n = 0;
    for (int i = 0; i < 5; i++)
        n = 3 * n + (i < digits ? q[i * stride] : 0);
    return (uint8_t)((n * 256 + 242) / 243);
}

BODY float trits_levels(uint8_t *q, const float *x) {
    const float d = fabsf(first_absmax(x, SUPER_ELEMS)), id = inverse_or_0(d);
    for (int i = 0; i < SUPER_ELEMS; i++)
        q[i] = trit(x[i] * id);
    return d;
}

BODY void tq1_0_pack(struct tq1_0 *b, const uint8_t *q) {
    for (int i = 0; i < 32; i++)
        b->qs[i] = trits_pack(q + i, 5, 32);
    for (int i = 0; i < 16; i++)
        b->qs[32 + i] = trits_pack(q + 160 + i, 5, 16);
    for (int i = 0; i < 4; i++)
        b->qh[i] = trits_pack(q + 240 + i, 4, 4);
}

BODY void tq1_0_block(struct tq1_0 *b, const float *x) {
    uint8_t q[SUPER_ELEMS];
    b->d = f16_from_f32(trits_levels(q, x));
    tq1_0_pack(b, q);
}

BODY void tq2_0_block(struct tq2_0 *b, const float *x) {
    uint8_t q[SUPER_ELEMS];
    b->d = f16_from_f32(trits_levels(q, x));
    twos_pack(b->qs, q);
}

BODY void q1_0_block(struct q1_0 *b, const float *x) {
    float sum = 0;
    memset(b->qs, 0, sizeof b->qs);
    for (int i = 0; i < Q1_0_ELEMS; i++) {
        sum += fabsf(x[i]);
        b->qs[i / 8] = (uint8_t)(b->qs[i / 8] | (x[i] >= 0) << (i % 8));
    }
    b->d = f16_from_f32(sum / Q1_0_ELEMS);
}

BODY void q2_0_block(struct q2_0 *b, const float *x) {
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
