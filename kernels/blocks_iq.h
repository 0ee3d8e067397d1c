/* SPDX-License-Identifier: Apache-2.0
 * kernels/blocks_iq.h - more blocks of the GGUF types: codebooks, ternary and 4-bit floats. See
 * blocks.h. */
#pragma once
#include "kernels/blocks.h"

/* x[i] ~ d * value[q[i]]: 16 levels that lie denser around 0. Nibbles as in q4_0. */
struct PACKED iq4_nl {
    half d;
    uint8_t qs[16];
};
_Static_assert(sizeof(struct iq4_nl) == 18, "iq4_nl is a file format: no padding");

/* x[i] ~ d * (scale[i / 32] - 32) * value[q[i]]; scales of six bits: nibbles of scales_l from the
 * lowest up, and two bits each of scales_h. Each 32 elements are 16 bytes as in q4_0. */
struct PACKED iq4_xs {
    half d;
    uint16_t scales_h;
    uint8_t scales_l[4];
    uint8_t qs[128];
};
_Static_assert(sizeof(struct iq4_xs) == 136, "iq4_xs is a file format: no padding");

/* x[i] ~ 2^(e - 128) * value[q[i]]. Nibbles as in q4_0. */
struct PACKED mxfp4 {
    uint8_t e;
    uint8_t qs[16];
};
_Static_assert(sizeof(struct mxfp4) == 17, "mxfp4 is a file format: no padding");

/* x[i] ~ e4m3(d[i / 16]) / 2 * value[q[i]]. Byte j of each 8 has q[j] low and q[j + 8] high. */
struct PACKED nvfp4 {
    uint8_t d[4];
    uint8_t qs[32];
};
_Static_assert(sizeof(struct nvfp4) == 36, "nvfp4 is a file format: no padding");

/* x[i] ~ d * (q[i] - 1), q in 0..2, as digits of base 3, five a byte; the last sixteen elements
 * four a byte. The byte is the number / 243 as a fraction of 256, rounded up. */
struct PACKED tq1_0 {
    uint8_t qs[48];
    uint8_t qh[4];
    half d;
};
_Static_assert(sizeof(struct tq1_0) == 54, "tq1_0 is a file format: no padding");

/* x[i] ~ d * (q[i] - 1). Two bits each, as in q2_k. */
struct PACKED tq2_0 {
    uint8_t qs[64];
    half d;
};
_Static_assert(sizeof(struct tq2_0) == 66, "tq2_0 is a file format: no padding");

/* x[i] ~ d or -d, by bit i % 8 of qs[i / 8]. */
struct PACKED q1_0 {
    half d;
    uint8_t qs[16];
};
_Static_assert(sizeof(struct q1_0) == 18, "q1_0 is a file format: no padding");

/* x[i] ~ d * (q[i] - 1), four a byte, from the lowest bits up. */
struct PACKED q2_0 {
    half d;
    uint8_t qs[16];
};
_Static_assert(sizeof(struct q2_0) == 18, "q2_0 is a file format: no padding");

/* The rest: x[i] ~ d * scale * a point's element, with its sign. decode_iq.c says how each is
 * put together. */
struct PACKED iq1_s {
    half d;
    uint8_t qs[32];
    uint16_t qh[8];
};
_Static_assert(sizeof(struct iq1_s) == 50, "iq1_s is a file format: no padding");

struct PACKED iq1_m {
    uint8_t qs[32];
    uint8_t qh[16];
    uint16_t scales[4];
};
_Static_assert(sizeof(struct iq1_m) == 56, "iq1_m is a file format: no padding");

struct PACKED iq2_xxs {
    half d;
    struct PACKED {
        uint8_t points[4];
        uint32_t signs; /* 4 * 7, then four bits of scale */
    } sub[8];
};
_Static_assert(sizeof(struct iq2_xxs) == 66, "iq2_xxs is a file format: no padding");

struct PACKED iq2_xs {
    half d;
    uint16_t qs[32]; /* nine bits of point, seven of signs */
    uint8_t scales[8];
};
_Static_assert(sizeof(struct iq2_xs) == 74, "iq2_xs is a file format: no padding");

struct PACKED iq2_s {
    half d;
    uint8_t qs[32];
    uint8_t signs[32];
    uint8_t qh[8];
    uint8_t scales[8];
};
_Static_assert(sizeof(struct iq2_s) == 82, "iq2_s is a file format: no padding");

struct PACKED iq3_xxs {
    half d;
    uint8_t qs[64];
    uint32_t signs[8]; /* 4 * 7, then four bits of scale */
};
_Static_assert(sizeof(struct iq3_xxs) == 98, "iq3_xxs is a file format: no padding");

struct PACKED iq3_s {
    half d;
    uint8_t qs[64];
    uint8_t qh[8];
    uint8_t signs[32];
    uint8_t scales[4];
};
_Static_assert(sizeof(struct iq3_s) == 110, "iq3_s is a file format: no padding");
