/* SPDX-License-Identifier: Apache-2.0
 * kernels/scalar.h - what several portable encoders do to one block: extremes and rounding. */
#pragma once
#include "kernels/f16.h"
#include <math.h>
#include <stdbool.h>
#include <stdint.h>

/* The first element of the greatest magnitude, with its sign; +0 if all are zeros. */
BODY float first_absmax(const float *x, int n) {
    float max = 0;
    for (int i = 0; i < n; i++)
        if (fabsf(x[i]) > fabsf(max))
            max = x[i];
    return max;
}

/* The first least and the first greatest element: which of two zeros it is shows in the bytes. */
BODY void first_minmax(const float *x, int n, float *min, float *max) {
    *min = *max = x[0];
    for (int i = 1; i < n; i++) {
        if (x[i] < *min)
            *min = x[i];
        if (x[i] > *max)
            *max = x[i];
    }
}

BODY float inverse_or_0(float d) {
    return d != 0 ? 1 / d : 0;
}

/* Towards zero. What no int32 holds gives 0: the reference lets cvttss2si make 0x80000000 of it,
 * then keeps the low byte. It happens when the inverse of a subnormal scale is infinite. */
BODY int32_t int_trunc(float v) {
    return fabsf(v) < 0x1p31f ? (int32_t)v : 0;
}

/* To nearest, ties to even, for |v| < 2^22. Beyond that it is whatever the reference's trick of
 * adding 1.5 * 2^23 gives, NaN included. */
BODY int32_t int_nearest(float v) {
#ifdef __CUDA_ARCH__ /* whose NaNs have another payload than that of all CPUs */
    if (v != v)
        return 0;
#endif
    return (int32_t)(f32_bits(v + 12582912.0f) & 0x7fffff) - 0x400000;
}

BODY int32_t int_clamp(int32_t v, int32_t min, int32_t max) {
    return v < min ? min : v > max ? max : v;
}

/* A scale of finite numbers is no number when their sums were infinite: then it has the sign that
 * x86 gives it, on every processor. */
BODY uint16_t f16_from_scale(float d) {
    return d != d ? 0xfe00 : f16_from_f32(d);
}

/* The six-bit scales of a q3_k, with 32 added, and their common scale. A NaN is passed over. */
BODY uint16_t q3_k_scales(uint8_t sixes[16], const float scales[16]) {
    const float max = first_absmax(scales, 16);
    if (max == 0) {
        memset(sixes, 0, 16);
        return 0;
    }
    const float inverse = -32 / max;
    for (int s = 0; s < 16; s++)
        sixes[s] = (uint8_t)(int_clamp((int8_t)int_nearest(inverse * scales[s]), -32, 31) + 32);
    return f16_from_f32(1 / inverse);
}
