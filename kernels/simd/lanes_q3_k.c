/* SPDX-License-Identifier: Apache-2.0
 * kernels/simd/lanes_q3_k.c - the encoder of q3_k, a sub-block of 16 in each lane. */
#include "kernels/q3_k.h"
#include "kernels/simd/lanes_symmetric.h"

enum { SUBS = Q3_K_SUBS, SUB_ELEMS = Q3_K_SUB, VECS = SUBS / VL };
#define TINY   1e-15f
#define RAISED 12582912.0f /* what vi_nearest() adds */

struct search {
    vf x[SUB_ELEMS];
    vf lx[SUB_ELEMS], l2[SUB_ELEMS]; /* what each adds to the sums */
    vf q[SUB_ELEMS];                 /* levels -4..3, plus RAISED */
    vf max, sum_lx, sum_l2;
};

/* The level of @v, raised. As vi_nearest() it is exact for all numbers: nothing here needs the
 * portable code. */
INLINE vf raised_level(vf v) {
    const vi l = (vi)(v + RAISED) & 0x7fffff;
    return (vf)(vi_max(vi_min(l, vi_set1(0x400003)), vi_set1(0x3ffffc)) | (vi)vf_set1(0x1p23f));
}

INLINE bool load_subs(struct search *s, const float *src) {
    for (int i = 0; i < SUB_ELEMS; i += VL)
        vf_load_columns(s->x + i, src + i, SUB_ELEMS);
    return first_absmax_lanes(&s->max, s->x, SUB_ELEMS);
}

INLINE void first_levels(struct search *s) {
    const vf inverse = -4.0f / s->max;
    s->sum_lx = s->sum_l2 = vf_set1(0);
    UNROLL for (int i = 0; i < SUB_ELEMS; i++) {
        const vf x = s->x[i], w = x * x;
        s->q[i] = raised_level(inverse * x);
        const vf l = s->q[i] - RAISED;
        s->lx[i] = w * x * l;
        s->l2[i] = w * l * l;
        s->sum_lx += s->lx[i];
        s->sum_l2 += s->l2[i];
    }
}

/* Gives element @i another level, in the lanes of @other, where that is better; false: nowhere. */
INLINE bool take_level(struct search *s, int i, vf raised, vm other) {
    const vf x = s->x[i], w = x * x, level = raised - RAISED;
    const vf own_lx = w * x * level, own_l2 = w * level * level;
    const vf lx = s->sum_lx - s->lx[i] + own_lx, l2 = s->sum_l2 - s->l2[i] + own_l2;
    const vm better = vf_gt(lx * lx * s->sum_l2, s->sum_lx * s->sum_lx * l2);
    const vm take = vm_and(vm_and(other, better), vf_gt(l2, vf_set1(0)));
    s->q[i] = vf_select(take, raised, s->q[i]);
    s->lx[i] = vf_select(take, own_lx, s->lx[i]);
    s->l2[i] = vf_select(take, own_l2, s->l2[i]);
    s->sum_lx = vf_select(take, lx, s->sum_lx);
    s->sum_l2 = vf_select(take, l2, s->sum_l2);
    return vm_any(take);
}

/* One pass of q3_k_improve(); false: no lane changed. Few elements want another level: as long as
 * none does, the sums stay, and no step waits for the one before it. */
INLINE bool improve(struct search *s) {
    bool changed = false;
    UNROLL for (int i = 0; i < SUB_ELEMS; i++) {
        const vf lx = s->sum_lx - s->lx[i], l2 = s->sum_l2 - s->l2[i];
        const vf l = raised_level(s->x[i] * l2 / lx);
        const vm other = vm_and(vf_gt(lx, vf_set1(0)), vm_not(vf_eq(l, s->q[i])));
        if (vm_any(other))
            changed |= take_level(s, i, l, other);
    }
    return changed;
}

INLINE vf search_scales(struct search *s) {
    const vf zero = vf_set1(0);
    first_levels(s);
    for (int pass = 0; pass < Q3_K_PASSES && improve(s); pass++)
        ;
    const vm none =
        vm_or(vf_lt(vf_abs(s->max), vf_set1(Q3_K_TINY)), vm_not(vf_gt(s->sum_l2, zero)));
    return vf_select(none, zero, s->sum_lx / s->sum_l2);
}

/* Levels by the rounded scales @d; the search's own where that is 0. */
INLINE void store_levels(uint8_t *q, const struct search *s, vf d) {
    const vm zero = vf_eq(d, vf_set1(0)), tiny = vf_lt(vf_abs(s->max), vf_set1(Q3_K_TINY));
    vi bytes[4];
    for (int part = 0; part < 4; part++) {
        bytes[part] = vi_set1(0);
        UNROLL for (int i = 0; i < 4; i++) {
            const vf own = s->q[4 * part + i], l = raised_level(s->x[4 * part + i] / d);
            const vi up = (vi)vf_select(zero, own, l) - ((vi)vf_set1(RAISED) - 4);
            bytes[part] |= vi_select(vm_and(zero, tiny), vi_set1(0), up) << (8 * i);
        }
    }
    vi_store_columns4(q, SUB_ELEMS, bytes);
}

static bool q3_k_group(void *dst, const float *src) {
    struct q3_k *b = dst;
    struct search s[VECS];
    float scales[SUBS];
    uint8_t q[SUPER_ELEMS], sixes[SUBS];
    bool finite = true;
    for (int g = 0; g < VECS; g++)
        finite &= load_subs(&s[g], src + SUB_ELEMS * VL * g);
    if (!finite)
        return false;
    for (int g = 0; g < VECS; g++)
        vf_store(scales + VL * g, search_scales(&s[g]));
    b->d = q3_k_scales(sixes, scales);
    scales16_pack(b->scales, sixes);
    for (int i = 0; i < SUBS; i++)
        scales[i] = f32_from_f16(b->d) * (float)(sixes[i] - 32);
    for (int g = 0; g < VECS; g++)
        store_levels(q + SUB_ELEMS * VL * g, &s[g], vf_load(scales + VL * g));
    twos_pack(b->qs, q);
    top_bits_pack(b->hmask, q, 4);
    return true;
}

void LANES(q3_k_encode)(void *dst, const float *src, size_t blocks) {
    encode_groups(dst, src, blocks, SUPER_ELEMS, sizeof(struct q3_k), 1, q3_k_group, q3_k_encode_c);
}
