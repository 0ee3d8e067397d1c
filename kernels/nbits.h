/* SPDX-License-Identifier: Apache-2.0
 * kernels/nbits.h - the blocks of MatMulNBits of ONNX Runtime, all that its quantizer makes: levels
 * of 4 or 8 bits, scales and zero points, each written apart from the others. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

struct nbits {
    uint32_t bits, block; /* of a level: 4 or 8; numbers that share a scale: 16, 32 ... 256 */
    bool asym; /* the range is where the numbers are, and zero a level of the block's own */
    bool half; /* scales are float16 */
};

static inline float nbits_top(const struct nbits *s) {
    return (float)((1 << s->bits) - 1);
}

static inline float nbits_middle(const struct nbits *s) {
    return (float)(1 << (s->bits - 1));
}

/* The largest float below a half: adding it and cutting off rounds halves up, and nothing that is
 * less than a half. */
#define NBITS_HALF 0x1.fffffep-2f

/* ZERO: one level a block; of 4 bits, two blocks a byte, the second one the middle if it is
 * padding. PAIR: the levels of two blocks of 4 bits, for rows whose last block, the second of a
 * pair, is one number: its padding depends on the first. */
enum nbits_part { NBITS_LEVELS, NBITS_SCALE, NBITS_ZERO, NBITS_PAIR };

#define NBITS_ELEMS(bits, block, part) \
    ((block) << (((part) == NBITS_ZERO && (bits) == 4) || (part) == NBITS_PAIR))
#define NBITS_BYTES(bits, block, half, part)        \
    ((part) == NBITS_LEVELS  ? (block) * (bits) / 8 \
     : (part) == NBITS_PAIR  ? (block) * (bits) / 4 \
     : (part) == NBITS_SCALE ? ((half) ? 2u : 4u)   \
                             : 1u)

/* ROW(name, NAME, bits, block, asym, half, part) for each type. */
#define NBITS_TYPES(ROW) \
    NBITS_BLOCK(ROW, 16) \
    NBITS_BLOCK(ROW, 32) NBITS_BLOCK(ROW, 64) NBITS_BLOCK(ROW, 128) NBITS_BLOCK(ROW, 256)
#define NBITS_BLOCK(ROW, n) NBITS_KINDS(ROW, 4, n) NBITS_KINDS(ROW, 8, n) NBITS_PAIRS(ROW, n)
#define NBITS_KINDS(ROW, b, n)                                                           \
    NBITS_PARTS(ROW, nb##b##x##n, NB##b##X##n, b, n, false, false)                       \
    NBITS_PARTS(ROW, nb##b##x##n##_f16, NB##b##X##n##_F16, b, n, false, true)            \
    NBITS_PARTS(ROW, nb##b##x##n##_asym, NB##b##X##n##_ASYM, b, n, true, false)          \
    NBITS_PARTS(ROW, nb##b##x##n##_asym_f16, NB##b##X##n##_ASYM_F16, b, n, true, true)   \
    ROW(nb##b##x##n##_asym_zero, NB##b##X##n##_ASYM_ZERO, b, n, true, false, NBITS_ZERO) \
    ROW(nb##b##x##n##_asym_f16_zero, NB##b##X##n##_ASYM_F16_ZERO, b, n, true, true, NBITS_ZERO)
#define NBITS_PAIRS(ROW, n)                                                      \
    ROW(nb4x##n##_pair, NB4X##n##_PAIR, 4, n, false, false, NBITS_PAIR)          \
    ROW(nb4x##n##_f16_pair, NB4X##n##_F16_PAIR, 4, n, false, true, NBITS_PAIR)   \
    ROW(nb4x##n##_asym_pair, NB4X##n##_ASYM_PAIR, 4, n, true, false, NBITS_PAIR) \
    ROW(nb4x##n##_asym_f16_pair, NB4X##n##_ASYM_F16_PAIR, 4, n, true, true, NBITS_PAIR)
#define NBITS_PARTS(ROW, name, NAME, b, n, asym, half) \
    ROW(name, NAME, b, n, asym, half, NBITS_LEVELS)    \
    ROW(name##_scale, NAME##_SCALE, b, n, asym, half, NBITS_SCALE)
