/* SPDX-License-Identifier: Apache-2.0
 * kernels/range.c - numbers and their range: clamped, its ends, levels of 8 bits. */
#include "kernels/portable.h"
#include <math.h>

void clamp_c(float *x, size_t n, float least, float most) {
    for (size_t i = 0; i < n; i++) {
        const float m = fabsf(x[i]), in = m < least ? least : most;
        if (m > 0 && m < INFINITY && (m < least || m > most))
            x[i] = copysignf(in, x[i]);
    }
}

void extremes_c(const float *x, size_t n, float *low, float *high) {
    float least = *low, most = *high;
    for (size_t i = 0; i < n; i++) {
        least = x[i] < least ? x[i] : least;
        most = x[i] > most ? x[i] : most;
    }
    *low = least;
    *high = most;
}

void extremes_each_c(const float *x, size_t n, float *low, float *high) {
    for (size_t i = 0; i < n; i++)
        extremes_c(x + i, 1, low + i, high + i);
}

static uint8_t level8(float x, float scale, const struct levels8 *to) {
    const float v = rintf(x / scale) + to->zero;
    return (uint8_t)(int32_t)(v > to->least ? v < to->most ? v : to->most : to->least);
}

void levels8_c(uint8_t *dst, const float *x, size_t n, const struct levels8 *to) {
    for (size_t i = 0; i < n; i++)
        dst[i] = level8(x[i], to->scale, to);
}

void levels8_each_c(uint8_t *dst, const float *x, const float *scale, size_t n,
                    const struct levels8 *to) {
    for (size_t i = 0; i < n; i++)
        dst[i] = level8(x[i], scale[i], to);
}
