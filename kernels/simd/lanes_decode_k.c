/* SPDX-License-Identifier: Apache-2.0
 * kernels/simd/lanes_decode_k.c - decoders of the K-types: 16 elements at a time, in 16 / VL
 * vectors, whose bits lie at constant shifts. */
#include "kernels/pack.h"
#include "kernels/simd/lanes.h"

enum { VECS = 16 / VL };

INLINE vi bits_at(const uint8_t *p, int shift, int mask) {
    return vi_load_u8(p) >> shift & mask;
}

void LANES(q2_k_decode)(float *dst, const void *src, size_t blocks) {
    const struct q2_k *b = src;
    for (size_t k = 0; k < blocks; k++, b++, dst += SUPER_ELEMS) {
        const float d = f32_from_f16(b->d), dmin = f32_from_f16(b->dmin);
        UNROLL for (int s = 0; s < 16; s++) {
            const uint8_t *qs = b->qs + s / 8 * 32 + s % 2 * 16;
            const vf scale = vf_set1(d * (float)(b->scales[s] & 15));
            const vf min = vf_set1(dmin * (float)(b->scales[s] >> 4));
            UNROLL for (int i = 0; i < VECS; i++) {
                const vi q = bits_at(qs + VL * i, s % 8 / 2 * 2, 3);
                vf_store(dst + 16 * s + VL * i, scale * vf_from_int(q) - min);
            }
        }
    }
}

void LANES(q3_k_decode)(float *dst, const void *src, size_t blocks) {
    const struct q3_k *b = src;
    for (size_t k = 0; k < blocks; k++, b++, dst += SUPER_ELEMS) {
        const float d = f32_from_f16(b->d);
        uint8_t scales[16];
        scales16_unpack(scales, b->scales);
        UNROLL for (int s = 0; s < 16; s++) {
            const uint8_t *qs = b->qs + s / 8 * 32 + s % 2 * 16, *top = b->hmask + s % 2 * 16;
            const vf scale = vf_set1(d * (float)(scales[s] - 32));
            UNROLL for (int i = 0; i < VECS; i++) {
                const vi low = bits_at(qs + VL * i, s % 8 / 2 * 2, 3);
                const vi q = low | bits_at(top + VL * i, s / 2, 1) << 2;
                vf_store(dst + 16 * s + VL * i, scale * vf_from_int(q - 4));
            }
        }
    }
}

void LANES(q4_k_decode)(float *dst, const void *src, size_t blocks) {
    const struct q4_k *b = src;
    for (size_t k = 0; k < blocks; k++, b++, dst += SUPER_ELEMS) {
        const float d = f32_from_f16(b->d), dmin = f32_from_f16(b->dmin);
        uint8_t scales[8], mins[8];
        scales_unpack(scales, mins, b->scales);
        UNROLL for (int s = 0; s < 8; s++) {
            const vf scale = vf_set1(d * scales[s]), min = vf_set1(dmin * mins[s]);
            UNROLL for (int i = 0; i < 2 * VECS; i++) {
                const vi q = bits_at(b->qs + s / 2 * 32 + VL * i, s % 2 * 4, 15);
                vf_store(dst + 32 * s + VL * i, scale * vf_from_int(q) - min);
            }
        }
    }
}

void LANES(q5_k_decode)(float *dst, const void *src, size_t blocks) {
    const struct q5_k *b = src;
    for (size_t k = 0; k < blocks; k++, b++, dst += SUPER_ELEMS) {
        const float d = f32_from_f16(b->d), dmin = f32_from_f16(b->dmin);
        uint8_t scales[8], mins[8];
        scales_unpack(scales, mins, b->scales);
        UNROLL for (int s = 0; s < 8; s++) {
            const vf scale = vf_set1(d * scales[s]), min = vf_set1(dmin * mins[s]);
            UNROLL for (int i = 0; i < 2 * VECS; i++) {
                const vi low = bits_at(b->qs + s / 2 * 32 + VL * i, s % 2 * 4, 15);
                const vi q = low | bits_at(b->qh + VL * i, s, 1) << 4;
                vf_store(dst + 32 * s + VL * i, scale * vf_from_int(q) - min);
            }
        }
    }
}

/* Sub-block @s of a q6_k: sixteen elements, whose bits lie at constant shifts. */
INLINE void decode_q6_sub(float *dst, const struct q6_k *b, int s, float d) {
    const int side = s / 8, part = s % 8 / 2; /* part: which two bits of qh */
    const uint8_t *ql = b->ql + 64 * side + 16 * (s % 4), *qh = b->qh + 32 * side + 16 * (s % 2);
    const vf scale = vf_set1(d * b->scales[s]);
    UNROLL for (int i = 0; i < VECS; i++) {
        const vi low = vi_load_u8(ql + VL * i) >> (part / 2 * 4) & 15;
        const vi high = (vi_load_u8(qh + VL * i) >> (part * 2) & 3) << 4;
        vf_store(dst + 16 * s + VL * i, scale * vf_from_int((low | high) - 32));
    }
}

void LANES(q6_k_decode)(float *dst, const void *src, size_t blocks) {
    const struct q6_k *b = src;
    for (size_t k = 0; k < blocks; k++, b++, dst += SUPER_ELEMS) {
        const float d = f32_from_f16(b->d);
        UNROLL for (int s = 0; s < 16; s++) decode_q6_sub(dst, b, s, d);
    }
}
