/* SPDX-License-Identifier: Apache-2.0
 * kernels/simd/lanes_nbits.c - the encoders of nbits.c: one block a lane. A group with padding or
 * numbers that are not finite is left to the portable code. */
#include "kernels/simd/lanes.h"

enum { ELEMS = 32, LEVEL_BYTES = 16, PARTS = 4 };

/* The largest float below a half: adding it and cutting off rounds halves up, and nothing that is
 * less than a half. */
#define BELOW_HALF 0x1.fffffep-2f

/* The blocks' scales. x[i] gets element i of each. */
INLINE vf load_blocks(vf x[ELEMS], const float *src) {
    for (int i = 0; i < ELEMS; i += VL)
        vf_load_columns(x + i, src + i, ELEMS);
    vf low = x[0], high = x[0];
    UNROLL for (int i = 1; i < ELEMS; i++) {
        low = vf_min(x[i], low);
        high = vf_max(x[i], high);
    }
    return vf_select(vf_gt(vf_abs(high), vf_abs(low)), high, low) / vf_set1(-8);
}

INLINE vf round_f16(vf v) {
    uint16_t halves[VL];
    vf_store_f16(halves, v);
    return vf_load_f16(halves);
}

/* As roundf(x * inverse + 8), kept within 0 to 15; a NaN is 0. */
INLINE vi level(vf x, vf inverse) {
    const vf v = vf_min(vf_max(x * inverse + vf_set1(8), vf_set1(0)), vf_set1(15));
    return vi_trunc(v + vf_set1(BELOW_HALF));
}

INLINE bool encode_levels(void *dst, const float *src, vf (*rounded)(vf)) {
    if (!LANES(f32_all_finite)(src, (size_t)ELEMS * VL))
        return false;
    vf x[ELEMS];
    const vf inverse = vf_inverse_or_0(rounded(load_blocks(x, src)));
    vi words[PARTS];
    for (int part = 0; part < PARTS; part++) {
        words[part] = vi_set1(0);
        UNROLL for (int i = 0; i < 8; i++) words[part] |= level(x[8 * part + i], inverse)
                                                          << (4 * i);
    }
    vi_store_columns4(dst, LEVEL_BYTES, words);
    return true;
}

INLINE vf as_it_is(vf v) {
    return v;
}

static bool levels(void *dst, const float *src) {
    return encode_levels(dst, src, as_it_is);
}

static bool levels_f16(void *dst, const float *src) {
    return encode_levels(dst, src, round_f16);
}

static bool scales(void *dst, const float *src) {
    vf x[ELEMS];
    if (!LANES(f32_all_finite)(src, (size_t)ELEMS * VL))
        return false;
    const vi bits = (vi)load_blocks(x, src);
    vi_store(dst, bits);
    return true;
}

static bool scales_f16(void *dst, const float *src) {
    vf x[ELEMS];
    if (!LANES(f32_all_finite)(src, (size_t)ELEMS * VL))
        return false;
    vf_store_f16(dst, load_blocks(x, src));
    return true;
}

void LANES(nb4x32_encode)(void *dst, const float *src, size_t blocks) {
    encode_groups(dst, src, blocks, ELEMS, LEVEL_BYTES, VL, levels, nb4x32_encode_c);
}

void LANES(nb4x32_scale_encode)(void *dst, const float *src, size_t blocks) {
    encode_groups(dst, src, blocks, ELEMS, sizeof(float), VL, scales, nb4x32_scale_encode_c);
}

void LANES(nb4x32_f16_encode)(void *dst, const float *src, size_t blocks) {
    encode_groups(dst, src, blocks, ELEMS, LEVEL_BYTES, VL, levels_f16, nb4x32_f16_encode_c);
}

void LANES(nb4x32_f16_scale_encode)(void *dst, const float *src, size_t blocks) {
    encode_groups(dst, src, blocks, ELEMS, sizeof(uint16_t), VL, scales_f16,
                  nb4x32_f16_scale_encode_c);
}
