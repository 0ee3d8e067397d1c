/* SPDX-License-Identifier: Apache-2.0
 * kernels/iq_grids.h - the codebooks of the IQ types, and what their digits stand for. */
#pragma once
#include <stdint.h>

extern const uint16_t iq1_grid[2048], iq2_xxs_grid[256], iq2_xs_grid[512], iq2_s_grid[1024];
extern const uint16_t iq3_xxs_grid[256], iq3_s_grid[512];

/* Element @i of a point: -1, 0, 1. */
static inline int iq1_value(uint16_t code, int i) {
    return (code >> (2 * i) & 3) - 1;
}

/* 8, 25, 43. */
static inline int iq2_value(uint16_t code, int i) {
    const int digit = code >> (2 * i) & 3;
    return 8 + 17 * digit + digit / 2;
}

/* 4, 12, 20, 28, 36, 44, 52, 62. */
static inline int iq3_xxs_value(uint16_t code, int i) {
    const int digit = code >> (3 * i) & 7;
    return 4 + 8 * digit + 2 * (digit == 7);
}

/* 1, 3, 5 .. 15. */
static inline int iq3_s_value(uint16_t code, int i) {
    return 2 * (code >> (3 * i) & 7) + 1;
}

/* Seven signs are stored; the eighth makes their number even. */
static inline uint8_t iq_signs(uint32_t seven) {
    return (uint8_t)((seven & 127) | (uint32_t)__builtin_parity(seven & 127) << 7);
}
