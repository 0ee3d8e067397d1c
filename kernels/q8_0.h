/* SPDX-License-Identifier: Apache-2.0
 * kernels/q8_0.h - q8_0: 32 elements, one scale, 8 bits each, -127 to 127, halves away from zero.
 * Source: ggml/src/ggml-quants.c, quantize_row_q8_0_ref. (ggml's own SIMD
 * for activations rounds halves to even: other bytes, never in a file.) */
#pragma once
#include "kernels/blocks.h"
#include "kernels/scalar.h"

BODY void q8_0_block(struct q8_0 *b, const float *x) {
    const float d = fabsf(first_absmax(x, Q8_0_ELEMS)) / 127, id = inverse_or_0(d);
    b->d = f16_from_f32(d);
    for (int i = 0; i < Q8_0_ELEMS; i++)
        b->qs[i] = (int8_t)int_trunc(roundf(x[i] * id));
}
