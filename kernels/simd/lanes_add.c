/* SPDX-License-Identifier: Apache-2.0
 * kernels/simd/lanes_add.c - puts one instruction set's kernels into the table. */
#include "kernels/simd/lanes.h"

#define DECODE(type)   k->type.decode = LANES(type##_decode)
#define ENCODE(type)   k->type.encode = LANES(type##_encode)
#define WEIGHTED(type) k->type.encode_weighted = LANES(type##_encode_weighted)

void LANES(lanes_add)(struct kernels *k) {
    k->product_add = LANES(product_add);
    k->f32_all_finite = LANES(f32_all_finite);
    k->transpose = LANES(transpose);
    k->clamp = LANES(clamp);
    k->extremes = LANES(extremes);
    k->extremes_each = LANES(extremes_each);
    k->levels8 = LANES(levels8);
    k->levels8_each = LANES(levels8_each);
    DECODE(f64);
    DECODE(f16);
    DECODE(bf16);
    DECODE(f8_e4m3);
    DECODE(f8_e5m2);
    ENCODE(f16);
    ENCODE(bf16);

    DECODE(q4_0);
    DECODE(q4_1);
    DECODE(q5_0);
    DECODE(q5_1);
    DECODE(q8_0);
    ENCODE(q4_0);
    ENCODE(q4_1);
    ENCODE(q5_0);
    ENCODE(q5_1);
    ENCODE(q8_0);

    DECODE(q2_k);
    DECODE(q3_k);
    DECODE(q4_k);
    DECODE(q5_k);
    DECODE(q6_k);
    ENCODE(q2_k);
    ENCODE(q3_k);
    ENCODE(q4_k);
    ENCODE(q5_k);
    ENCODE(q6_k);

    DECODE(iq1_s);
    DECODE(iq1_m);
    DECODE(iq2_xxs);
    DECODE(iq2_xs);
    DECODE(iq2_s);
    DECODE(iq3_xxs);
    DECODE(iq3_s);
    DECODE(iq4_nl);
    DECODE(iq4_xs);
    DECODE(mxfp4);
    DECODE(nvfp4);
    DECODE(tq1_0);
    DECODE(tq2_0);
    DECODE(q1_0);
    DECODE(q2_0);
    ENCODE(mxfp4);
    ENCODE(nvfp4);
    ENCODE(tq1_0);
    ENCODE(tq2_0);
    ENCODE(q1_0);
    ENCODE(q2_0);

    WEIGHTED(q4_1);
    WEIGHTED(q5_1);
    WEIGHTED(q2_k);
    WEIGHTED(q4_k);
    WEIGHTED(q5_k);
    WEIGHTED(q4_0);
    WEIGHTED(q5_0);
    WEIGHTED(q3_k);
    WEIGHTED(q6_k);

    ENCODE(iq4_nl);
    ENCODE(iq4_xs);
    WEIGHTED(iq4_nl);
    WEIGHTED(iq4_xs);
    ENCODE(iq1_m);
    WEIGHTED(iq1_s);
    WEIGHTED(iq1_m);

    ENCODE(iq2_s);
    ENCODE(iq3_xxs);
    ENCODE(iq3_s);
    WEIGHTED(iq2_xxs);
    WEIGHTED(iq2_xs);
    WEIGHTED(iq2_s);
    WEIGHTED(iq3_xxs);
    WEIGHTED(iq3_s);

#define NBITS(name, ...) ENCODE(name);
    NBITS_TYPES(NBITS)
#undef NBITS
}
