/* SPDX-License-Identifier: Apache-2.0
 * kernels/repack.c - blocks of ggml in the layout of ONNX Runtime's MatMulNBits, without a change
 * of any number: value = (level - middle) * scale. Levels and scales are written apart. Levels of
 * 4 bits lie in order, the first in the low half of a byte; ggml has elements 0 to 15 in the low
 * halves and 16 to 31 in the high ones. */
#include "kernels/blocks.h"
#include "kernels/f16.h"
#include "kernels/kernels.h"
#include <string.h>

void repack_q4_0_levels(void *dst, const void *src, size_t blocks) {
    const struct q4_0 *b = src;
    uint8_t *out = dst;
    for (size_t i = 0; i < blocks; i++, b++, out += 16) {
        for (int j = 0; j < 8; j++) {
            const uint8_t even = b->qs[2 * j], odd = b->qs[2 * j + 1];
            out[j] = (uint8_t)((even & 15) | (odd & 15) << 4);
            out[j + 8] = (uint8_t)(even >> 4 | (odd & 0xf0));
        }
    }
}

void repack_q8_0_levels(void *dst, const void *src, size_t blocks) {
    const struct q8_0 *b = src;
    uint8_t *out = dst;
    for (size_t i = 0; i < blocks; i++, b++, out += 32)
        for (int j = 0; j < 32; j++)
            out[j] = (uint8_t)((uint8_t)b->qs[j] ^ 0x80); /* the middle is 128 */
}

static void scales_f16(uint8_t *out, const uint8_t *src, size_t block_bytes, size_t blocks) {
    for (size_t i = 0; i < blocks; i++)
        memcpy(out + 2 * i, src + i * block_bytes, 2);
}

static void scales_f32(uint8_t *out, const uint8_t *src, size_t block_bytes, size_t blocks) {
    for (size_t i = 0; i < blocks; i++) {
        uint16_t d;
        memcpy(&d, src + i * block_bytes, sizeof d);
        const float scale = f32_from_f16(d);
        memcpy(out + 4 * i, &scale, sizeof scale);
    }
}

void repack_q4_0_scales(void *dst, const void *src, size_t blocks) {
    scales_f32(dst, src, sizeof(struct q4_0), blocks);
}

void repack_q4_0_scales_f16(void *dst, const void *src, size_t blocks) {
    scales_f16(dst, src, sizeof(struct q4_0), blocks);
}

void repack_q8_0_scales(void *dst, const void *src, size_t blocks) {
    scales_f32(dst, src, sizeof(struct q8_0), blocks);
}

void repack_q8_0_scales_f16(void *dst, const void *src, size_t blocks) {
    scales_f16(dst, src, sizeof(struct q8_0), blocks);
}
