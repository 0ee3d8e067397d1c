/* SPDX-License-Identifier: Apache-2.0
 * kernels/f16.h - conversions of one number: binary16, bfloat16 and the two 8-bit floats. */
#pragma once
#include "kernels/body.h"
#include <stdint.h>
#include <string.h>

BODY uint32_t f32_bits(float f) {
    uint32_t u;
    memcpy(&u, &f, sizeof u);
    return u;
}

BODY float f32_from_bits(uint32_t u) {
    float f;
    memcpy(&f, &u, sizeof f);
    return f;
}

/* A small float's bits, moved to where a binary32 has them, are its value times a power of two,
 * @scale; subnormals too. From @special bits on it is an infinity or a NaN, which keeps its payload
 * and becomes quiet, as with F16C. */
BODY float f32_from_moved(uint32_t sign, uint32_t mag, uint32_t special, float scale) {
    const uint32_t number = f32_bits(f32_from_bits(mag) * scale);
    const uint32_t other = mag | 0x7f800000 | (mag > special ? 0x400000 : 0);
    return f32_from_bits(sign | (mag >= special ? other : number));
}

/* Exact. */
BODY float f32_from_f16(uint16_t h) {
    return f32_from_moved((uint32_t)(h & 0x8000) << 16, (uint32_t)(h & 0x7fff) << 13, 31 << 23,
                          0x1p112f);
}

/* Round to nearest, ties to even. Every NaN becomes 0x7e00 with its sign, as in ggml; F16C alone
 * would keep the payload. Without branches, so that a loop of it becomes SIMD. */
BODY uint16_t f16_from_f32(float f) {
    const uint32_t bits = f32_bits(f), sign = bits >> 16 & 0x8000, mag = bits & 0x7fffffff;
    /* In [0.5, 1) a float's last bit is worth 2^-24, as a subnormal's here: let + do the rounding.
     */
    const uint32_t small = f32_bits(f32_from_bits(mag) + 0.5f) - 0x3f000000;
    const uint32_t normal = (mag - 0x38000000 + 0xfff + (mag >> 13 & 1)) >> 13;
    const uint32_t finite = mag < 0x38800000 ? small : normal;  /* 2^-14 */
    const uint32_t number = mag < 0x477ff000 ? finite : 0x7c00; /* 65520, halfway past the last */
    return (uint16_t)(sign | (mag > 0x7f800000 ? 0x7e00 : number));
}

/* Exact, NaNs as they are. */
BODY float f32_from_bf16(uint16_t b) {
    return f32_from_bits((uint32_t)b << 16);
}

/* Round to nearest, ties to even. A NaN keeps the top of its payload and becomes quiet. */
BODY uint16_t bf16_from_f32(float f) {
    const uint32_t bits = f32_bits(f), number = (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
    return (uint16_t)((bits & 0x7fffffff) > 0x7f800000 ? bits >> 16 | 0x40 : number);
}

/* OCP E4M3: no infinities, and one NaN of each sign, which becomes the NaN that PyTorch gives. */
BODY float f32_from_f8_e4m3(uint8_t b) {
    const uint32_t sign = (uint32_t)(b & 0x80) << 24, mag = b & 0x7f;
    const uint32_t number = f32_bits(f32_from_bits(mag << 20) * 0x1p120f);
    return f32_from_bits(sign | (mag == 0x7f ? 0x7ff00000 : number));
}

/* OCP E5M2: the upper byte of a binary16. */
BODY float f32_from_f8_e5m2(uint8_t b) {
    return f32_from_f16((uint16_t)((uint32_t)b << 8));
}
