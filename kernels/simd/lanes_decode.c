/* SPDX-License-Identifier: Apache-2.0
 * kernels/simd/lanes_decode.c - decoders of blocks of 32: 16 elements at a time, in 16 / VL
 * vectors. */
#include "kernels/simd/lanes.h"

enum { ELEMS = 32, VECS = 16 / VL };

void LANES(q4_0_decode)(float *dst, const void *src, size_t blocks) {
    const struct q4_0 *b = src;
    for (size_t k = 0; k < blocks; k++, b++, dst += ELEMS) {
        const vf d = vf_set1_f16(b->d);
        UNROLL for (int i = 0; i < VECS; i++) {
            const vi q = vi_load_u8(b->qs + VL * i);
            vf_store(dst + VL * i, vf_from_int((q & 15) - 8) * d);
            vf_store(dst + 16 + VL * i, vf_from_int((q >> 4) - 8) * d);
        }
    }
}

void LANES(q4_1_decode)(float *dst, const void *src, size_t blocks) {
    const struct q4_1 *b = src;
    for (size_t k = 0; k < blocks; k++, b++, dst += ELEMS) {
        const vf d = vf_set1_f16(b->d), m = vf_set1_f16(b->m);
        UNROLL for (int i = 0; i < VECS; i++) {
            const vi q = vi_load_u8(b->qs + VL * i);
            vf_store(dst + VL * i, vf_from_int(q & 15) * d + m);
            vf_store(dst + 16 + VL * i, vf_from_int(q >> 4) * d + m);
        }
    }
}

/* Bit @first + k of @qh, as 16, in lane k. */
INLINE vi fifth_bits(uint32_t qh, int first) {
    return (vi_set1((int32_t)(qh >> first)) >> vi_iota() & 1) << 4;
}

void LANES(q5_0_decode)(float *dst, const void *src, size_t blocks) {
    const struct q5_0 *b = src;
    for (size_t k = 0; k < blocks; k++, b++, dst += ELEMS) {
        const vf d = vf_set1_f16(b->d);
        UNROLL for (int i = 0; i < VECS; i++) {
            const vi q = vi_load_u8(b->qs + VL * i);
            const vi low = (q & 15) | fifth_bits(b->qh, VL * i);
            const vi high = q >> 4 | fifth_bits(b->qh, 16 + VL * i);
            vf_store(dst + VL * i, vf_from_int(low - 16) * d);
            vf_store(dst + 16 + VL * i, vf_from_int(high - 16) * d);
        }
    }
}

void LANES(q5_1_decode)(float *dst, const void *src, size_t blocks) {
    const struct q5_1 *b = src;
    for (size_t k = 0; k < blocks; k++, b++, dst += ELEMS) {
        const vf d = vf_set1_f16(b->d), m = vf_set1_f16(b->m);
        UNROLL for (int i = 0; i < VECS; i++) {
            const vi q = vi_load_u8(b->qs + VL * i);
            const vi low = (q & 15) | fifth_bits(b->qh, VL * i);
            const vi high = q >> 4 | fifth_bits(b->qh, 16 + VL * i);
            vf_store(dst + VL * i, vf_from_int(low) * d + m);
            vf_store(dst + 16 + VL * i, vf_from_int(high) * d + m);
        }
    }
}

void LANES(q8_0_decode)(float *dst, const void *src, size_t blocks) {
    const struct q8_0 *b = src;
    for (size_t k = 0; k < blocks; k++, b++, dst += ELEMS) {
        const vf d = vf_set1_f16(b->d);
        UNROLL for (int i = 0; i < 2 * VECS; i++)
            vf_store(dst + VL * i, vf_from_int(vi_load_s8(b->qs + VL * i)) * d);
    }
}
