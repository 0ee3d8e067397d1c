/* SPDX-License-Identifier: Apache-2.0
 * kernels/simd/lanes_q3_k.c - the encoder of q3_k: first levels with a sub-block of 16 in each
 * lane; then the few sub-blocks whose levels can be improved (lanes_q3_k_improve.h). */
#include "kernels/pack.h"
#include "kernels/simd/lanes_q3_k_improve.h"

/* Magnitudes of max between which struct sums is right: products of three elements neither overflow
 * nor lose digits. */
#define LEAST_MAX 1e-10f
#define MOST_MAX  1e10f

/* Sums and scales of VL sub-blocks from @first on by their first levels, and which to improve.
 * Where max is positive no product of element and level is: each is at least their sum, and
 * q3_k_improve() finds no lx > 0. False: the portable code must. */
INLINE bool first_scales(struct subs *to, const float *src, int first) {
    vf x[SUB_ELEMS], near[SUB_ELEMS], own_lx[SUB_ELEMS];
    vf max, sum_lx = vf_set1(0), sum_l2 = vf_set1(0);
    vi wants = vi_set1(0);
    for (int i = 0; i < SUB_ELEMS; i += VL)
        vf_load_columns(x + i, src + SUB_ELEMS * first + i, SUB_ELEMS);
    const bool finite = first_absmax_lanes(&max, x, SUB_ELEMS);
    const vf inverse = (float)-Q3_K_MAX / max;
    _Pragma("GCC unroll 4") for (int i = 0; i < SUB_ELEMS; i++) {
        near[i] = vf_rint(inverse * x[i]);
        const vf w = x[i] * x[i], q = symmetric_clamp(near[i], Q3_K_MAX);
        own_lx[i] = w * x[i] * q;
        sum_lx += own_lx[i];
        sum_l2 += w * q * q;
    }
    /* A level that was clamped does not change as long as the one before is near. */
    const struct sums s = sums_of(sum_lx, sum_l2);
    _Pragma("GCC unroll 4") for (int i = SUB_ELEMS - 1; i >= 0; i--) {
        const vf spare = spare_lx(&s, twice_apart(&s, x[i], near[i]), own_lx[i]);
        wants = wants + wants - ((vi)spare >> 31); /* the sign becomes bit i */
    }
    const vm tiny = vf_lt(vf_abs(max), vf_set1(Q3_K_TINY));
    const vm none = vm_or(tiny, vm_not(vf_gt(sum_l2, vf_set1(0))));
    const vm negative = vm_and(vf_lt(max, vf_set1(0)), vm_not(tiny));
    const vm in_range = vm_and(vf_lt(max, vf_set1(-LEAST_MAX)), vf_gt(max, vf_set1(-MOST_MAX)));
    const vm listed = vm_and(negative, vm_not(vi_eq(wants, vi_set1(0))));
    vf_store(to->inverse + first, inverse);
    vf_store(to->sum_lx + first, sum_lx);
    vf_store(to->sum_l2 + first, sum_l2);
    vf_store(to->scales + first, vf_select(none, vf_set1(0), sum_lx / sum_l2));
    vi_store(to->wants + first, wants);
    to->listed[first / 64] |= (uint64_t)vm_bits(listed) << (first % 64);
    return finite && !vm_any(vm_and(negative, vm_not(in_range)));
}

/* q3_k_scales(); @scales become what they are once rounded. False: none of them is 0. */
INLINE bool round_scales(struct q3_k *b, float *scales) {
    const float max = first_absmax16(scales), inverse = -32 / max;
    uint8_t sixes[Q3_K_SUBS];
    vi up[16 / VL];
    vm zero = vf_lt(vf_set1(0), vf_set1(0));
    if (max == 0) {
        b->d = 0;
        memset(b->scales, 0, sizeof b->scales);
        memset(scales, 0, Q3_K_SUBS * sizeof *scales);
        return true;
    }
    b->d = f16_from_f32(1 / inverse);
    UNROLL for (int v = 0; v < 16 / VL; v++) {
        const vi byte = vi_nearest(inverse * vf_load(scales + VL * v)) & 255;
        const vi l = vi_max(vi_min((byte ^ 128) - 128, vi_set1(31)), vi_set1(-32));
        const vf d = vf_set1_f16(b->d) * vf_from_int(l);
        zero = vm_or(zero, vf_eq(d, vf_set1(0)));
        vf_store(scales + VL * v, d);
        up[v] = l + 32;
    }
    vi_store16_u8(sixes, up);
    scales16_pack(b->scales, sixes);
    return vm_any(zero);
}

/* The levels of a super-block by the rounded scales; the search's own where that is 0. */
INLINE void find_levels(uint8_t *q, const float *x, const float *scales, bool some_zero) {
    enum { BOTH = 2 * SUB_ELEMS / VL };
    for (int s = 0; s < Q3_K_SUBS; s += 2) {
        vi l[BOTH];
        UNROLL for (int v = 0; v < BOTH; v++) l[v] =
            raised_level(vf_load(x + SUB_ELEMS * s + VL * v) / scales[s + v / (BOTH / 2)]);
        vi_store32_s8(q + SUB_ELEMS * s, l);
    }
    for (int s = 0; some_zero && s < Q3_K_SUBS; s++)
        if (scales[s] == 0)
            q3_k_search_plain(x + SUB_ELEMS * s, q + SUB_ELEMS * s);
}

static bool q3_k_group(struct q3_k *b, const float *src, int supers) {
    struct subs subs;
    memset(subs.listed, 0, sizeof subs.listed);
    for (int s = 0; s < Q3_K_SUBS * supers; s += VL)
        if (!first_scales(&subs, src, s))
            return false;
    improve_scales(&subs, src);
    for (int k = 0; k < supers; k++, b++, src += SUPER_ELEMS) {
        float *scales = subs.scales + Q3_K_SUBS * k;
        uint8_t q[SUPER_ELEMS];
        const bool some_zero = round_scales(b, scales);
        find_levels(q, src, scales, some_zero);
        twos_pack(b->qs, q);
        top_bits_pack(b->hmask, q, 4);
    }
    return true;
}

/* Of a group that cannot be done, the portable code gets those that cannot be done alone. */
void LANES(q3_k_encode)(void *dst, const float *src, size_t blocks) {
    struct q3_k *b = dst;
    for (size_t n; blocks > 0; blocks -= n, b += n, src += n * SUPER_ELEMS) {
        n = blocks < SUPERS ? blocks : SUPERS;
        if (q3_k_group(b, src, (int)n))
            continue;
        for (size_t i = 0; i < n; i++)
            if (n == 1 || !q3_k_group(b + i, src + SUPER_ELEMS * i, 1))
                q3_k_encode_c(b + i, src + SUPER_ELEMS * i, 1);
    }
}
