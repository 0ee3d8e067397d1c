/* SPDX-License-Identifier: Apache-2.0
 * kernels/pack.h - levels, one a byte in the order of the elements, into the fields of a block.
 * Plain loops, which compilers turn into SIMD where they are included. */
#pragma once
#include "kernels/blocks.h"
#include <string.h>

BODY void sixes_pack(struct q6_k *b, const uint8_t *q) {
    for (int side = 0; side < 2; side++, q += 128) {
        uint8_t *ql = b->ql + 64 * side, *qh = b->qh + 32 * side;
        for (int i = 0; i < 64; i++)
            ql[i] = (uint8_t)((q[i] & 15) | (q[i + 64] & 15) << 4);
        for (int i = 0; i < 32; i++)
            qh[i] = (uint8_t)(q[i] >> 4 | q[i + 32] >> 4 << 2 | q[i + 64] >> 4 << 4 |
                              q[i + 96] >> 4 << 6);
    }
}

/* Five bits each of a q5_0 or q5_1; the fifth ones are the result. */
BODY uint32_t fives_pack(uint8_t qs[16], const uint8_t q[32]) {
    uint32_t top = 0;
    for (int i = 0; i < 16; i++) {
        qs[i] = (uint8_t)((q[i] & 15) | (q[i + 16] & 15) << 4);
        top |= (uint32_t)(q[i] >> 4 & 1) << i | (uint32_t)(q[i + 16] >> 4 & 1) << (i + 16);
    }
    return top;
}

/* Two bits each, four to a byte: q2_k and the low bits of q3_k. */
BODY void twos_pack(uint8_t qs[64], const uint8_t *q) {
    for (int side = 0; side < 2; side++, q += 128, qs += 32)
        for (int i = 0; i < 32; i++)
            qs[i] = (uint8_t)((q[i] & 3) | (q[i + 32] & 3) << 2 | (q[i + 64] & 3) << 4 |
                              (q[i + 96] & 3) << 6);
}

/* The bit of value @bit of each level: hmask of q3_k and qh of q5_k. */
BODY void top_bits_pack(uint8_t top[32], const uint8_t *q, int bit) {
    for (int i = 0; i < 32; i++)
        top[i] = 0;
    for (int part = 0; part < 8; part++, q += 32)
        for (int i = 0; i < 32; i++)
            top[i] = (uint8_t)(top[i] | (q[i] & bit ? 1 << part : 0));
}

/* Four bits each: q4_k, and the low bits of q5_k. */
BODY void fours_pack(uint8_t qs[128], const uint8_t *q) {
    for (int part = 0; part < 4; part++, q += 64, qs += 32)
        for (int i = 0; i < 32; i++)
            qs[i] = (uint8_t)((q[i] & 15) | (q[i + 32] & 15) << 4);
}

/* The six-bit scales and mins of q4_k and q5_k. */
BODY void scales_pack(uint8_t to[12], const uint8_t scales[8], const uint8_t mins[8]) {
    for (int i = 0; i < 4; i++) {
        to[i] = (uint8_t)(scales[i] | scales[i + 4] >> 4 << 6);
        to[i + 4] = (uint8_t)(mins[i] | mins[i + 4] >> 4 << 6);
        to[i + 8] = (uint8_t)((scales[i + 4] & 15) | (mins[i + 4] & 15) << 4);
    }
}

BODY void scales_unpack(uint8_t scales[8], uint8_t mins[8], const uint8_t from[12]) {
    for (int i = 0; i < 4; i++) {
        scales[i] = from[i] & 63;
        mins[i] = from[i + 4] & 63;
        scales[i + 4] = (uint8_t)((from[i + 8] & 15) | from[i] >> 6 << 4);
        mins[i + 4] = (uint8_t)(from[i + 8] >> 4 | from[i + 4] >> 6 << 4);
    }
}

/* The six-bit scales of q3_k, with 32 added. Bytes side by side in words. */
BODY void scales16_pack(uint8_t to[12], const uint8_t scales[16]) {
    uint32_t part[4], low[2], high = 0;
    memcpy(part, scales, 16);
    for (int i = 0; i < 2; i++)
        low[i] = (part[i] & 0x0f0f0f0f) | (part[i + 2] & 0x0f0f0f0f) << 4;
    for (int i = 0; i < 4; i++)
        high |= (part[i] >> 4 & 0x03030303) << (2 * i);
    memcpy(to, low, 8);
    memcpy(to + 8, &high, 4);
}

BODY void scales16_unpack(uint8_t scales[16], const uint8_t from[12]) {
    for (int i = 0; i < 16; i++)
        scales[i] = (uint8_t)((from[i % 8] >> (i < 8 ? 0 : 4) & 15) |
                              (from[8 + i % 4] >> (i / 4 * 2) & 3) << 4);
}
