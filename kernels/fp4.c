/* SPDX-License-Identifier: Apache-2.0
 * kernels/fp4.c - mxfp4 and nvfp4: 4-bit floats (E2M1) with a small float as scale.
 * Source: ggml/src/ggml-quants.c, quantize_row_mxfp4_ref, quantize_row_nvfp4_ref and their
 * dequantize_row_*; ggml/src/ggml-impl.h, ggml_e8m0_to_fp32_half, ggml_fp32_to_ue4m3,
 * ggml_ue4m3_to_fp32. */
#include "kernels/blocks_iq.h"
#include "kernels/scalar.h"

enum { MXFP4_ELEMS = 32, NVFP4_ELEMS = 64, NVFP4_SUB = 16 };

/* Twice the value, so that it is an integer. Sign and magnitude: 8 stands for 0 too. */
static const int8_t values[16] = { 0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12 };

/* The first of the nearest. */
static uint8_t nearest_value(float x, float d) {
    uint8_t best = 0;
    float best_error = fabsf(values[0] * d - x);
    for (uint8_t i = 1; i < 16; i++) {
        const float error = fabsf(values[i] * d - x);
        best = error < best_error ? i : best;
        best_error = error < best_error ? error : best_error;
    }
    return best;
}

/* 2^(e - 128), half of what e stands for; the least two are subnormal. */
static float e8m0_half(uint8_t e) {
    return f32_from_bits(e < 2 ? 0x00200000u << e : (uint32_t)(e - 1) << 23);
}

static void encode_mxfp4(void *dst, const float *x) {
    struct mxfp4 *b = dst;
    const float max = fabsf(first_absmax(x, MXFP4_ELEMS));
    /* log2f as it rounds: just below a power of two it may give the integer above. Numbers below
     * 2^-125 wrap around in the byte, as in the reference. */
    b->e = max > 0 ? (uint8_t)int_trunc(floorf(log2f(max)) - 2 + 127) : 0;
    const float d = e8m0_half(b->e);
    for (int i = 0; i < 16; i++)
        b->qs[i] = (uint8_t)(nearest_value(x[i], d) | nearest_value(x[i + 16], d) << 4);
}

void mxfp4_encode_c(void *dst, const float *src, size_t blocks) {
    encode_finite(dst, src, blocks, MXFP4_ELEMS, sizeof(struct mxfp4), encode_mxfp4);
}

void mxfp4_decode_c(float *dst, const void *src, size_t blocks) {
    const struct mxfp4 *b = src;
    for (size_t k = 0; k < blocks; k++, b++, dst += MXFP4_ELEMS) {
        const float d = e8m0_half(b->e);
        for (int i = 0; i < 16; i++) {
            dst[i] = values[b->qs[i] & 15] * d;
            dst[i + 16] = values[b->qs[i] >> 4] * d;
        }
    }
}

/* E4M3 without a sign, halves up rather than to even; 448 at most. */
static uint8_t e4m3_from_f32(float v) {
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
static float e4m3_half(uint8_t b) {
    return b == 0x7f ? 0 : f32_from_bits((uint32_t)(b & 0x7f) << 20) * 0x1p119f;
}

static void encode_nvfp4(void *dst, const float *x) {
    struct nvfp4 *b = dst;
    uint8_t *qs = b->qs;
    for (int s = 0; s < NVFP4_ELEMS / NVFP4_SUB; s++, x += NVFP4_SUB, qs += 8) {
        b->d[s] = e4m3_from_f32(fabsf(first_absmax(x, NVFP4_SUB)) / 6);
        const float d = e4m3_half(b->d[s]);
        for (int i = 0; i < 8; i++)
            qs[i] = (uint8_t)(nearest_value(x[i], d) | nearest_value(x[i + 8], d) << 4);
    }
}

void nvfp4_encode_c(void *dst, const float *src, size_t blocks) {
    encode_finite(dst, src, blocks, NVFP4_ELEMS, sizeof(struct nvfp4), encode_nvfp4);
}

void nvfp4_decode_c(float *dst, const void *src, size_t blocks) {
    const struct nvfp4 *b = src;
    for (size_t k = 0; k < blocks; k++, b++, dst += NVFP4_ELEMS) {
        for (int i = 0; i < NVFP4_ELEMS; i++) {
            const int s = i / 16, q = b->qs[8 * s + i % 8] >> (i % 16 / 8 * 4) & 15;
            dst[i] = values[q] * e4m3_half(b->d[s]);
        }
    }
}
