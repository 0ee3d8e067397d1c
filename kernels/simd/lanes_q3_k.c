/* SPDX-License-Identifier: Apache-2.0
 * kernels/simd/lanes_q3_k.c - the encoder of q3_k, a sub-block of 16 in each lane. */
#include "kernels/pack.h"
#include "kernels/scalar.h"
#include "kernels/simd/lanes.h"

/* A lane's steps wait for each other: several vectors at once. */
enum { SUBS = 16, SUB_ELEMS = 16, VECS = 4, LANES_ALL = VECS * VL, SUPERS = LANES_ALL / SUBS };
enum { PASSES = 5 };
#define TINY 1e-15f

struct search {
    vf x[SUB_ELEMS][VECS], q[SUB_ELEMS][VECS]; /* q: levels -4..3 */
    vf max[VECS], sum_lx[VECS], sum_l2[VECS];
};

/* As vi_nearest() is exact for all numbers, nothing here needs the portable code. */
INLINE vf level(vf v) {
    return vf_from_int(vi_max(vi_min(vi_nearest(v), vi_set1(3)), vi_set1(-4)));
}

INLINE bool load_subs(struct search *s, int g, const float *src) {
    vi absmax = { 0 };
    for (int i = 0; i < SUB_ELEMS; i += VL) {
        vf columns[VL];
        vf_load_columns(columns, src + (size_t)(SUB_ELEMS * VL * g + i), SUB_ELEMS);
        UNROLL for (int k = 0; k < VL; k++) s->x[i + k][g] = columns[k];
    }
    for (int i = 0; i < SUB_ELEMS; i++)
        absmax = vi_max(absmax, vi_abs_bits(s->x[i][g]));
    s->max[g] = vf_set1(0);
    for (int i = SUB_ELEMS - 1; i >= 0; i--) /* backwards: the first one is then the last written */
        s->max[g] = vf_select(vf_eq(vf_abs(s->x[i][g]), (vf)absmax), s->x[i][g], s->max[g]);
    return !vi_sign_bits((0x7f800000 - 1) - absmax);
}

INLINE void first_levels(struct search *s) {
    vf inverse[VECS];
    UNROLL for (int g = 0; g < VECS; g++) {
        inverse[g] = -4.0f / s->max[g];
        s->sum_lx[g] = s->sum_l2[g] = vf_set1(0);
    }
    for (int i = 0; i < SUB_ELEMS; i++) {
        UNROLL for (int g = 0; g < VECS; g++) {
            const vf x = s->x[i][g], w = x * x, l = level(inverse[g] * x);
            s->q[i][g] = l;
            s->sum_lx[g] += w * x * l;
            s->sum_l2[g] += w * l * l;
        }
    }
}

/* One pass of q3_k_improve(); false: no lane changed. */
INLINE bool improve(struct search *s) {
    const vf zero = vf_set1(0);
    vm changed = vf_lt(zero, zero);
    for (int i = 0; i < SUB_ELEMS; i++) {
        UNROLL for (int g = 0; g < VECS; g++) {
            const vf x = s->x[i][g], w = x * x, wx = w * x, old = s->q[i][g];
            const vf lx = s->sum_lx[g] - wx * old, l2 = s->sum_l2[g] - w * old * old;
            const vf l = level(x * l2 / lx), new_lx = lx + wx * l, new_l2 = l2 + w * l * l;
            const vm other = vm_and(vf_gt(lx, zero), vm_not(vf_eq(l, old)));
            const vm better =
                vf_gt(new_lx * new_lx * s->sum_l2[g], s->sum_lx[g] * s->sum_lx[g] * new_l2);
            const vm take = vm_and(vm_and(other, better), vf_gt(new_l2, zero));
            s->q[i][g] = vf_select(take, l, old);
            s->sum_lx[g] = vf_select(take, new_lx, s->sum_lx[g]);
            s->sum_l2[g] = vf_select(take, new_l2, s->sum_l2[g]);
            changed = vm_or(changed, take);
        }
    }
    return vm_any(changed);
}

INLINE void store_levels(uint8_t *q, const struct search *s, int g, vf d) {
    const vm zero = vf_eq(d, vf_set1(0)), tiny = vf_lt(vf_abs(s->max[g]), vf_set1(TINY));
    vi bytes[4];
    for (int part = 0; part < 4; part++) {
        bytes[part] = vi_set1(0);
        UNROLL for (int i = 0; i < 4; i++) {
            const vf own = s->q[4 * part + i][g], l = level(s->x[4 * part + i][g] / d);
            const vi up = vi_trunc(vf_select(zero, own, l) + 4.0f);
            bytes[part] |= vi_select(vm_and(zero, tiny), vi_set1(0), up) << (8 * i);
        }
    }
    vi_store_columns4(q, SUB_ELEMS, bytes);
}

INLINE void search_scales(struct search *s, float scales[LANES_ALL]) {
    const vf zero = vf_set1(0);
    first_levels(s);
    for (int pass = 0; pass < PASSES && improve(s); pass++)
        ;
    for (int g = 0; g < VECS; g++) {
        const vm none =
            vm_or(vf_lt(vf_abs(s->max[g]), vf_set1(TINY)), vm_not(vf_gt(s->sum_l2[g], zero)));
        vf_store(scales + VL * g, vf_select(none, zero, s->sum_lx[g] / s->sum_l2[g]));
    }
}

static bool q3_k_group(void *dst, const float *src) {
    struct q3_k *b = dst;
    struct search s;
    float scales[LANES_ALL], d[LANES_ALL];
    uint8_t q[SUB_ELEMS * LANES_ALL], sixes[SUBS];
    bool finite = true;
    for (int g = 0; g < VECS; g++)
        finite &= load_subs(&s, g, src);
    if (!finite)
        return false;
    search_scales(&s, scales);
    for (int k = 0; k < SUPERS; k++) {
        b[k].d = q3_k_scales(sixes, scales + SUBS * k);
        scales16_pack(b[k].scales, sixes);
        for (int i = 0; i < SUBS; i++)
            d[SUBS * k + i] = f32_from_f16(b[k].d) * (float)(sixes[i] - 32);
    }
    for (int g = 0; g < VECS; g++)
        store_levels(q + SUB_ELEMS * VL * g, &s, g, vf_load(d + VL * g));
    for (int k = 0; k < SUPERS; k++) {
        twos_pack(b[k].qs, q + SUPER_ELEMS * k);
        top_bits_pack(b[k].hmask, q + SUPER_ELEMS * k, 4);
    }
    return true;
}

void LANES(q3_k_encode)(void *dst, const float *src, size_t blocks) {
    encode_groups(dst, src, blocks, SUPER_ELEMS, sizeof(struct q3_k), SUPERS, q3_k_group,
                  q3_k_encode_c);
}
