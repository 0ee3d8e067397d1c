/* SPDX-License-Identifier: Apache-2.0
 * kernels/simd/lanes_fp4.c - mxfp4 and nvfp4, an element in each lane. */
#include "kernels/fp4.h"
#include "kernels/simd/lanes.h"

enum { VECS = 16 / VL };

void LANES(mxfp4_decode)(float *dst, const void *src, size_t blocks) {
    const struct mxfp4 *b = src;
    for (size_t k = 0; k < blocks; k++, b++, dst += MXFP4_ELEMS) {
        vf table[TABLE16_VECS];
        table16_load(table, fp4_values, vf_set1(e8m0_half(b->e)));
        UNROLL for (int i = 0; i < VECS; i++) {
            const vi q = vi_load_u8(b->qs + VL * i);
            vf_store(dst + VL * i, vf_pick16(table, q));
            vf_store(dst + 16 + VL * i, vf_pick16(table, q >> 4));
        }
    }
}

void LANES(nvfp4_decode)(float *dst, const void *src, size_t blocks) {
    const struct nvfp4 *b = src;
    vf table[TABLE16_VECS];
    table16_load(table, fp4_values, vf_set1(1));
    for (size_t k = 0; k < blocks; k++, b++, dst += NVFP4_ELEMS) {
        float scales[4];
        for (int s = 0; s < 4; s++)
            scales[s] = e4m3_half(b->d[s]);
        UNROLL for (int at = 0; at < 32; at += VL) {
            const vi q = vi_load_u8(b->qs + at);
            const vf d = (vf)vi_eights(scales + at / 8);
            float *to = dst + at / 8 * NVFP4_SUB + at % 8;
            vf_store_eights(to, NVFP4_SUB, vf_pick16(table, q) * d);
            vf_store_eights(to + 8, NVFP4_SUB, vf_pick16(table, q >> 4) * d);
        }
    }
}

/* fp4_nearest() of sixteen elements. Values of the other sign are never nearer than 0, so that
 * magnitudes decide, and the second 0 is never the first of equals. */
INLINE void nearest_16(uint8_t q[16], const float *x, float d) {
    vi level[VECS];
    UNROLL for (int i = 0; i < VECS; i++) {
        const vf signed_x = vf_load(x + VL * i), magnitude = vf_abs(signed_x);
        vf best = magnitude;
        level[i] = vi_set1(0);
        UNROLL for (int l = 1; l < 8; l++) {
            const vf error = vf_abs(vf_set1(fp4_values[l] * d) - magnitude);
            level[i] = vi_select(vf_lt(error, best), vi_set1(l), level[i]);
            best = vf_min(error, best);
        }
        const vi negative = (vi)signed_x >> 31 & 8, some = -level[i] >> 31;
        level[i] |= negative & some;
    }
    vi_store16_u8(q, level);
}

void LANES(mxfp4_encode)(void *dst, const float *src, size_t blocks) {
    struct mxfp4 *b = dst;
    for (size_t k = 0; k < blocks; k++, b++, src += MXFP4_ELEMS) {
        uint8_t q[MXFP4_ELEMS];
        const float max = greatest_magnitude(src, MXFP4_ELEMS);
        if (max < 0) {
            memset(b, 0, sizeof *b);
            continue;
        }
        b->e = mxfp4_exponent(max);
        for (int i = 0; i < MXFP4_ELEMS; i += 16)
            nearest_16(q + i, src + i, e8m0_half(b->e));
        for (int i = 0; i < 16; i++)
            b->qs[i] = (uint8_t)(q[i] | q[i + 16] << 4);
    }
}

void LANES(nvfp4_encode)(void *dst, const float *src, size_t blocks) {
    struct nvfp4 *b = dst;
    for (size_t k = 0; k < blocks; k++, b++, src += NVFP4_ELEMS) {
        if (greatest_magnitude(src, NVFP4_ELEMS) < 0) {
            memset(b, 0, sizeof *b);
            continue;
        }
        for (int s = 0; s < NVFP4_ELEMS / NVFP4_SUB; s++) {
            const float *x = src + NVFP4_SUB * s;
            uint8_t q[NVFP4_SUB];
            b->d[s] = e4m3_from_f32(greatest_magnitude(x, NVFP4_SUB) / 6);
            nearest_16(q, x, e4m3_half(b->d[s]));
            for (int i = 0; i < 8; i++)
                b->qs[8 * s + i] = (uint8_t)(q[i] | q[i + 8] << 4);
        }
    }
}
