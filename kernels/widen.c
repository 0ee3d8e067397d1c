/* SPDX-License-Identifier: Apache-2.0
 * kernels/widen.c - floats of other widths to f32; and the test for finite numbers. */
#include "kernels/blocks.h"
#include "kernels/f16.h"
#include "kernels/portable.h"
#include <string.h>

bool f32_all_finite_c(const float *src, size_t elems) {
    uint32_t max = 0;
    for (size_t i = 0; i < elems; i++) {
        const uint32_t mag = f32_bits(src[i]) & 0x7fffffff;
        max = mag > max ? mag : max;
    }
    return max < 0x7f800000;
}

/* Elements at any address. */
struct PACKED any_f64 {
    double v;
};
struct PACKED any_u16 {
    uint16_t v;
};

void f64_decode_c(float *dst, const void *src, size_t blocks) {
    const struct any_f64 *s = src;
    for (size_t i = 0; i < blocks; i++)
        dst[i] = (float)s[i].v;
}

void f16_decode_c(float *dst, const void *src, size_t blocks) {
    const struct any_u16 *s = src;
    for (size_t i = 0; i < blocks; i++)
        dst[i] = f32_from_f16(s[i].v);
}

void bf16_decode_c(float *dst, const void *src, size_t blocks) {
    const struct any_u16 *s = src;
    for (size_t i = 0; i < blocks; i++)
        dst[i] = f32_from_bf16(s[i].v);
}

void f8_e4m3_decode_c(float *dst, const void *src, size_t blocks) {
    const uint8_t *s = src;
    for (size_t i = 0; i < blocks; i++)
        dst[i] = f32_from_f8_e4m3(s[i]);
}

void f8_e5m2_decode_c(float *dst, const void *src, size_t blocks) {
    const uint8_t *s = src;
    for (size_t i = 0; i < blocks; i++)
        dst[i] = f32_from_f8_e5m2(s[i]);
}
