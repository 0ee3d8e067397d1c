/* SPDX-License-Identifier: Apache-2.0
 * kernels/simd/lanes_transpose.c - a matrix of elements of 2 or 4 bytes turned over, VL by VL
 * elements at once, in squares that stay in the first-level cache. */
#include "kernels/simd/lanes.h"

enum { SQUARE = 32 /* elements a side */ };

INLINE vi load_u32(const void *p) {
    return vi_load(p);
}
INLINE void store_u32(void *p, vi v) {
    vi_store(p, v);
}

/* The tiles of a square; those at the matrix' ends overlap the ones before rather than to leave a
 * rest: the same elements go to the same places. */
INLINE void turn(uint8_t *dst, size_t dst_step, const uint8_t *src, size_t src_step, size_t rows,
                 size_t cols, size_t size, vi (*load)(const void *), void (*store)(void *, vi)) {
    for (size_t r0 = 0; r0 < rows; r0 += SQUARE)
        for (size_t c0 = 0; c0 < cols; c0 += SQUARE)
            for (size_t c1 = c0; c1 < c0 + SQUARE && c1 < cols; c1 += VL)
                for (size_t r1 = r0; r1 < r0 + SQUARE && r1 < rows; r1 += VL) {
                    const size_t r = r1 + VL <= rows ? r1 : rows - VL;
                    const size_t c = c1 + VL <= cols ? c1 : cols - VL;
                    vi tile[VL];
                    UNROLL for (size_t k = 0; k < VL; k++) tile[k] =
                        load(src + (r + k) * src_step + c * size);
                    vi_transpose(tile);
                    UNROLL for (size_t k = 0; k < VL; k++)
                        store(dst + (c + k) * dst_step + r * size, tile[k]);
                }
}

void LANES(transpose)(void *dst, size_t dst_step, const void *src, size_t src_step, size_t rows,
                      size_t cols, size_t elem_bytes) {
    if (rows < VL || cols < VL)
        transpose_c(dst, dst_step, src, src_step, rows, cols, elem_bytes);
    else if (elem_bytes == 4)
        turn(dst, dst_step, src, src_step, rows, cols, 4, load_u32, store_u32);
    else if (elem_bytes == 2)
        turn(dst, dst_step, src, src_step, rows, cols, 2, vi_load_u16, vi_store_u16);
    else
        transpose_c(dst, dst_step, src, src_step, rows, cols, elem_bytes);
}
