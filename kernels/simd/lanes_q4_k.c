/* SPDX-License-Identifier: Apache-2.0
 * kernels/simd/lanes_q4_k.c - the encoders of q4_k and q5_k, a sub-block of 32 in each lane. */
#include "kernels/pack.h"
#include "kernels/simd/lanes_affine.h"

enum { SUBS = 8, SUB_ELEMS = 32, SUPERS = LANES_ALL / SUBS };

struct supers {
    struct affine_super of[SUPERS];
    uint8_t q[SUPERS * SUPER_ELEMS];
};

/* affine_weights() */
INLINE void lanes_weights(struct lanes_affine *s) {
    vf mean[VECS];
    UNROLL for (int g = 0; g < VECS; g++) mean[g] = vf_set1(0);
    for (int i = 0; i < SUB_ELEMS; i++) {
        UNROLL for (int g = 0; g < VECS; g++) mean[g] += s->x[i][g] * s->x[i][g];
    }
    UNROLL for (int g = 0; g < VECS; g++) {
        mean[g] = vf_sqrt(mean[g] / (float)SUB_ELEMS);
    }
    for (int i = 0; i < SUB_ELEMS; i++) {
        UNROLL for (int g = 0; g < VECS; g++) s->w[i][g] = mean[g] + vf_abs(s->x[i][g]);
    }
}

INLINE bool encode_supers(struct supers *out, const float *src, struct affine_how how) {
    struct lanes_affine s;
    float scales[LANES_ALL], mins[LANES_ALL], d[LANES_ALL], dm[LANES_ALL];
    if (!affine_load(&s, src, SUB_ELEMS))
        return false;
    lanes_weights(&s);
    if (!affine_search_lanes(&s, how))
        return false;
    for (int g = 0; g < VECS; g++) {
        vf_store(scales + VL * g, s.scale[g]);
        vf_store(mins + VL * g, -s.min[g]);
    }
    for (int k = 0; k < SUPERS; k++) {
        struct affine_super *super = &out->of[k];
        *super = affine_finish(scales + SUBS * k, mins + SUBS * k);
        for (int i = 0; i < SUBS; i++) {
            d[SUBS * k + i] = f32_from_f16(super->d) * super->scales[i];
            dm[SUBS * k + i] = f32_from_f16(super->dmin) * super->mins[i];
        }
    }
    for (int g = 0; g < VECS; g++) {
        for (int first = 0; first < SUB_ELEMS; first += 16)
            affine_store_levels(out->q + SUB_ELEMS * VL * g + first, SUB_ELEMS, &s, g, first,
                                vf_load(d + VL * g), vf_load(dm + VL * g), how.max_level);
    }
    return true;
}

static bool q4_k_group(void *dst, const float *src) {
    struct q4_k *b = dst;
    struct supers supers;
    if (!encode_supers(&supers, src, (struct affine_how){ SUB_ELEMS, 15, -1.0f, 0.1f, 20, false }))
        return false;
    for (int k = 0; k < SUPERS; k++, b++) {
        b->d = supers.of[k].d;
        b->dmin = supers.of[k].dmin;
        scales_pack(b->scales, supers.of[k].scales, supers.of[k].mins);
        fours_pack(b->qs, supers.q + SUPER_ELEMS * k);
    }
    return true;
}

static bool q5_k_group(void *dst, const float *src) {
    struct q5_k *b = dst;
    struct supers supers;
    if (!encode_supers(&supers, src, (struct affine_how){ SUB_ELEMS, 31, -0.5f, 0.1f, 15, false }))
        return false;
    for (int k = 0; k < SUPERS; k++, b++) {
        b->d = supers.of[k].d;
        b->dmin = supers.of[k].dmin;
        scales_pack(b->scales, supers.of[k].scales, supers.of[k].mins);
        fours_pack(b->qs, supers.q + SUPER_ELEMS * k);
        top_bits_pack(b->qh, supers.q + SUPER_ELEMS * k, 16);
    }
    return true;
}

void LANES(q4_k_encode)(void *dst, const float *src, size_t blocks) {
    encode_groups(dst, src, blocks, SUPER_ELEMS, sizeof(struct q4_k), SUPERS, q4_k_group,
                  q4_k_encode_c);
}

void LANES(q5_k_encode)(void *dst, const float *src, size_t blocks) {
    encode_groups(dst, src, blocks, SUPER_ELEMS, sizeof(struct q5_k), SUPERS, q5_k_group,
                  q5_k_encode_c);
}
