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

void linear8_levels(const struct kernels *k, enum linear8 kind, const float *scale, bool each,
                    uint8_t zero, const float *x, uint64_t n, uint8_t *dst) {
    const bool is_signed = kind == LINEAR8_SIGNED;
    const struct levels8 to = { *scale, zero, is_signed ? -128 : 0, is_signed ? 127 : 255 };
    if (each)
        k->levels8_each(dst, x, scale, n, &to);
    else
        k->levels8(dst, x, n, &to);
}
