/* SPDX-License-Identifier: Apache-2.0
 * kernels/narrow.c - f32 to narrower floats, round to nearest, ties to even. */
#include "kernels/blocks.h"
#include "kernels/f16.h"
#include "kernels/portable.h"

struct PACKED any_u16 {
    uint16_t v;
};

void f16_encode_c(void *dst, const float *src, size_t blocks) {
    struct any_u16 *d = dst;
    for (size_t i = 0; i < blocks; i++)
        d[i].v = f16_from_f32(src[i]);
}

void bf16_encode_c(void *dst, const float *src, size_t blocks) {
    struct any_u16 *d = dst;
    for (size_t i = 0; i < blocks; i++)
        d[i].v = bf16_from_f32(src[i]);
}
