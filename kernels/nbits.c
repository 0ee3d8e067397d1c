/* SPDX-License-Identifier: Apache-2.0
 * kernels/nbits.c - blocks of 32 elements in 4 bits, as MatMulNBits of ONNX Runtime has them: level
 * 8 is zero, and the element of the largest magnitude is level 0 (of two of one magnitude the
 * negative one). Levels and scales are written apart. Source: onnxruntime 1.32,
 * onnxruntime/core/mlas/lib/q4_dq.cpp, symmetric. */
#include "kernels/portable.h"
#include "kernels/scalar.h"

enum { ELEMS = 32, LEVEL_BYTES = 16 };

/* Elements of a block before its padding. */
static int count(const float *x) {
    int n = 0;
    while (n < ELEMS && f32_bits(x[n]) != KERNEL_PADDING)
        n++;
    return n;
}

/* The end of the range that is farther from zero. */
static float far_end(const float *x, int n) {
    float low, high;
    first_minmax(x, n, &low, &high);
    return fabsf(high) > fabsf(low) ? high : low;
}

/* What is padding stays zero. */
static void encode_levels(uint8_t *dst, const float *x, int n, float scale) {
    const float inverse = inverse_or_0(scale);
    uint8_t level[ELEMS] = { 0 };
    for (int i = 0; i < n; i++) {
        const float v = roundf(x[i] * inverse + 8);
        level[i] = (uint8_t)(v > 0 ? v < 15 ? v : 15 : 0);
    }
    for (int i = 0; i < LEVEL_BYTES; i++)
        dst[i] = (uint8_t)(level[2 * i] | level[2 * i + 1] << 4);
}

static void levels(void *dst, const float *x, int n) {
    encode_levels(dst, x, n, far_end(x, n) / -8);
}

static void scale(void *dst, const float *x, int n) {
    const float d = far_end(x, n) / -8;
    memcpy(dst, &d, sizeof d);
}

static void levels_f16(void *dst, const float *x, int n) {
    encode_levels(dst, x, n, f32_from_f16(f16_from_f32(far_end(x, n) / -8)));
}

static void scale_f16(void *dst, const float *x, int n) {
    const uint16_t d = f16_from_f32(far_end(x, n) / -8);
    memcpy(dst, &d, sizeof d);
}

/* As encode_finite, of blocks that may end in padding. */
static void encode(void *dst, const float *src, size_t blocks, size_t bytes,
                   void (*encode_block)(void *dst, const float *src, int n)) {
    char *b = dst;
    for (size_t i = 0; i < blocks; i++, b += bytes, src += ELEMS) {
        const int n = count(src);
        if (n && f32_all_finite_c(src, (size_t)n))
            encode_block(b, src, n);
        else
            memset(b, 0, bytes);
    }
}

void nb4_encode_c(void *dst, const float *src, size_t blocks) {
    encode(dst, src, blocks, LEVEL_BYTES, levels);
}

void nb4_scale_encode_c(void *dst, const float *src, size_t blocks) {
    encode(dst, src, blocks, sizeof(float), scale);
}

void nb4_f16_encode_c(void *dst, const float *src, size_t blocks) {
    encode(dst, src, blocks, LEVEL_BYTES, levels_f16);
}

void nb4_f16_scale_encode_c(void *dst, const float *src, size_t blocks) {
    encode(dst, src, blocks, sizeof(uint16_t), scale_f16);
}
