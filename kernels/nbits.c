/* SPDX-License-Identifier: Apache-2.0
 * kernels/nbits.c - the encoders of nbits.h. Symmetric: the middle level is zero, and the element
 * of the largest magnitude is level 0 (of two of one magnitude the negative one). Asymmetric: the
 * levels reach from the least to the greatest number, zero among them. Source: onnxruntime 1.32,
 * onnxruntime/core/mlas/lib/q4_dq.cpp. */
#include "kernels/portable.h"
#include "kernels/scalar.h"

enum { MAX_BLOCK = 256 };

/* As roundf, kept within 0 to @top; a NaN is 0. */
static float to_level(float v, float top) {
    v = v > 0 ? v : 0;
    v = v < top ? v : top;
    return (float)(int)(v + NBITS_HALF);
}

/* Elements of a block before its padding. */
static int count(const float *x, int block) {
    int n = 0;
    while (n < block && f32_bits(x[n]) != KERNEL_PADDING)
        n++;
    return n;
}

/* The scale before it is rounded to its type, and the level that is zero. */
struct fit {
    float scale, zero;
};

static struct fit fit_block(const struct nbits *s, const float *x, int n) {
    struct fit f = { 0, nbits_middle(s) };
    float low, high;
    first_minmax(x, n, &low, &high);
    if (!s->asym) {
        f.scale = (fabsf(high) > fabsf(low) ? high : low) / -nbits_middle(s);
        return f;
    }
    low = low < 0 ? low : 0;
    high = high > 0 ? high : 0;
    f.scale = (high - low) / nbits_top(s);
    f.zero = f.scale != 0 ? to_level(-low / f.scale, nbits_top(s)) : 0;
    return f;
}

/* What is padding stays zero; but of 4 bits, what shares a byte with the last number is the level
 * that did so in the byte before. Upstream that is a variable which lives for a pair of blocks: it
 * is 0 before the first, and of a second block of one number it is the first block's last level,
 * @before. */
static void levels(uint8_t *dst, const struct nbits *s, const float *x, int n, uint8_t before) {
    const struct fit f = fit_block(s, x, n);
    const float scale = s->half ? f32_from_f16(f16_from_f32(f.scale)) : f.scale;
    const float inverse = inverse_or_0(scale), top = nbits_top(s);
    uint8_t level[MAX_BLOCK] = { 0 };
    for (int i = 0; i < n; i++)
        level[i] = (uint8_t)to_level(x[i] * inverse + f.zero, top);
    if (s->bits == 4 && n % 2)
        level[n] = n > 1 ? level[n - 2] : before;
    if (s->bits == 8)
        memcpy(dst, level, s->block);
    for (uint32_t i = 0; s->bits == 4 && i < s->block / 2; i++)
        dst[i] = (uint8_t)(level[2 * i] | level[2 * i + 1] << 4);
}

static void scale(void *dst, const struct nbits *s, const float *x, int n) {
    const float f = fit_block(s, x, n).scale;
    const uint16_t half = f16_from_f32(f);
    if (s->half)
        memcpy(dst, &half, sizeof half);
    else
        memcpy(dst, &f, sizeof f);
}

/* Of a block, @n numbers before its padding; all padding: the middle. */
static uint8_t zero_of(const struct nbits *s, const float *x) {
    const int n = count(x, (int)s->block);
    if (n && !f32_all_finite_c(x, (size_t)n))
        return 0;
    return (uint8_t)(n ? fit_block(s, x, n).zero : nbits_middle(s));
}

static void pair(uint8_t *dst, const struct nbits *s, const float *x) {
    const size_t bytes = s->block * s->bits / 8;
    uint8_t before = 0;
    for (int i = 0; i < 2; i++, dst += bytes, x += s->block) {
        const int n = count(x, (int)s->block);
        if (!n || !f32_all_finite_c(x, (size_t)n))
            memset(dst, 0, bytes);
        else
            levels(dst, s, x, n, before);
        before = dst[bytes - 1] >> 4;
    }
}

/* As encode_finite, of blocks that may end in padding. */
static void encode(void *dst, const float *src, size_t blocks, const struct nbits *s,
                   enum nbits_part part) {
    const size_t elems = NBITS_ELEMS(s->bits, s->block, part);
    const size_t bytes = NBITS_BYTES(s->bits, s->block, s->half, part);
    uint8_t *b = dst;
    for (size_t i = 0; i < blocks; i++, b += bytes, src += elems) {
        if (part == NBITS_ZERO) {
            *b = zero_of(s, src);
            if (s->bits == 4)
                *b |= (uint8_t)(zero_of(s, src + s->block) << 4);
            continue;
        }
        if (part == NBITS_PAIR) {
            pair(b, s, src);
            continue;
        }
        const int n = count(src, (int)s->block);
        if (!n || !f32_all_finite_c(src, (size_t)n))
            memset(b, 0, bytes);
        else if (part == NBITS_LEVELS)
            levels(b, s, src, n, 0);
        else
            scale(b, s, src, n);
    }
}

#define ENCODER(name, NAME, bits, block, asym, half, part)                          \
    void name##_encode_c(void *dst, const float *src, size_t blocks) {              \
        encode(dst, src, blocks, &(struct nbits){ bits, block, asym, half }, part); \
    }
NBITS_TYPES(ENCODER)
