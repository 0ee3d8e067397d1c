/* SPDX-License-Identifier: Apache-2.0
 * quant/unpack.h - small integers that share words, and what scales and zeros make of them: the
 * arithmetic of quantized checkpoints (GPTQ, AWQ, compressed-tensors, BitNet, FP4). */
#pragma once
#include <stdbool.h>
#include <stdint.h>

/* Which numbers of a matrix share a word. */
enum lanes {
    LANES_NONE,   /* none: one number a word */
    LANES_COLS,   /* neighbours in a row */
    LANES_ROWS,   /* neighbours in a column */
    LANES_PLANES, /* of a column, those that lie as far apart as there are rows of words */
};

struct packing {
    enum lanes lanes;
    uint32_t bits;        /* of a number */
    uint32_t word_bits;   /* 8 or 32 */
    const uint8_t *order; /* the place of each number in its word; NULL: the lowest bits first */
    const float *values;  /* what a number stands for; NULL: itself, 0 to 2^bits - 1 */
};

/* Numbers a word. */
static inline uint32_t packing_count(const struct packing *p) {
    return p->lanes == LANES_NONE ? 1 : p->word_bits / p->bits;
}

/* The words that a matrix of @rows by @cols numbers needs, as a matrix. */
uint64_t packing_rows(const struct packing *p, uint64_t rows);
uint64_t packing_cols(const struct packing *p, uint64_t cols);

/* The word of number (row, col) of a matrix that has @word_rows rows of words. */
uint64_t packing_row(const struct packing *p, uint64_t row, uint64_t word_rows);
uint64_t packing_col(const struct packing *p, uint64_t col);

/* Numbers (row, col) to (row, col + n) as floats. @words: where the word of number (row, col)
 * lies; @step: words from there to that of the next column. @word_rows: as above. */
void unpack_row(float *dst, const struct packing *p, const uint32_t *words, uint64_t step,
                uint64_t word_rows, uint64_t row, uint64_t col, uint64_t n);

/* x = (x - zero) * scale, or / scale: each step rounded to f32. */
void unpack_scale(float *x, uint64_t n, float zero, float scale, bool divide);
/* x = (x - zero) * scale, the product in f64. */
void unpack_scale_f64(float *x, uint64_t n, float zero, double scale);

/* Blocks of GGUF of numbers of 4 bits: @parts scales of a byte, then as many halves of numbers 0 to
 * n - 1 beside those from n on, of 2n that have one scale. From scales and from bytes of two
 * neighbours each. @mask: bits of a scale that are kept. */
void repack_fp4(uint8_t *dst, const uint8_t *bytes, const uint8_t *scales, uint64_t blocks,
                uint32_t parts, uint32_t n, uint8_t mask);
