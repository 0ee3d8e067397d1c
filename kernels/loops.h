/* SPDX-License-Identifier: Apache-2.0
 * kernels/loops.h - the loops of portable encoders over blocks and rows. */
#pragma once
#include "kernels/portable.h"
#include "kernels/weighted.h"

/* Finite blocks to @encode_block, zeros for the others. */
static inline void encode_finite(void *dst, const float *src, size_t blocks, size_t block_elems,
                                 size_t block_bytes,
                                 void (*encode_block)(void *dst, const float *src)) {
    char *b = dst;
    for (size_t i = 0; i < blocks; i++, b += block_bytes, src += block_elems) {
        if (f32_all_finite_c(src, block_elems))
            encode_block(b, src);
        else
            memset(b, 0, block_bytes);
    }
}

/* How one block of a row is encoded; @mean_square is the row's. */
typedef void weighted_block_fn(void *dst, const float *x, const float *importance,
                               float mean_square);

/* With importance data: a row that is not finite becomes zeros. */
static inline void encode_rows(void *dst, const float *src, const float *importance, size_t rows,
                               size_t row_elems, size_t block_elems, size_t block_bytes,
                               weighted_block_fn *encode_block) {
    char *b = dst;
    for (size_t row = 0; row < rows; row++, src += row_elems) {
        const bool finite = f32_all_finite_c(src, row_elems);
        const float mean_square = sum_squares(src, row_elems) / (float)row_elems;
        for (size_t i = 0; i < row_elems; i += block_elems, b += block_bytes) {
            if (finite)
                encode_block(b, src + i, importance + i, mean_square);
            else
                memset(b, 0, block_bytes);
        }
    }
}
