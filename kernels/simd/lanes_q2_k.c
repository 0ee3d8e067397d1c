/* SPDX-License-Identifier: Apache-2.0
 * kernels/simd/lanes_q2_k.c - the encoder of q2_k, a sub-block of 16 in each lane. */
#include "kernels/pack.h"
#include "kernels/simd/lanes_affine.h"

enum { SUBS = 16, SUB_ELEMS = 16, SUPERS = LANES_ALL / SUBS };

static bool q2_k_group(void *dst, const float *src) {
    const struct affine_how how = { SUB_ELEMS, 3, -0.5f, 0.1f, 15, true };
    struct q2_k *b = dst;
    struct lanes_affine s;
    float scales[LANES_ALL], mins[LANES_ALL], d[LANES_ALL], dm[LANES_ALL];
    uint8_t q[SUB_ELEMS * LANES_ALL];
    if (!affine_load(&s, src, SUB_ELEMS))
        return false;
    for (int i = 0; i < SUB_ELEMS; i++) {
        UNROLL for (int g = 0; g < VECS; g++) s.w[i][g] = vf_abs(s.x[i][g]);
    }
    if (!affine_search_lanes(&s, how))
        return false;
    for (int g = 0; g < VECS; g++) {
        vf_store(scales + VL * g, s.scale[g]);
        vf_store(mins + VL * g, -s.min[g]);
    }
    for (int k = 0; k < SUPERS; k++) {
        q2_k_scales(&b[k], scales + SUBS * k, mins + SUBS * k);
        for (int i = 0; i < SUBS; i++) {
            d[SUBS * k + i] = f32_from_f16(b[k].d) * (float)(b[k].scales[i] & 15);
            dm[SUBS * k + i] = f32_from_f16(b[k].dmin) * (float)(b[k].scales[i] >> 4);
        }
    }
    for (int g = 0; g < VECS; g++)
        affine_store_levels(q + SUB_ELEMS * VL * g, SUB_ELEMS, &s, g, 0, vf_load(d + VL * g),
                            vf_load(dm + VL * g), how.max_level);
    for (int k = 0; k < SUPERS; k++)
        twos_pack(b[k].qs, q + SUPER_ELEMS * k);
    return true;
}

void LANES(q2_k_encode)(void *dst, const float *src, size_t blocks) {
    encode_groups(dst, src, blocks, SUPER_ELEMS, sizeof(struct q2_k), SUPERS, q2_k_group,
                  q2_k_encode_c);
}
