/* SPDX-License-Identifier: Apache-2.0
 * kernels/transpose.c - a matrix turned over, in squares that stay in the first-level cache. */
#include "kernels/portable.h"
#include <string.h>

enum { SQUARE = 32 /* elements a side */ };

/* Compiled for each size: memcpy of a constant size is one load and one store. */
static inline void turn(uint8_t *dst, size_t dst_step, const uint8_t *src, size_t src_step,
                        size_t rows, size_t cols, size_t size) {
    for (size_t r0 = 0; r0 < rows; r0 += SQUARE)
        for (size_t c0 = 0; c0 < cols; c0 += SQUARE) {
            const size_t r1 = r0 + SQUARE < rows ? r0 + SQUARE : rows;
            const size_t c1 = c0 + SQUARE < cols ? c0 + SQUARE : cols;
            for (size_t c = c0; c < c1; c++)
                for (size_t r = r0; r < r1; r++)
                    memcpy(dst + c * dst_step + r * size, src + r * src_step + c * size, size);
        }
}

void transpose_c(void *dst, size_t dst_step, const void *src, size_t src_step, size_t rows,
                 size_t cols, size_t elem_bytes) {
    switch (elem_bytes) {
    case 1:
        turn(dst, dst_step, src, src_step, rows, cols, 1);
        break;
    case 2:
        turn(dst, dst_step, src, src_step, rows, cols, 2);
        break;
    case 4:
        turn(dst, dst_step, src, src_step, rows, cols, 4);
        break;
    default:
        turn(dst, dst_step, src, src_step, rows, cols, 8);
        break;
    }
}
