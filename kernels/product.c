/* SPDX-License-Identifier: Apache-2.0
 * kernels/product.c - product_add in portable C. */
#include "kernels/product.h"
#include "kernels/portable.h"

void product_add_c(float *x, const float *b, const float *a, size_t stride, size_t rank,
                   double scale, size_t cols) {
    product_add_body(x, b, a, stride, rank, scale, cols);
}
