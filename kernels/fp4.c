/* SPDX-License-Identifier: Apache-2.0
 * kernels/fp4.c - decoders of mxfp4 and nvfp4.
 * Source: ggml/src/ggml-quants.c, dequantize_row_mxfp4, dequantize_row_nvfp4. */
#include "kernels/fp4.h"
#include "kernels/portable.h"

void mxfp4_decode_c(float *dst, const void *src, size_t blocks) {
    const struct mxfp4 *b = src;
    for (size_t k = 0; k < blocks; k++, b++, dst += MXFP4_ELEMS) {
        const float d = e8m0_half(b->e);
        for (int i = 0; i < 16; i++) {
            dst[i] = fp4_values[b->qs[i] & 15] * d;
            dst[i + 16] = fp4_values[b->qs[i] >> 4] * d;
        }
    }
}

void nvfp4_decode_c(float *dst, const void *src, size_t blocks) {
    const struct nvfp4 *b = src;
    for (size_t k = 0; k < blocks; k++, b++, dst += NVFP4_ELEMS) {
        for (int i = 0; i < NVFP4_ELEMS; i++) {
            const int s = i / 16, q = b->qs[8 * s + i % 8] >> (i % 16 / 8 * 4) & 15;
            dst[i] = fp4_values[q] * e4m3_half(b->d[s]);
        }
    }
}
