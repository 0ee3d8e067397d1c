/* SPDX-License-Identifier: Apache-2.0
 * kernels/simd/lanes_symmetric.c - the encoders of q4_0, q5_0 and q3_k with importance data. */
#include "kernels/pack.h"
#include "kernels/q3_k.h"
#include "kernels/simd/lanes_symmetric.h"
#include "kernels/simd/lanes_weighted.h"

/* VL sub-blocks of @elems; weights by importance, @mean of each lane. */
INLINE void load_weighted(struct lanes_symmetric *s, const float *src, const float *importance,
                          vf mean, int elems) {
    for (int i = 0; i < elems; i += VL) {
        vf columns[VL];
        vf_load_columns(s->x + i, src + i, (size_t)elems);
        vf_load_columns(columns, importance + i, (size_t)elems);
        UNROLL for (int k = 0; k < VL; k++) {
            const vf x = s->x[i + k];
            s->w[i + k] = columns[k] * vf_sqrt(mean + x * x);
        }
    }
}

/* Four bits of 32 elements in each lane, as 16 bytes a lane; @top gets the fifth ones. */
INLINE void pack_nibbles(uint8_t out[16 * VL], const struct lanes_symmetric *s, int max_level,
                         vi *top) {
    vi words[4];
    *top = vi_set1(0);
    for (int part = 0; part < 4; part++) {
        words[part] = vi_set1(0);
        for (int i = 0; i < 4; i++) {
            const int at = 4 * part + i;
            const vi low = symmetric_own_level(s, at, max_level);
            const vi high = symmetric_own_level(s, at + 16, max_level);
            words[part] |= ((low & 15) | (high & 15) << 4) << (8 * i);
            *top |= (low >> 4) << at | (high >> 4) << (at + 16);
        }
    }
    vi_store_columns4(out, 16, words);
}

static bool q4_0_weighted(void *dst, const float *src, const float *importance,
                          const float *mean_square) {
    struct q4_0 *b = dst;
    struct lanes_symmetric s;
    float scales[VL];
    uint8_t nibbles[16 * VL];
    vi top;
    load_weighted(&s, src, importance, vf_load(mean_square), Q4_0_ELEMS);
    symmetric_search_lanes(&s, Q4_0_ELEMS, 8);
    pack_nibbles(nibbles, &s, 8, &top);
    vf_store(scales, s.scale);
    for (int k = 0; k < VL; k++) {
        b[k].d = f16_from_scale(scales[k]);
        memcpy(b[k].qs, nibbles + 16 * k, 16);
    }
    return true;
}

static bool q5_0_weighted(void *dst, const float *src, const float *importance,
                          const float *mean_square) {
    struct q5_0 *b = dst;
    struct lanes_symmetric s;
    float scales[VL];
    uint32_t tops[VL];
    uint8_t nibbles[16 * VL];
    vi top;
    load_weighted(&s, src, importance, vf_load(mean_square), Q5_0_ELEMS);
    symmetric_search_lanes(&s, Q5_0_ELEMS, 16);
    pack_nibbles(nibbles, &s, 16, &top);
    vf_store(scales, s.scale);
    vi_store(tops, top);
    for (int k = 0; k < VL; k++) {
        b[k].d = f16_from_scale(scales[k]);
        b[k].qh = tops[k];
        memcpy(b[k].qs, nibbles + 16 * k, 16);
    }
    return true;
}

/* Super-blocks of q3_k: one to a lane when their scales are searched for scales. */
struct q3_k_group {
    float scales[VL * Q3_K_SUBS], sum_w[VL * Q3_K_SUBS];
    uint8_t q[VL * SUPER_ELEMS], sixes[VL * Q3_K_SUBS];
    half d[VL];
};

/* The scales of VL sub-blocks, their weights' sums, and their levels for where a scale will be 0.
 */
INLINE void q3_k_search_subs(struct q3_k_group *group, int first, const float *src,
                             const float *importance, vf mean) {
    struct lanes_symmetric s;
    vf sum_w = vf_set1(0);
    vi bytes[4];
    load_weighted(&s, src, importance, mean, Q3_K_SUB);
    for (int i = 0; i < Q3_K_SUB; i++)
        sum_w += s.w[i];
    symmetric_search_lanes(&s, Q3_K_SUB, Q3_K_MAX);
    vf_store(group->scales + first, s.scale);
    vf_store(group->sum_w + first, sum_w);
    for (int part = 0; part < 4; part++) {
        bytes[part] = vi_set1(0);
        for (int i = 0; i < 4; i++)
            bytes[part] |= symmetric_own_level(&s, 4 * part + i, Q3_K_MAX) << (8 * i);
    }
    vi_store_columns4(group->q + Q3_K_SUB * first, Q3_K_SUB, bytes);
}

INLINE void q3_k_search_scales(struct q3_k_group *group) {
    struct lanes_symmetric s;
    float scales[VL];
    vi bytes[4];
    for (int i = 0; i < Q3_K_SUBS; i += VL) {
        vf_load_columns(s.x + i, group->scales + i, Q3_K_SUBS);
        vf_load_columns(s.w + i, group->sum_w + i, Q3_K_SUBS);
    }
    symmetric_search_lanes(&s, Q3_K_SUBS, 32);
    for (int part = 0; part < 4; part++) {
        bytes[part] = vi_set1(0);
        for (int i = 0; i < 4; i++)
            bytes[part] |= symmetric_own_level(&s, 4 * part + i, 32) << (8 * i);
    }
    vi_store_columns4(group->sixes, Q3_K_SUBS, bytes);
    vf_store(scales, s.scale);
    for (int k = 0; k < VL; k++)
        group->d[k] = f16_from_scale(scales[k]);
}

/* The levels of VL sub-blocks by their rounded scales. */
INLINE void q3_k_round_subs(struct q3_k_group *group, int first, const float *src) {
    float d[VL];
    vf x[Q3_K_SUB];
    vi bytes[4];
    for (int k = 0; k < VL; k++)
        d[k] =
            f32_from_f16(group->d[(first + k) / Q3_K_SUBS]) * (float)(group->sixes[first + k] - 32);
    const vf scale = vf_load(d);
    const uint32_t zero = vm_bits(vf_eq(scale, vf_set1(0)));
    uint8_t q[Q3_K_SUB * VL], *out = group->q + Q3_K_SUB * first;
    for (int i = 0; i < Q3_K_SUB; i += VL)
        vf_load_columns(x + i, src + i, Q3_K_SUB);
    for (int part = 0; part < 4; part++) {
        bytes[part] = vi_set1(0);
        for (int i = 0; i < 4; i++) {
            const vi l = vi_nearest(x[4 * part + i] / scale);
            const vi level = vi_max(vi_min(l, vi_set1(Q3_K_MAX - 1)), vi_set1(-Q3_K_MAX));
            bytes[part] |= (level + Q3_K_MAX) << (8 * i);
        }
    }
    vi_store_columns4(q, Q3_K_SUB, bytes);
    for (int k = 0; k < VL; k++)
        if (!(zero >> k & 1))
            memcpy(out + Q3_K_SUB * k, q + Q3_K_SUB * k, Q3_K_SUB);
}

static bool q3_k_weighted(void *dst, const float *src, const float *importance,
                          const float *mean_square) {
    struct q3_k *b = dst;
    struct q3_k_group group;
    float mean[VL], means[VL * Q3_K_SUBS];
    (void)mean_square; /* the row's; this takes the super-block's */
    super_mean_squares(mean, src, VL, 2);
    for (int i = 0; i < VL * Q3_K_SUBS; i++)
        means[i] = mean[i / Q3_K_SUBS];
    for (int i = 0; i < VL * Q3_K_SUBS; i += VL)
        q3_k_search_subs(&group, i, src + Q3_K_SUB * i, importance + Q3_K_SUB * i,
                         vf_load(means + i));
    if (!LANES(f32_all_finite)(group.scales, VL * Q3_K_SUBS)) /* sums were infinite */
        return false;
    q3_k_search_scales(&group);
    for (int i = 0; i < VL * Q3_K_SUBS; i += VL)
        q3_k_round_subs(&group, i, src + Q3_K_SUB * i);
    for (int k = 0; k < VL; k++) {
        b[k].d = group.d[k];
        scales16_pack(b[k].scales, group.sixes + Q3_K_SUBS * k);
        twos_pack(b[k].qs, group.q + SUPER_ELEMS * k);
        top_bits_pack(b[k].hmask, group.q + SUPER_ELEMS * k, 4);
    }
    return true;
}

void LANES(q4_0_encode_weighted)(void *dst, const float *src, const float *importance, size_t rows,
                                 size_t row_elems) {
    const struct weighted_job job = { Q4_0_ELEMS, sizeof(struct q4_0), VL,
                                      true,       q4_0_weighted,       q4_0_encode_weighted_c };
    encode_weighted_groups(&job, dst, src, importance, rows, row_elems);
}

void LANES(q5_0_encode_weighted)(void *dst, const float *src, const float *importance, size_t rows,
                                 size_t row_elems) {
    const struct weighted_job job = { Q5_0_ELEMS, sizeof(struct q5_0), VL,
                                      true,       q5_0_weighted,       q5_0_encode_weighted_c };
    encode_weighted_groups(&job, dst, src, importance, rows, row_elems);
}

void LANES(q3_k_encode_weighted)(void *dst, const float *src, const float *importance, size_t rows,
                                 size_t row_elems) {
    const struct weighted_job job = { SUPER_ELEMS, sizeof(struct q3_k), VL,
                                      false,       q3_k_weighted,       q3_k_encode_weighted_c };
    encode_weighted_groups(&job, dst, src, importance, rows, row_elems);
}
