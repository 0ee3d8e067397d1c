/* SPDX-License-Identifier: Apache-2.0
 * kernels/widen.c - floats of other widths to f32; and the test for finite numbers. */
#include "kernels/plain.h"
#include <string.h>

bool PLAIN(f32_all_finite)(const float *src, size_t elems) {
    uint32_t max = 0;
    for (size_t i = 0; i < elems; i++) {
        const uint32_t mag = f32_bits(src[i]) & 0x7fffffff;
        max = mag > max ? mag : max;
    }
    return max < 0x7f800000;
}

/* Elements at any address: packed, so that loops over them still become SIMD. */
struct PACKED any_f64 {
    double v;
};
struct PACKED any_u16 {
    uint16_t v;
};

void PLAIN(f64_decode)(float *restrict dst, const void *restrict src, size_t blocks) {
    const struct any_f64 *s = src;
    for (size_t i = 0; i < blocks; i++)
        dst[i] = (float)s[i].v;
}

void PLAIN(f16_decode)(float *restrict dst, const void *restrict src, size_t blocks) {
    const struct any_u16 *s = src;
    for (size_t i = 0; i < blocks; i++)
        dst[i] = f32_from_f16(s[i].v);
}

void PLAIN(bf16_decode)(float *restrict dst, const void *restrict src, size_t blocks) {
    const struct any_u16 *s = src;
    for (size_t i = 0; i < blocks; i++)
        dst[i] = f32_from_bf16(s[i].v);
}

void PLAIN(f8_e4m3_decode)(float *restrict dst, const void *restrict src, size_t blocks) {
    const uint8_t *s = src;
    for (size_t i = 0; i < blocks; i++)
        dst[i] = f32_from_f8_e4m3(s[i]);
}

void PLAIN(f8_e5m2_decode)(float *restrict dst, const void *restrict src, size_t blocks) {
    const uint8_t *s = src;
    for (size_t i = 0; i < blocks; i++)
        dst[i] = f32_from_f8_e5m2(s[i]);
}
