/* SPDX-License-Identifier: Apache-2.0
 * kernels/simd/lanes_product.c - product_add: the compiler puts the columns into lanes. */
#include "kernels/product.h"
#include "kernels/simd/lanes.h"

void LANES(product_add)(float *x, const float *b, const float *a, size_t stride, size_t rank,
                        double scale, size_t cols) {
    product_add_body(x, b, a, stride, rank, scale, cols);
}
