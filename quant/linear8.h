/* SPDX-License-Identifier: Apache-2.0
 * quant/linear8.h - numbers of a whole tensor in 8 bits with one scale, or one a column: what
 * quantize_dynamic of ONNX Runtime 1.32 makes of weights (quantization/quant_utils.py). */
#pragma once
#include "kernels/kernels.h"

enum linear8 {
    LINEAR8_SIGNED,   /* symmetric, -127 to 127; zero is 0 */
    LINEAR8_UNSIGNED, /* 0 to 255 between the extremes, of which zero is one at the least */
};

/* The scale and the zero point of numbers between @low and @high. */
void linear8_scale(enum linear8 kind, float low, float high, float *scale, uint8_t *zero);

/* @n numbers to levels, @each by a scale of its own or all by one; those of LINEAR8_SIGNED are
 * int8. */
void linear8_levels(const struct kernels *k, enum linear8 kind, const float *scale, bool each,
                    uint8_t zero, const float *x, uint64_t n, uint8_t *dst);
