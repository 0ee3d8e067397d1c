/* SPDX-License-Identifier: Apache-2.0
 * kernels/simd/lanes_decode_iq.c - decoders of iq1 to iq4: 16 elements at a time, in 16 / VL
 * vectors. Of iq1 to iq3 a word has what eight elements need, which each lane shifts to its place.
 */
#include "kernels/iq1.h"
#include "kernels/iq4.h"
#include "kernels/iq_grids.h"
#include "kernels/simd/lanes_points.h"

enum { VECS = 16 / VL, WORDS = SUPER_ELEMS / 8, SIXTEENS = SUPER_ELEMS / 16 };

/* A super-block: a word for eight elements, a scale for sixteen. */
struct parts {
    uint32_t word[WORDS];
    float scale[SIXTEENS];
};

/* Words of iq2: eight digits of two bits, and from bit 16 on the signs. */
INLINE uint32_t word_2(uint16_t point, uint8_t signs) {
    return point | (uint32_t)signs << 16;
}

/* Of iq3: two points of four digits of three bits, and from bit 24 on the signs. */
INLINE uint32_t word_3(uint16_t point, uint16_t next, uint8_t signs) {
    return point | (uint32_t)next << 12 | (uint32_t)signs << 24;
}

/* @values: by digit, of @bits. @signs: where the signs begin in a word. */
INLINE void decode_parts(float *dst, const struct parts *p, const float values[8], int bits,
                         int signs) {
    vf table[TABLE_VECS];
    table_load(table, values);
    for (int s = 0; s < SIXTEENS; s++) {
        UNROLL for (int i = 0; i < VECS; i++) {
            const vi word = vi_eights(p->word + 2 * s + VL * i / 8), place = vi_place(i);
            const vi digit = word >> (place * bits);
            const vf value = bits == 2 ? vf_pick4(table, digit) : vf_pick(table, digit);
            const vi sign = word << (31 - signs - place) & INT32_MIN;
            vf_store(dst + 16 * s + VL * i, (vf)((vi)(p->scale[s] * value) ^ sign));
        }
    }
}

static const float iq2_values[8] = { 8, 25, 43, 0, 8, 25, 43, 0 };
static const float iq3_xxs_values[8] = { 4, 12, 20, 28, 36, 44, 52, 62 };
static const float iq3_s_values[8] = { 1, 3, 5, 7, 9, 11, 13, 15 };

void LANES(iq2_xxs_decode)(float *dst, const void *src, size_t blocks) {
    const struct iq2_xxs *b = src;
    for (size_t k = 0; k < blocks; k++, b++, dst += SUPER_ELEMS) {
        const float d = f32_from_f16(b->d);
        struct parts p;
        for (int s = 0; s < 8; s++) {
            const uint32_t signs = b->sub[s].signs;
            p.scale[2 * s] = p.scale[2 * s + 1] = d * (0.5f + (float)(signs >> 28)) * 0.25f;
            for (int g = 0; g < 4; g++)
                p.word[4 * s + g] =
                    word_2(iq2_xxs_grid[b->sub[s].points[g]], iq_signs(signs >> (7 * g)));
        }
        decode_parts(dst, &p, iq2_values, 2, 16);
    }
}

INLINE void scales_of_fours(struct parts *p, half all, const uint8_t scales[8]) {
    const float d = f32_from_f16(all);
    for (int s = 0; s < SIXTEENS; s++)
        p->scale[s] = d * (0.5f + (float)(scales[s / 2] >> (s % 2 * 4) & 15)) * 0.25f;
}

void LANES(iq2_xs_decode)(float *dst, const void *src, size_t blocks) {
    const struct iq2_xs *b = src;
    for (size_t k = 0; k < blocks; k++, b++, dst += SUPER_ELEMS) {
        struct parts p;
        scales_of_fours(&p, b->d, b->scales);
        for (int i = 0; i < WORDS; i++)
            p.word[i] = word_2(iq2_xs_grid[b->qs[i] & 511], iq_signs(b->qs[i] >> 9));
        decode_parts(dst, &p, iq2_values, 2, 16);
    }
}

void LANES(iq2_s_decode)(float *dst, const void *src, size_t blocks) {
    const struct iq2_s *b = src;
    for (size_t k = 0; k < blocks; k++, b++, dst += SUPER_ELEMS) {
        struct parts p;
        scales_of_fours(&p, b->d, b->scales);
        for (int i = 0; i < WORDS; i++) {
            const int point = b->qs[i] | (b->qh[i / 4] >> (i % 4 * 2) & 3) << 8;
            p.word[i] = word_2(iq2_s_grid[point], b->signs[i]);
        }
        decode_parts(dst, &p, iq2_values, 2, 16);
    }
}

void LANES(iq3_xxs_decode)(float *dst, const void *src, size_t blocks) {
    const struct iq3_xxs *b = src;
    for (size_t k = 0; k < blocks; k++, b++, dst += SUPER_ELEMS) {
        const float d = f32_from_f16(b->d);
        struct parts p;
        for (int i = 0; i < WORDS; i++) {
            const uint32_t signs = b->signs[i / 4];
            p.scale[i / 2] = d * (0.5f + (float)(signs >> 28)) * 0.5f;
            p.word[i] = word_3(iq3_xxs_grid[b->qs[2 * i]], iq3_xxs_grid[b->qs[2 * i + 1]],
                               iq_signs(signs >> (i % 4 * 7)));
        }
        decode_parts(dst, &p, iq3_xxs_values, 3, 24);
    }
}

void LANES(iq3_s_decode)(float *dst, const void *src, size_t blocks) {
    const struct iq3_s *b = src;
    for (size_t k = 0; k < blocks; k++, b++, dst += SUPER_ELEMS) {
        const float d = f32_from_f16(b->d);
        struct parts p;
        for (int i = 0; i < WORDS; i++) {
            const int scale = b->scales[i / 8] >> (i / 4 % 2 * 4) & 15;
            const int top = b->qh[i / 4] >> (i % 4 * 2);
            p.scale[i / 2] = d * (float)(1 + 2 * scale);
            p.word[i] = word_3(iq3_s_grid[b->qs[2 * i] | (top & 1) << 8],
                               iq3_s_grid[b->qs[2 * i + 1] | (top & 2) << 7], b->signs[i]);
        }
        decode_parts(dst, &p, iq3_s_values, 3, 24);
    }
}

/* Words of iq1: eight digits of two bits, and in bit 16 whether they are moved down. */
INLINE void decode_parts_1(float *dst, const struct parts *p) {
    static const float values[8] = { -0.875f, 0.125f, 1.125f, 0, -1.125f, -0.125f, 0.875f, 0 };
    vf table[TABLE_VECS];
    table_load(table, values);
    for (int s = 0; s < SIXTEENS; s++) {
        UNROLL for (int i = 0; i < VECS; i++) {
            const vi word = vi_eights(p->word + 2 * s + VL * i / 8);
            const vi index = (word >> (vi_place(i) * 2) & 3) | (word >> 14 & 4);
            vf_store(dst + 16 * s + VL * i, p->scale[s] * vf_pick(table, index));
        }
    }
}

INLINE uint32_t word_1(int point, bool down) {
    return iq1_grid[point] | (uint32_t)down << 16;
}

void LANES(iq1_s_decode)(float *dst, const void *src, size_t blocks) {
    const struct iq1_s *b = src;
    for (size_t k = 0; k < blocks; k++, b++, dst += SUPER_ELEMS) {
        const float d = f32_from_f16(b->d);
        struct parts p;
        for (int i = 0; i < WORDS; i++) {
            const uint16_t qh = b->qh[i / 4];
            p.scale[i / 2] = d * (float)(2 * (qh >> 12 & 7) + 1);
            p.word[i] = word_1(b->qs[i] | (qh >> (i % 4 * 3) & 7) << 8, qh & 0x8000);
        }
        decode_parts_1(dst, &p);
    }
}

void LANES(iq1_m_decode)(float *dst, const void *src, size_t blocks) {
    const struct iq1_m *b = src;
    for (size_t k = 0; k < blocks; k++, b++, dst += SUPER_ELEMS) {
        struct parts p;
        const float all = iq1_m_scale(b);
        for (int i = 0; i < WORDS; i++) {
            const int qh = b->qh[i / 2] >> (i % 2 * 4) & 15;
            const int scale = b->scales[i / 8] >> (i / 2 % 4 * 3) & 7;
            p.scale[i / 2] = all * (float)(2 * scale + 1);
            p.word[i] = word_1(b->qs[i] | (qh & 7) << 8, qh & 8);
        }
        decode_parts_1(dst, &p);
    }
}

/* Nibbles of 32 elements. */
INLINE void decode_iq4(float *dst, const uint8_t qs[16], vf d) {
    vf table[TABLE16_VECS];
    table16_load(table, iq4_values, d);
    UNROLL for (int i = 0; i < VECS; i++) {
        const vi q = vi_load_u8(qs + VL * i);
        vf_store(dst + VL * i, vf_pick16(table, q));
        vf_store(dst + 16 + VL * i, vf_pick16(table, q >> 4));
    }
}

void LANES(iq4_nl_decode)(float *dst, const void *src, size_t blocks) {
    const struct iq4_nl *b = src;
    for (size_t k = 0; k < blocks; k++, b++, dst += IQ4_ELEMS)
        decode_iq4(dst, b->qs, vf_set1_f16(b->d));
}

void LANES(iq4_xs_decode)(float *dst, const void *src, size_t blocks) {
    const struct iq4_xs *b = src;
    for (size_t k = 0; k < blocks; k++, b++, dst += SUPER_ELEMS) {
        const float d = f32_from_f16(b->d);
        for (int s = 0; s < IQ4_XS_SUBS; s++)
            decode_iq4(dst + IQ4_ELEMS * s, b->qs + 16 * s, vf_set1(d * (float)iq4_xs_scale(b, s)));
    }
}
