/* SPDX-License-Identifier: Apache-2.0
 * kernels/portable.h - the portable kernels: the definition of the bytes, which the others are
 * held to, and which the others call for the blocks they cannot do. */
#pragma once
#include "kernels/kernels.h"

void product_add_c(float *x, const float *b, const float *a, size_t stride, size_t rank,
                   double scale, size_t cols);
bool f32_all_finite_c(const float *src, size_t elems);
void clamp_c(float *x, size_t n, float least, float most);
void extremes_c(const float *x, size_t n, float *low, float *high);
void extremes_each_c(const float *x, size_t n, float *low, float *high);
void levels8_c(uint8_t *dst, const float *x, size_t n, const struct levels8 *to);
void levels8_each_c(uint8_t *dst, const float *x, const float *scale, size_t n,
                    const struct levels8 *to);
void transpose_c(void *dst, size_t dst_step, const void *src, size_t src_step, size_t rows,
                 size_t cols, size_t elem_bytes);

block_decode_fn f64_decode_c, f16_decode_c, bf16_decode_c, f8_e4m3_decode_c, f8_e5m2_decode_c;
block_encode_fn f16_encode_c, bf16_encode_c;

block_decode_fn q4_0_decode_c, q4_1_decode_c, q5_0_decode_c, q5_1_decode_c, q8_0_decode_c;
block_encode_fn q4_0_encode_c, q4_1_encode_c, q5_0_encode_c, q5_1_encode_c, q8_0_encode_c;

block_decode_fn q2_k_decode_c, q3_k_decode_c, q4_k_decode_c, q5_k_decode_c, q6_k_decode_c;
block_encode_fn q2_k_encode_c, q3_k_encode_c, q4_k_encode_c, q5_k_encode_c, q6_k_encode_c;

block_decode_fn iq1_s_decode_c, iq1_m_decode_c, iq2_xxs_decode_c, iq2_xs_decode_c, iq2_s_decode_c;
block_decode_fn iq3_xxs_decode_c, iq3_s_decode_c, iq4_nl_decode_c, iq4_xs_decode_c;
block_encode_fn iq4_nl_encode_c, iq4_xs_encode_c;

block_decode_fn mxfp4_decode_c, nvfp4_decode_c, tq1_0_decode_c, tq2_0_decode_c, q1_0_decode_c;
block_decode_fn q2_0_decode_c;
block_encode_fn mxfp4_encode_c, nvfp4_encode_c, tq1_0_encode_c, tq2_0_encode_c, q1_0_encode_c;
block_encode_fn q2_0_encode_c;

block_encode_weighted_fn q4_0_encode_weighted_c, q4_1_encode_weighted_c, q5_0_encode_weighted_c;
block_encode_weighted_fn q5_1_encode_weighted_c, q2_k_encode_weighted_c, q3_k_encode_weighted_c;
block_encode_weighted_fn q4_k_encode_weighted_c, q5_k_encode_weighted_c, q6_k_encode_weighted_c;
block_encode_weighted_fn iq4_nl_encode_weighted_c, iq4_xs_encode_weighted_c;

block_encode_fn iq1_m_encode_c, iq2_s_encode_c, iq3_xxs_encode_c, iq3_s_encode_c;
block_encode_weighted_fn iq1_s_encode_weighted_c, iq1_m_encode_weighted_c;
block_encode_weighted_fn iq2_xxs_encode_weighted_c, iq2_xs_encode_weighted_c;
block_encode_weighted_fn iq2_s_encode_weighted_c, iq3_xxs_encode_weighted_c,
    iq3_s_encode_weighted_c;

#define DECLARE(name, ...) block_encode_fn name##_encode_c;
NBITS_TYPES(DECLARE)
#undef DECLARE
