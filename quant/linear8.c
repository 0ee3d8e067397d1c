/* SPDX-License-Identifier: Apache-2.0
 * quant/linear8.c - compute_scale_zp and quantize_nparray of quant_utils.py: scales in double,
 * levels in float, ties to even. */
#include "quant/linear8.h"
#include <float.h>
#include <math.h>

void linear8_scale(enum linear8 kind, float low, float high, float *scale, uint8_t *zero) {
    const double lo = low < 0 ? low : 0, hi = high > 0 ? high : 0;
    const double most = -lo > hi ? -lo : hi;
    const double s = kind == LINEAR8_SIGNED ? (most + most) / 254.0 : (hi - lo) / 255.0;
    *scale = s < FLT_MIN ? 1 : (float)s;
    *zero = kind == LINEAR8_SIGNED || s < FLT_MIN ? 0 : (uint8_t)rint((0 - lo) / s);
}

static float clip(float v, float low, float high) {
    return v > low ? v < high ? v : high : low;
}

void linear8_levels(enum linear8 kind, float scale, uint8_t zero, const float *x, uint64_t n,
                    uint8_t *dst) {
    for (uint64_t i = 0; i < n; i++) {
        const float v = rintf(x[i] / scale) + (float)zero;
        dst[i] =
            kind == LINEAR8_SIGNED ? (uint8_t)(int8_t)clip(v, -128, 127) : (uint8_t)clip(v, 0, 255);
    }
}
