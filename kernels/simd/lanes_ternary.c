/* SPDX-License-Identifier: Apache-2.0
 * kernels/simd/lanes_ternary.c - tq1_0, tq2_0, q1_0 and q2_0, an element in each lane; but the
 * encoder of q1_0 is in lanes_q1_0.c. */
#include "kernels/simd/lanes_points.h"
#include "kernels/ternary.h"

/* What the digits stand for, times @d. */
INLINE void digits_load(vf table[TABLE_VECS], half d) {
    static const float digits[8] = { -1, 0, 1, 2, -1, 0, 1, 2 };
    table_load(table, digits);
    UNROLL for (int v = 0; v < TABLE_VECS; v++) table[v] = table[v] * vf_set1_f16(d);
}

/* Digit @i of five in each byte, as in trit_at(). */
INLINE vi trits_at(const uint8_t *bytes, int i) {
    static const int power[5] = { 1, 3, 9, 27, 81 };
    return (vi_load_u8(bytes) * power[i] & 255) * 3 >> 8;
}

void LANES(tq1_0_decode)(float *dst, const void *src, size_t blocks) {
    const struct tq1_0 *b = src;
    for (size_t k = 0; k < blocks; k++, b++, dst += SUPER_ELEMS) {
        vf table[TABLE_VECS];
        float last[VL > 4 ? VL : 4];
        digits_load(table, b->d);
        for (int at = 0; at < 32; at += VL) {
            UNROLL for (int i = 0; i < 5; i++)
                vf_store(dst + 32 * i + at, vf_pick4(table, trits_at(b->qs + at, i)));
        }
        for (int at = 0; at < 16; at += VL) {
            UNROLL for (int i = 0; i < 5; i++)
                vf_store(dst + 160 + 16 * i + at, vf_pick4(table, trits_at(b->qs + 32 + at, i)));
        }
        uint8_t rest[VL > 4 ? VL : 4] = { b->qh[0], b->qh[1], b->qh[2], b->qh[3] };
        UNROLL for (int i = 0; i < 4; i++) {
            vf_store(last, vf_pick4(table, trits_at(rest, i)));
            memcpy(dst + 240 + 4 * i, last, 4 * sizeof *dst);
        }
    }
}

void LANES(tq2_0_decode)(float *dst, const void *src, size_t blocks) {
    const struct tq2_0 *b = src;
    for (size_t k = 0; k < blocks; k++, b++, dst += SUPER_ELEMS) {
        vf table[TABLE_VECS];
        digits_load(table, b->d);
        for (int at = 0; at < 64; at += VL) {
            const vi q = vi_load_u8(b->qs + at);
            float *to = dst + at / 32 * 128 + at % 32;
            UNROLL for (int i = 0; i < 4; i++) vf_store(to + 32 * i, vf_pick4(table, q >> (2 * i)));
        }
    }
}

void LANES(q1_0_decode)(float *dst, const void *src, size_t blocks) {
    const struct q1_0 *b = src;
    for (size_t k = 0; k < blocks; k++, b++, dst += Q1_0_ELEMS) {
        const vi minus_d = (vi)vf_set1_f16(b->d) ^ INT32_MIN;
        for (int i = 0; i < Q1_0_ELEMS; i += 16) {
            const vi bits = vi_set1(b->qs[i / 8] | b->qs[i / 8 + 1] << 8);
            UNROLL for (int at = 0; at < 16; at += VL) {
                const vi sign = bits << (31 - at - vi_iota()) & INT32_MIN;
                vf_store(dst + i + at, (vf)(minus_d ^ sign));
            }
        }
    }
}

void LANES(q2_0_decode)(float *dst, const void *src, size_t blocks) {
    const struct q2_0 *b = src;
    for (size_t k = 0; k < blocks; k++, b++, dst += Q2_0_ELEMS) {
        vf table[TABLE_VECS];
        digits_load(table, b->d);
        for (int i = 0; i < Q2_0_ELEMS; i += 16) {
            uint32_t word;
            memcpy(&word, b->qs + i / 4, sizeof word);
            UNROLL for (int at = 0; at < 16; at += VL) {
                const vi q = vi_set1((int32_t)word) >> ((vi_iota() + at) * 2);
                vf_store(dst + i + at, vf_pick4(table, q));
            }
        }
    }
}

/* Levels by x / d, @d the greatest magnitude, which is the result. False: not finite, or the
 * inverse is not; the portable code knows what to make of them. */
INLINE bool ternary_levels(uint8_t *q, float *d, const float *x, int n) {
    *d = greatest_magnitude(x, n);
    const float inverse = inverse_or_0(*d);
    if (*d < 0 || inverse > __FLT_MAX__)
        return false;
    for (int i = 0; i < n; i += 16) {
        vi level[16 / VL];
        UNROLL for (int v = 0; v < 16 / VL; v++) level[v] =
            vi_round_away(vf_load(x + i + VL * v) * inverse) + 1;
        vi_store16_u8(q + i, level);
    }
    return true;
}

static bool tq1_0_group(void *dst, const float *src) {
    struct tq1_0 *b = dst;
    uint8_t q[SUPER_ELEMS];
    float d;
    if (!ternary_levels(q, &d, src, SUPER_ELEMS))
        return false;
    b->d = f16_from_f32(d);
    tq1_0_pack(b, q);
    return true;
}

void LANES(tq1_0_encode)(void *dst, const float *src, size_t blocks) {
    encode_groups(dst, src, blocks, SUPER_ELEMS, sizeof(struct tq1_0), 1, tq1_0_group,
                  tq1_0_encode_c);
}

static bool tq2_0_group(void *dst, const float *src) {
    struct tq2_0 *b = dst;
    uint8_t q[SUPER_ELEMS];
    float d;
    if (!ternary_levels(q, &d, src, SUPER_ELEMS))
        return false;
    b->d = f16_from_f32(d);
    twos_pack(b->qs, q);
    return true;
}

void LANES(tq2_0_encode)(void *dst, const float *src, size_t blocks) {
    encode_groups(dst, src, blocks, SUPER_ELEMS, sizeof(struct tq2_0), 1, tq2_0_group,
                  tq2_0_encode_c);
}

static bool q2_0_group(void *dst, const float *src) {
    struct q2_0 *b = dst;
    uint8_t q[Q2_0_ELEMS];
    float d;
    if (!ternary_levels(q, &d, src, Q2_0_ELEMS))
        return false;
    b->d = f16_from_f32(d);
    for (int i = 0; i < 16; i++)
        b->qs[i] = (uint8_t)(q[4 * i] | q[4 * i + 1] << 2 | q[4 * i + 2] << 4 | q[4 * i + 3] << 6);
    return true;
}

void LANES(q2_0_encode)(void *dst, const float *src, size_t blocks) {
    encode_groups(dst, src, blocks, Q2_0_ELEMS, sizeof(struct q2_0), 1, q2_0_group, q2_0_encode_c);
}
