/* SPDX-License-Identifier: Apache-2.0
 * kernels/simd/lanes_nbits.c - the encoders of nbits.c: one block a lane. A group with padding or
 * numbers that are not finite is left to the portable code. */
#include "kernels/simd/lanes.h"

enum { MAX_BLOCK = 256 };

/* As roundf, kept within 0 to @top; a NaN is 0. */
INLINE vi to_level(vf v, float top) {
    const vf in = vf_min(vf_max(v, vf_set1(0)), vf_set1(top));
    return vi_trunc(in + vf_set1(NBITS_HALF));
}

/* The blocks' scales before they are rounded to their type, and the levels that are zero. */
struct fits {
    vf scale, zero;
};

/* Of VL blocks, @stride elements apart. x[i] gets element i of each. */
INLINE struct fits fit_blocks(vf x[MAX_BLOCK], const struct nbits *s, const float *src,
                              size_t stride) {
    const vf none = vf_set1(0), top = vf_set1(nbits_top(s)), middle = vf_set1(nbits_middle(s));
    vf low = vf_set1(__builtin_inff()), high = -low;
    for (uint32_t i = 0; i < s->block; i += VL) {
        vf_load_columns(x + i, src + i, stride);
        UNROLL for (int k = 0; k < VL; k++) {
            low = vf_min(x[i + k], low);
            high = vf_max(x[i + k], high);
        }
    }
    if (!s->asym) {
        const vf first = vf_select(vf_gt(vf_abs(high), vf_abs(low)), high, low);
        return (struct fits){ first / -middle, middle };
    }
    low = vf_min(low, none);
    high = vf_max(high, none);
    const vf scale = (high - low) / top;
    const vf zero = vf_from_int(to_level((vf)((vi)low ^ INT32_MIN) / scale, nbits_top(s)));
    return (struct fits){ scale, vf_select(vf_eq(scale, none), none, zero) };
}

INLINE vf round_f16(vf v) {
    uint16_t halves[VL];
    vf_store_f16(halves, v);
    return vf_load_f16(halves);
}

/* As many levels as a word holds. */
INLINE vi word_of(const vf *x, vf inverse, vf zero, int bits) {
    const float top = (float)((1 << bits) - 1);
    const int each = 32 / bits;
    vi word = vi_set1(0);
    UNROLL for (int i = 0; i < each; i++) word |= to_level(x[i] * inverse + zero, top)
                                                  << (bits * i);
    return word;
}

/* Sixteen bytes of each block at a time; a block of 16 numbers of 4 bits has eight, and is put
 * there by way of @near. */
INLINE void encode_levels(uint8_t *dst, const struct nbits *s, const float *src, int bits) {
    enum { PART = 16 };
    const uint32_t bytes = s->block * (uint32_t)bits / 8;
    vf x[MAX_BLOCK];
    uint8_t near[PART * VL];
    const struct fits f = fit_blocks(x, s, src, s->block);
    const vf inverse = vf_inverse_or_0(s->half ? round_f16(f.scale) : f.scale);
    for (uint32_t at = 0; at + PART <= bytes; at += PART) {
        vi words[4];
        UNROLL for (int w = 0; w < 4; w++) words[w] =
            word_of(x + at * 8 / (uint32_t)bits + 32 / bits * w, inverse, f.zero, bits);
        vi_store_columns4(dst + at, bytes, words);
    }
    if (bytes >= PART)
        return;
    const vi words[4] = { word_of(x, inverse, f.zero, bits),
                          word_of(x + 8, inverse, f.zero, bits) };
    vi_store_columns4(near, PART, words);
    for (int k = 0; k < VL; k++)
        memcpy(dst + bytes * k, near + PART * k, PART / 2);
}

INLINE void encode_scales(void *dst, const struct nbits *s, const float *src) {
    vf x[MAX_BLOCK];
    const vf scale = fit_blocks(x, s, src, s->block).scale;
    if (s->half)
        vf_store_f16(dst, scale);
    else
        vi_store(dst, (vi)scale);
}

INLINE void encode_zeros(uint8_t *dst, const struct nbits *s, const float *src) {
    const size_t stride = NBITS_ELEMS(s->bits, s->block, NBITS_ZERO);
    vf x[MAX_BLOCK];
    int32_t zero[VL];
    vi both = vi_trunc(fit_blocks(x, s, src, stride).zero);
    if (s->bits == 4)
        both |= vi_trunc(fit_blocks(x, s, src + s->block, stride).zero) << 4;
    vi_store(zero, both);
    for (int k = 0; k < VL; k++)
        dst[k] = (uint8_t)zero[k];
}

static bool encode_part(void *dst, const struct nbits *s, enum nbits_part part, const float *src) {
    if (!LANES(f32_all_finite)(src, VL * NBITS_ELEMS(s->bits, (size_t)s->block, part)))
        return false;
    switch (part) {
    case NBITS_LEVELS:
        if (s->bits == 4)
            encode_levels(dst, s, src, 4);
        else
            encode_levels(dst, s, src, 8);
        break;
    case NBITS_PAIR:
        encode_levels(dst, s, src, 4);
        encode_levels((uint8_t *)dst + VL * s->block / 2, s, src + VL * (size_t)s->block, 4);
        break;
    case NBITS_SCALE:
        encode_scales(dst, s, src);
        break;
    case NBITS_ZERO:
        encode_zeros(dst, s, src);
        break;
    }
    return true;
}

#define ENCODER(name, NAME, bits, block, asym, half, part)                                      \
    static bool name##_group(void *dst, const float *src) {                                     \
        return encode_part(dst, &(struct nbits){ bits, block, asym, half }, part, src);         \
    }                                                                                           \
    void LANES(name##_encode)(void *dst, const float *src, size_t blocks) {                     \
        encode_groups(dst, src, blocks, NBITS_ELEMS(bits, block, part),                         \
                      NBITS_BYTES(bits, block, half, part), VL, name##_group, name##_encode_c); \
    }
NBITS_TYPES(ENCODER)
