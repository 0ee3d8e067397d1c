/* SPDX-License-Identifier: Apache-2.0
 * quant/unpack.c - see unpack.h. */
#include "quant/unpack.h"

uint64_t packing_rows(const struct packing *p, uint64_t rows) {
    const uint32_t count = packing_count(p);
    return p->lanes == LANES_ROWS || p->lanes == LANES_PLANES ? rows / count + (rows % count != 0)
                                                              : rows;
}

uint64_t packing_cols(const struct packing *p, uint64_t cols) {
    const uint32_t count = packing_count(p);
    return p->lanes == LANES_COLS ? cols / count + (cols % count != 0) : cols;
}

uint64_t packing_row(const struct packing *p, uint64_t row, uint64_t word_rows) {
    if (p->lanes == LANES_ROWS)
        return row / packing_count(p);
    return p->lanes == LANES_PLANES ? row % word_rows : row;
}

uint64_t packing_col(const struct packing *p, uint64_t col) {
    return p->lanes == LANES_COLS ? col / packing_count(p) : col;
}

static uint32_t lane_shift(const struct packing *p, uint64_t lane) {
    return (p->order ? p->order[lane] : (uint32_t)lane) * p->bits;
}

/* Of each word the same lane. */
static void unpack_lane(float *dst, const uint32_t *words, uint64_t step, uint32_t shift,
                        uint32_t mask, uint64_t n) {
    for (uint64_t i = 0; i < n; i++)
        dst[i] = (float)(int32_t)(words[i * step] >> shift & mask);
}

/* Of each word all lanes, but for the first and the last. */
static void unpack_lanes(float *dst, const struct packing *p, const uint32_t *words, uint64_t step,
                         uint32_t mask, uint64_t lane, uint64_t n) {
    const uint32_t count = packing_count(p);
    while (n > 0) {
        const uint64_t here = count - lane < n ? count - lane : n;
        const uint32_t word = *words;
        for (uint64_t i = 0; i < here; i++)
            dst[i] = (float)(int32_t)(word >> lane_shift(p, lane + i) & mask);
        dst += here;
        n -= here;
        words += step;
        lane = 0;
    }
}

void unpack_row(float *dst, const struct packing *p, const uint32_t *words, uint64_t step,
                uint64_t word_rows, uint64_t row, uint64_t col, uint64_t n) {
    const uint32_t mask = (uint32_t)((1ull << p->bits) - 1), count = packing_count(p);
    if (p->lanes == LANES_COLS)
        unpack_lanes(dst, p, words, step, mask, col % count, n);
    else if (p->lanes == LANES_PLANES)
        unpack_lane(dst, words, step, lane_shift(p, row / word_rows), mask, n);
    else
        unpack_lane(dst, words, step, lane_shift(p, row % count), mask, n);
    for (uint64_t i = 0; p->values && i < n; i++)
        dst[i] = p->values[(uint32_t)dst[i]];
}

void unpack_scale(float *x, uint64_t n, float zero, float scale, bool divide) {
    for (uint64_t i = 0; i < n; i++)
        x[i] -= zero;
    for (uint64_t i = 0; divide && i < n; i++)
        x[i] /= scale;
    for (uint64_t i = 0; !divide && i < n; i++)
        x[i] *= scale;
}

/* 2n neighbours, two a byte, to n bytes. */
static void split_halves(uint8_t *dst, const uint8_t *bytes, uint32_t n) {
    for (uint32_t i = 0; i < n; i++) {
        const uint32_t lane = i % 2 * 4;
        const uint8_t low = bytes[i / 2] >> lane & 15, high = bytes[(n + i) / 2] >> lane & 15;
        dst[i] = (uint8_t)(low | high << 4);
    }
}

void repack_fp4(uint8_t *dst, const uint8_t *bytes, const uint8_t *scales, uint64_t blocks,
                uint32_t parts, uint32_t n, uint8_t mask) {
    for (uint64_t b = 0; b < blocks; b++) {
        for (uint32_t i = 0; i < parts; i++)
            *dst++ = *scales++ & mask;
        for (uint32_t i = 0; i < parts; i++) {
            split_halves(dst, bytes, n);
            bytes += n;
            dst += n;
        }
    }
}

void unpack_scale_f64(float *x, uint64_t n, float zero, double scale) {
    for (uint64_t i = 0; i < n; i++)
        x[i] = (float)((x[i] - zero) * scale);
}
