/* SPDX-License-Identifier: Apache-2.0
 * kernels/simd/lanes_q4_1.c - q4_1 and q5_1 with importance data, a block in each lane. (Without,
 * they need no search: lanes_int.c.) */
#include "kernels/pack.h"
#include "kernels/simd/lanes_affine.h"
#include "kernels/simd/lanes_weighted.h"

enum { ELEMS = 32 };

struct answers {
    half d[LANES_ALL], m[LANES_ALL];
    uint8_t q[ELEMS * LANES_ALL];
};

/* No rounding of the scale first: the levels are the search's own, as where d is 0. */
INLINE bool search_blocks(struct answers *out, const float *src, const float *importance,
                          const float *mean_square, struct affine_how how) {
    struct lanes_affine s;
    const vf zero = vf_set1(0);
    affine_load(&s, src, ELEMS);
    affine_load_weights(&s, importance, mean_square, ELEMS);
    if (!affine_search_lanes(&s, how))
        return false;
    for (int g = 0; g < VECS; g++) {
        vf_store_f16(out->d + VL * g, s.scale[g]);
        vf_store_f16(out->m + VL * g, s.min[g]);
        for (int first = 0; first < ELEMS; first += 16)
            affine_store_levels(out->q + ELEMS * VL * g + first, ELEMS, &s, g, first, zero, zero,
                                how.max_level);
    }
    return true;
}

static bool q4_1_weighted(void *dst, const float *src, const float *importance,
                          const float *mean_square) {
    const struct affine_how how = { ELEMS, 15, -0.9f, 0.05f, 36, false };
    struct q4_1 *b = dst;
    struct answers a;
    if (!search_blocks(&a, src, importance, mean_square, how))
        return false;
    for (int k = 0; k < LANES_ALL; k++) {
        b[k].d = a.d[k];
        b[k].m = a.m[k];
        for (int i = 0; i < 16; i++)
            b[k].qs[i] = (uint8_t)(a.q[ELEMS * k + i] | a.q[ELEMS * k + i + 16] << 4);
    }
    return true;
}

static bool q5_1_weighted(void *dst, const float *src, const float *importance,
                          const float *mean_square) {
    const struct affine_how how = { ELEMS, 31, -0.9f, 0.05f, 36, false };
    struct q5_1 *b = dst;
    struct answers a;
    if (!search_blocks(&a, src, importance, mean_square, how))
        return false;
    for (int k = 0; k < LANES_ALL; k++) {
        b[k].d = a.d[k];
        b[k].m = a.m[k];
        b[k].qh = fives_pack(b[k].qs, a.q + ELEMS * k);
    }
    return true;
}

void LANES(q4_1_encode_weighted)(void *dst, const float *src, const float *importance, size_t rows,
                                 size_t row_elems) {
    const struct weighted_job job = { ELEMS, sizeof(struct q4_1), LANES_ALL,
                                      true,  q4_1_weighted,       q4_1_encode_weighted_c };
    encode_weighted_groups(&job, dst, src, importance, rows, row_elems);
}

void LANES(q5_1_encode_weighted)(void *dst, const float *src, const float *importance, size_t rows,
                                 size_t row_elems) {
    const struct weighted_job job = { ELEMS, sizeof(struct q5_1), LANES_ALL,
                                      true,  q5_1_weighted,       q5_1_encode_weighted_c };
    encode_weighted_groups(&job, dst, src, importance, rows, row_elems);
}
