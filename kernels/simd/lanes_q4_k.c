/* SPDX-License-Identifier: Apache-2.0
 * kernels/simd/lanes_q4_k.c - the encoders of q4_k and q5_k, a sub-block of 32 in each lane. */
#include "kernels/pack.h"
#include "kernels/simd/lanes_affine.h"
#include "kernels/simd/lanes_weighted.h"

enum { SUBS = 8, SUB_ELEMS = 32, SUPERS = LANES_ALL / SUBS };

struct supers {
    half d[VL], dmin[VL]; /* the first SUPERS count */
    uint8_t scales[LANES_ALL], mins[LANES_ALL];
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

/* affine_finish() for scales or mins: their common factors @d, and each in six bits. */
INLINE void round_answers(half d[VL], uint8_t sixes[LANES_ALL], const float *answers) {
    float max[VL] = { 0 }, inverse[VL];
    int32_t l[LANES_ALL];
    for (int k = 0; k < SUPERS; k++) {
        for (int i = SUBS * k; i < SUBS * (k + 1); i++)
            max[k] = answers[i] > max[k] ? answers[i] : max[k];
    }
    const vf most = vf_load(max), zero = vf_set1(0);
    vf_store(inverse, vf_select(vf_gt(most, zero), 63.0f / most, zero));
    vf_store_f16(d, most / 63.0f);
    for (int i = 0; i < LANES_ALL; i++)
        l[i] = int_nearest(inverse[i / SUBS] * answers[i]) & 255;
    for (int i = 0; i < LANES_ALL; i++)
        sixes[i] = (uint8_t)(l[i] < 63 ? l[i] : 63);
}

/* What the answers are once rounded. */
INLINE void rounded_answers(float *out, const half *d, const uint8_t *sixes) {
    float scale[VL];
    vf_store(scale, vf_load_f16(d));
    for (int i = 0; i < LANES_ALL; i++)
        out[i] = scale[i / SUBS] * (float)sixes[i];
}

INLINE void find_levels(struct supers *out, const struct lanes_affine *s, int max_level) {
    float d[LANES_ALL], dm[LANES_ALL];
    rounded_answers(d, out->d, out->scales);
    rounded_answers(dm, out->dmin, out->mins);
    for (int g = 0; g < VECS; g++) {
        for (int first = 0; first < SUB_ELEMS; first += 16)
            affine_store_levels(out->q + SUB_ELEMS * VL * g + first, SUB_ELEMS, s, g, first,
                                vf_load(d + VL * g), vf_load(dm + VL * g), max_level);
    }
}

INLINE bool encode_supers(struct supers *out, const float *src, struct affine_how how) {
    struct lanes_affine s;
    float scales[LANES_ALL], mins[LANES_ALL];
    affine_load(&s, src, SUB_ELEMS);
    lanes_weights(&s);
    if (!affine_search_lanes(&s, how))
        return false;
    affine_store_answers(&s, scales, mins);
    round_answers(out->d, out->scales, scales);
    round_answers(out->dmin, out->mins, mins);
    find_levels(out, &s, how.max_level);
    return true;
}

INLINE bool encode_supers_weighted(struct supers *out, const float *src, const float *importance,
                                   struct affine_how how) {
    struct lanes_affine s;
    float scales[LANES_ALL], mins[LANES_ALL], sum_w[LANES_ALL], mean[SUPERS], means[LANES_ALL];
    affine_load(&s, src, SUB_ELEMS);
    super_mean_squares(mean, src, SUPERS, 2);
    for (int i = 0; i < LANES_ALL; i++)
        means[i] = mean[i / SUBS];
    affine_load_weights(&s, importance, means, SUB_ELEMS);
    if (!affine_search_lanes(&s, how))
        return false;
    affine_store_answers(&s, scales, mins);
    for (int g = 0; g < VECS; g++)
        vf_store(sum_w + VL * g, s.sum_w[g]);
    for (int k = 0; k < SUPERS; k++) {
        const int i = SUBS * k;
        const struct affine_super super =
            affine_finish_weighted(scales + i, mins + i, sum_w + i, how.max_level > 15);
        out->d[k] = super.d;
        out->dmin[k] = super.dmin;
        memcpy(out->scales + i, super.scales, SUBS);
        memcpy(out->mins + i, super.mins, SUBS);
    }
    find_levels(out, &s, how.max_level);
    return true;
}

INLINE void store_q4_k(struct q4_k *b, const struct supers *supers) {
    for (int k = 0; k < SUPERS; k++, b++) {
        b->d = supers->d[k];
        b->dmin = supers->dmin[k];
        scales_pack(b->scales, supers->scales + SUBS * k, supers->mins + SUBS * k);
        fours_pack(b->qs, supers->q + SUPER_ELEMS * k);
    }
}

INLINE void store_q5_k(struct q5_k *b, const struct supers *supers) {
    for (int k = 0; k < SUPERS; k++, b++) {
        b->d = supers->d[k];
        b->dmin = supers->dmin[k];
        scales_pack(b->scales, supers->scales + SUBS * k, supers->mins + SUBS * k);
        fours_pack(b->qs, supers->q + SUPER_ELEMS * k);
        top_bits_pack(b->qh, supers->q + SUPER_ELEMS * k, 16);
    }
}

static bool q4_k_group(void *dst, const float *src) {
    struct supers supers;
    if (!encode_supers(&supers, src, (struct affine_how){ SUB_ELEMS, 15, -1.0f, 0.1f, 20, false }))
        return false;
    store_q4_k(dst, &supers);
    return true;
}

static bool q5_k_group(void *dst, const float *src) {
    struct supers supers;
    if (!encode_supers(&supers, src, (struct affine_how){ SUB_ELEMS, 31, -0.5f, 0.1f, 15, false }))
        return false;
    store_q5_k(dst, &supers);
    return true;
}

static bool q4_k_weighted(void *dst, const float *src, const float *importance,
                          const float *mean_square) {
    const struct affine_how how = { SUB_ELEMS, 15, -0.9f, 0.05f, 36, false };
    struct supers supers;
    (void)mean_square; /* the row's; this takes the super-block's */
    if (!encode_supers_weighted(&supers, src, importance, how))
        return false;
    store_q4_k(dst, &supers);
    return true;
}

static bool q5_k_weighted(void *dst, const float *src, const float *importance,
                          const float *mean_square) {
    const struct affine_how how = { SUB_ELEMS, 31, -0.9f, 0.05f, 36, false };
    struct supers supers;
    (void)mean_square;
    if (!encode_supers_weighted(&supers, src, importance, how))
        return false;
    store_q5_k(dst, &supers);
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

void LANES(q4_k_encode_weighted)(void *dst, const float *src, const float *importance, size_t rows,
                                 size_t row_elems) {
    const struct weighted_job job = { SUPER_ELEMS, sizeof(struct q4_k), SUPERS,
                                      false,       q4_k_weighted,       q4_k_encode_weighted_c };
    encode_weighted_groups(&job, dst, src, importance, rows, row_elems);
}

void LANES(q5_k_encode_weighted)(void *dst, const float *src, const float *importance, size_t rows,
                                 size_t row_elems) {
    const struct weighted_job job = { SUPER_ELEMS, sizeof(struct q5_k), SUPERS,
                                      false,       q5_k_weighted,       q5_k_encode_weighted_c };
    encode_weighted_groups(&job, dst, src, importance, rows, row_elems);
}
