/* SPDX-License-Identifier: Apache-2.0
 * kernels/init.c - fills the table: portable first, then weakest to strongest; the last wins. */
#include "kernels/portable.h"
#include "kernels/simd/add.h"

#define DECODE(type) .type = { .decode = type##_decode_c }
#define ENCODE(type) .type = { .encode = type##_encode_c }
#define BOTH(type)   .type = { .decode = type##_decode_c, .encode = type##_encode_c }
#define ALL(type)    .type = { type##_decode_c, type##_encode_c, type##_encode_weighted_c }

static const struct kernels portable = {
    .f32_all_finite = f32_all_finite_c,
    .product_add = product_add_c,
    .transpose = transpose_c,
    .clamp = clamp_c,
    .extremes = extremes_c,
    .extremes_each = extremes_each_c,
    .levels8 = levels8_c,
    .levels8_each = levels8_each_c,
    DECODE(f64),
    BOTH(f16),
    BOTH(bf16),
    DECODE(f8_e4m3),
    DECODE(f8_e5m2),
    ALL(q4_0),
    ALL(q4_1),
    ALL(q5_0),
    ALL(q5_1),
    BOTH(q8_0),
    ALL(q2_k),
    ALL(q3_k),
    ALL(q4_k),
    ALL(q5_k),
    ALL(q6_k),
    .iq1_s = { iq1_s_decode_c, NULL, iq1_s_encode_weighted_c },
    ALL(iq1_m),
    .iq2_xxs = { iq2_xxs_decode_c, NULL, iq2_xxs_encode_weighted_c },
    .iq2_xs = { iq2_xs_decode_c, NULL, iq2_xs_encode_weighted_c },
    ALL(iq2_s),
    ALL(iq3_xxs),
    ALL(iq3_s),
    ALL(iq4_nl),
    ALL(iq4_xs),
    BOTH(mxfp4),
    BOTH(nvfp4),
    BOTH(tq1_0),
    BOTH(tq2_0),
    BOTH(q1_0),
    BOTH(q2_0),
#define NBITS(name, ...) ENCODE(name),
    NBITS_TYPES(NBITS)
#undef NBITS
};

void kernels_init(struct kernels *k, unsigned cpu) {
    *k = portable;
    k->cpu = cpu;
#ifdef WITH_AVX2
    if (cpu & CPU_AVX2)
        lanes_add_avx2(k);
#endif
#ifdef WITH_AVX512
    if (cpu & CPU_AVX512)
        lanes_add_avx512(k);
#endif
#ifdef WITH_NEON
    if (cpu & CPU_NEON)
        lanes_add_neon(k);
#endif
}
