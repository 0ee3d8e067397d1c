/* SPDX-License-Identifier: Apache-2.0
 * kernels/blocks.h - the blocks of the GGUF types, as they lie in a file: packed, little-endian,
 * at any address. x[i] is element i of a block; docs/codecs.md has formulas, rounding, sources. */
#pragma once
#include "kernels/body.h"
#include <stdint.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "blocks are read in place");

typedef uint16_t half; /* IEEE binary16, as bits */

#define PACKED __attribute__((packed))

enum { Q4_0_ELEMS = 32, Q4_1_ELEMS = 32, Q5_0_ELEMS = 32, Q5_1_ELEMS = 32, Q8_0_ELEMS = 32 };
enum { SUPER_ELEMS = 256 }; /* all K-types */

/* x[i] ~ d * (q[i] - 8). Byte i of qs: q[i] low, q[i + 16] high; so in the next three too. */
struct PACKED q4_0 {
    half d;
    uint8_t qs[16];
};
_Static_assert(sizeof(struct q4_0) == 18, "q4_0 is a file format: no padding");

/* x[i] ~ d * q[i] + m */
struct PACKED q4_1 {
    half d, m;
    uint8_t qs[16];
};
_Static_assert(sizeof(struct q4_1) == 20, "q4_1 is a file format: no padding");

/* x[i] ~ d * (q[i] - 16). Bit i of qh: bit 4 of q[i]; so in q5_1 too. */
struct PACKED q5_0 {
    half d;
    uint32_t qh;
    uint8_t qs[16];
};
_Static_assert(sizeof(struct q5_0) == 22, "q5_0 is a file format: no padding");

/* x[i] ~ d * q[i] + m */
struct PACKED q5_1 {
    half d, m;
    uint32_t qh;
    uint8_t qs[16];
};
_Static_assert(sizeof(struct q5_1) == 24, "q5_1 is a file format: no padding");

/* x[i] ~ d * qs[i] */
struct PACKED q8_0 {
    half d;
    int8_t qs[32];
};
_Static_assert(sizeof(struct q8_0) == 34, "q8_0 is a file format: no padding");

/* x[i] ~ d * (scales[i / 16] & 15) * q[i] - dmin * (scales[i / 16] >> 4). In each half of 128,
 * byte j of its 32 bytes of qs has q[j], q[j + 32], q[j + 64], q[j + 96], from the lowest bits. */
struct PACKED q2_k {
    uint8_t scales[16];
    uint8_t qs[64];
    half d, dmin;
};
_Static_assert(sizeof(struct q2_k) == 84, "q2_k is a file format: no padding");

/* x[i] ~ d * (scale[i / 16] - 32) * (q[i] - 4). qs: the low two bits of q, as in q2_k; bit
 * i / 32 of hmask[i % 32]: the third. Bits 0 to 3 of scale s: low (s < 8) or high nibble of
 * scales[s % 8]; bits 4 and 5: scales[8 + s % 4] at 2 * (s / 4). */
struct PACKED q3_k {
    uint8_t hmask[32];
    uint8_t qs[64];
    uint8_t scales[12];
    half d;
};
_Static_assert(sizeof(struct q3_k) == 110, "q3_k is a file format: no padding");

/* x[i] ~ d * scale[i / 32] * q[i] - dmin * min[i / 32]. In each quarter of 64, byte j of its 32
 * bytes of qs has q[j] low and q[j + 32] high. Scale and min s, 6 bits each: for s < 4 in the low
 * bits of scales[s] and scales[s + 4]; else bits 0 to 3 in the nibbles of scales[s + 4], bits 4
 * and 5 on top of scales[s - 4] and scales[s]. */
struct PACKED q4_k {
    half d, dmin;
    uint8_t scales[12];
    uint8_t qs[128];
};
_Static_assert(sizeof(struct q4_k) == 144, "q4_k is a file format: no padding");

/* As q4_k, with the fifth bit of q[i] at bit i / 32 of qh[i % 32]. */
struct PACKED q5_k {
    half d, dmin;
    uint8_t scales[12];
    uint8_t qh[32];
    uint8_t qs[128];
};
_Static_assert(sizeof(struct q5_k) == 176, "q5_k is a file format: no padding");

/* x[i] ~ d * scales[i / 16] * (q[i] - 32). In each half of 128: byte j of its 64 bytes of ql has
 * the low four bits of q[j] and q[j + 64]; byte j of its 32 bytes of qh has bits 4 and 5 of q[j],
 * q[j + 32], q[j + 64], q[j + 96], from the lowest bits up. */
struct PACKED q6_k {
    uint8_t ql[128];
    uint8_t qh[64];
    int8_t scales[16];
    half d;
};
_Static_assert(sizeof(struct q6_k) == 210, "q6_k is a file format: no padding");
