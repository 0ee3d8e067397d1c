/* SPDX-License-Identifier: Apache-2.0
 * kernels/fp4.h - mxfp4 and nvfp4: 4-bit floats (E2M1) with a small float as scale.
 * Source: ggml/src/ggml-quants.c, quantize_row_mxfp4_ref, quantize_row_nvfp4_ref;
 * ggml/src/ggml-impl.h, ggml_e8m0_to_fp32_half, ggml_fp32_to_ue4m3, ggml_ue4m3_to_fp32. */
#pragma once
#include "kernels/blocks_iq.h"
#include "kernels/scalar.h"

enum { MXFP4_ELEMS = 32, NVFP4_ELEMS = 64, NVFP4_SUB = 16 };

/* Twice the value, so that it is an integer. Sign and magnitude: 8 stands for 0 too. */
BODY_TABLE int8_t fp4_values[16] = { 0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12 };

/* The first of the nearest. */
BODY uint8_t fp4_nearest(float x, float d) {
    uint8_t best = 0;
    float best_error = fabsf(fp4_values[0] * d - x);
    for (uint8_t i = 1; i < 16; i++) {
        const float error = fabsf(fp4_values[i] * d - x);
        best = error < best_error ? i : best;
        best_error = error < best_error ? error : best_error;
    }
    return best;
}

/* 2^(e - 128), half of what e stands for; the least two are subnormal. */
BODY float e8m0_half(uint8_t e) {
    return f32_from_bits(e < 2 ? 0x00200000u << e : (uint32_t)(e - 1) << 23);
}

/* What floor(log2f(v)) is, v > 0: so close below a power of two, log2f rounds up to the integer.
 * Equal to glibc's for every float; no library's own rounding enters the bytes. */
BODY int floor_log2(float v) {
    const bool subnormal = v < 0x1p-126f;
    const uint32_t bits = f32_bits(subnormal ? v * 0x1p24f : v);
    const int below = (int)(bits >> 23) - (subnormal ? 127 + 24 : 127), above = below + 1;
    /* half a last bit of a result of this size, in steps of @v */
    const int size = above > 0 ? below : -above;
    int power = 1;
    while (2 * power <= size)
        power *= 2;
    const int close = size > 0 ? power * 45426 >> 16 : 0; /* ln 2 = 45426 / 65536 */
    return 0x800000 - (int)(bits & 0x7fffff) <= close ? above : below;
}

/* Of a block's greatest magnitude. Below 2^-125 it wraps around in the byte, as in the reference.
 */
BODY uint8_t mxfp4_exponent(float max) {
    return (uint8_t)(max > 0 ? floor_log2(max) - 2 + 127 : 0);
}

BODY void mxfp4_block(struct mxfp4 *b, const float *x) {
    b->e = mxfp4_exponent(fabsf(first_absmax(x, MXFP4_ELEMS)));
    const float d = e8m0_half(b->e);
    for (int i = 0; i < 16; i++)
        b->qs[i] = (uint8_t)(fp4_nearest(x[i], d) | fp4_nearest(x[i + 16], d) << 4);
}

/* E4M3 without a sign, halves up rather than to even; 448 at most. */
BODY uint8_t e4m3_from_f32(float v) {
    if (!(v > 0))
        return 0;
    if (v < 0x1p-6f) { /* subnormal, and never more than 7 steps */
        const int man = (int)(v * 512 + 0.5f);
        return (uint8_t)(man < 7 ? man : 7);
    }
    const uint32_t bits = f32_bits(v) - (120u << 23); /* the exponent's bias of 127 to one of 7 */
    const uint32_t rounded = (bits >> 20) + (bits >> 19 & 1);
    return (uint8_t)(v < 256 && rounded < 0x78 ? rounded : 0x7e);
}

/* Half of what it stands for; the NaN counts as 0. */
BODY float e4m3_half(uint8_t b) {
    return b == 0x7f ? 0 : f32_from_bits((uint32_t)(b & 0x7f) << 20) * 0x1p119f;
}

BODY void nvfp4_block(struct nvfp4 *b, const float *x) {
    uint8_t *qs = b->qs;
    for (int s = 0; s < NVFP4_ELEMS / NVFP4_SUB; s++, x += NVFP4_SUB, qs += 8) {
        b->d[s] = e4m3_from_f32(fabsf(first_absmax(x, NVFP4_SUB)) / 6);
        const float d = e4m3_half(b->d[s]);
        for (int i = 0; i < 8; i++)
            qs[i] = (uint8_t)(fp4_nearest(x[i], d) | fp4_nearest(x[i + 8], d) << 4);
    }
}
