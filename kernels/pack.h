/* SPDX-License-Identifier: Apache-2.0
 * kernels/pack.h - levels, one a byte in the order of the elements, into the fields of a block.
 * Plain loops, which become SIMD where they are included. */
#pragma once
#include "kernels/blocks.h"

static inline void q6_k_pack(struct q6_k *b, const uint8_t *q) {
    for (int side = 0; side < 2; side++, q += 128) {
        uint8_t *ql = b->ql + 64 * side, *qh = b->qh + 32 * side;
        for (int i = 0; i < 64; i++)
            ql[i] = (uint8_t)((q[i] & 15) | (q[i + 64] & 15) << 4);
        for (int i = 0; i < 32; i++)
            qh[i] = (uint8_t)(q[i] >> 4 | q[i + 32] >> 4 << 2 | q[i + 64] >> 4 << 4 |
                              q[i + 96] >> 4 << 6);
    }
}
