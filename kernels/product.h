/* SPDX-License-Identifier: Apache-2.0
 * kernels/product.h - the body of product_add, compiled for each instruction set. Sums are kept in
 * f64: the product of two floats is exact there, so that it makes no difference whether the
 * compiler fuses it with the sum, and each column's sum is made in the same order everywhere. */
#pragma once
#include <stddef.h>
#include <string.h>

typedef float product_f32 __attribute__((vector_size(16)));
typedef double product_f64 __attribute__((vector_size(32)));
enum { PRODUCT_LANES = 4, PRODUCT_SUMS = 4 /* vectors that stay in registers */ };

/* PRODUCT_SUMS * PRODUCT_LANES columns. */
static inline void product_add_block(float *x, const float *b, const float *a, size_t stride,
                                     size_t rank, double scale) {
    product_f64 sum[PRODUCT_SUMS] = { { 0 } };
    product_f32 part;
    for (size_t k = 0; k < rank; k++) {
        const double f = b[k];
        for (int i = 0; i < PRODUCT_SUMS; i++) {
            memcpy(&part, a + k * stride + i * PRODUCT_LANES, sizeof part);
            sum[i] += f * __builtin_convertvector(part, product_f64);
        }
    }
    for (int i = 0; i < PRODUCT_SUMS; i++) {
        memcpy(&part, x + i * PRODUCT_LANES, sizeof part);
        part = __builtin_convertvector(__builtin_convertvector(part, product_f64) + scale * sum[i],
                                       product_f32);
        memcpy(x + i * PRODUCT_LANES, &part, sizeof part);
    }
}

static inline void product_add_body(float *x, const float *b, const float *a, size_t stride,
                                    size_t rank, double scale, size_t cols) {
    enum { BLOCK = PRODUCT_SUMS * PRODUCT_LANES };
    size_t j = 0;
    for (; j + BLOCK <= cols; j += BLOCK)
        product_add_block(x + j, b, a + j, stride, rank, scale);
    for (; j < cols; j++) {
        double sum = 0;
        for (size_t k = 0; k < rank; k++)
            sum += (double)b[k] * a[k * stride + j];
        x[j] = (float)(x[j] + scale * sum);
    }
}
