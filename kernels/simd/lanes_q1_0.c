/* SPDX-License-Identifier: Apache-2.0
 * kernels/simd/lanes_q1_0.c - the encoder of q1_0: a block in each lane, whose magnitudes are
 * summed in their order; the bits are made by rows. */
#include "kernels/simd/lanes.h"
#include "kernels/ternary.h"

static bool q1_0_group(void *dst, const float *src) {
    struct q1_0 *b = dst;
    half d[VL];
    vf sum = vf_set1(0);
    for (int i = 0; i < Q1_0_ELEMS; i += 16) {
        UNROLL for (int at = i; at < i + 16; at += VL) {
            vf x[VL];
            vf_load_columns(x, src + at, Q1_0_ELEMS);
            UNROLL for (int k = 0; k < VL; k++) sum += vf_abs(x[k]);
        }
        for (int k = 0; k < VL; k++) {
            const float *row = src + Q1_0_ELEMS * k + i;
            uint16_t bits = 0;
            UNROLL for (int at = 0; at < 16; at += VL) bits |=
                (uint16_t)(vm_bits(vf_le(vf_set1(0), vf_load(row + at))) << at);
            memcpy(b[k].qs + i / 8, &bits, sizeof bits);
        }
    }
    vf_store_f16(d, sum / (float)Q1_0_ELEMS);
    for (int k = 0; k < VL; k++)
        b[k].d = d[k];
    return !vi_sign_bits((0x7f800000 - 1) - (vi)sum); /* a number that is not finite shows in it */
}

void LANES(q1_0_encode)(void *dst, const float *src, size_t blocks) {
    encode_groups(dst, src, blocks, Q1_0_ELEMS, sizeof(struct q1_0), VL, q1_0_group, q1_0_encode_c);
}
