/* SPDX-License-Identifier: Apache-2.0
 * kernels/simd/lanes_q3_k.c - the encoder of q3_k: first levels with a sub-block of 16 in each
 * lane; then the few sub-blocks whose levels can be improved, an element in each lane. */
#include "kernels/pack.h"
#include "kernels/q3_k.h"
#include "kernels/simd/lanes_symmetric.h"

/* Super-blocks in a group, and sub-blocks improved together, which hides latency. */
enum { SUPERS = 4, SUBS = SUPERS * Q3_K_SUBS, SUB_ELEMS = Q3_K_SUB, TOGETHER = 4 };

/* Magnitudes of max between which struct sums is right: products of three elements neither overflow
 * nor lose digits. */
#define LEAST_MAX 1e-10f
#define MOST_MAX  1e10f

struct group {
    float max[SUBS], sum_lx[SUBS], sum_l2[SUBS], scales[SUBS];
    uint8_t listed[SUBS + TOGETHER]; /* sub-blocks that can be improved */
    int count;
};

/* A sub-block of the list, on its way through the passes of q3_k_improve(). Elements are bits. */
struct row {
    float x[SUB_ELEMS], wx[SUB_ELEMS], q[SUB_ELEMS], sum_lx, sum_l2;
    uint32_t after; /* elements that the pass has not come to */
    int left;       /* passes after it */
    bool changed;   /* in this pass */
};

/* The level of @v, plus Q3_K_MAX. As int_nearest() it is exact for all numbers. */
INLINE vi raised_level(vf v) {
    const vi low = vi_set1(-Q3_K_MAX), high = vi_set1(Q3_K_MAX - 1);
    return vi_max(vi_min(vi_nearest(v), high), low) + Q3_K_MAX;
}

/* Whether q3_k_improve() may find that an element wants another level than @near; false is sure.
 * No quotient is taken: with lx and l2 the sums without the element, x * l2 / lx is more than a
 * half from q where x * sum_l2 - q * sum_lx is more than lx / 2, as x * l2 loses what q * lx loses.
 * The rounding errors of that are below 2^-18 of sum_lx, and this asks for 2^-12 less. */
struct sums {
    vf lx, twice_lx, twice_l2;
};

INLINE struct sums sums_of(vf sum_lx, vf sum_l2) {
    return (struct sums){ sum_lx * (1 - 0x1p-12f), sum_lx * 2.001f, sum_l2 * 2.001f };
}

INLINE vf twice_apart(const struct sums *s, vf x, vf q) {
    return x * s->twice_l2 - q * s->twice_lx;
}

/* Sums and scales of VL sub-blocks from @first on by their first levels, and which to improve.
 * Where max is positive no product of element and level is: each is at least their sum, and
 * q3_k_improve() finds no lx > 0. False: the portable code must. */
INLINE bool first_scales(struct group *g, const float *src, int first) {
    vf x[SUB_ELEMS], near[SUB_ELEMS], own_lx[SUB_ELEMS];
    vf max, sum_lx = vf_set1(0), sum_l2 = vf_set1(0), most = vf_set1(0);
    for (int i = 0; i < SUB_ELEMS; i += VL)
        vf_load_columns(x + i, src + SUB_ELEMS * first + i, SUB_ELEMS);
    const bool finite = first_absmax_lanes(&max, x, SUB_ELEMS);
    const vf inverse = (float)-Q3_K_MAX / max;
    UNROLL for (int i = 0; i < SUB_ELEMS; i++) {
        near[i] = vf_rint(inverse * x[i]);
        const vf w = x[i] * x[i], q = symmetric_clamp(near[i], Q3_K_MAX);
        own_lx[i] = w * x[i] * q;
        sum_lx += own_lx[i];
        sum_l2 += w * q * q;
    }
    /* A level that was clamped does not change as long as the one before is near. */
    const struct sums s = sums_of(sum_lx, sum_l2);
    UNROLL for (int i = 0; i < SUB_ELEMS; i++) most =
        vf_max(vf_abs(twice_apart(&s, x[i], near[i])) + own_lx[i], most);
    vf_store(g->max + first, max);
    vf_store(g->sum_lx + first, sum_lx);
    vf_store(g->sum_l2 + first, sum_l2);
    const vm tiny = vf_lt(vf_abs(max), vf_set1(Q3_K_TINY));
    const vm none = vm_or(tiny, vm_not(vf_gt(sum_l2, vf_set1(0))));
    vf_store(g->scales + first, vf_select(none, vf_set1(0), sum_lx / sum_l2));
    const vm negative = vm_and(vf_lt(max, vf_set1(0)), vm_not(tiny));
    const vm in_range = vm_and(vf_lt(max, vf_set1(-LEAST_MAX)), vf_gt(max, vf_set1(-MOST_MAX)));
    const uint32_t some = vm_bits(vm_and(negative, vf_gt(most, s.lx)));
    for (int k = 0; k < VL; k++) {
        g->listed[g->count] = (uint8_t)(first + k);
        g->count += some >> k & 1;
    }
    return finite && !vm_any(vm_and(negative, vm_not(in_range)));
}

INLINE void row_load(struct row *r, const struct group *g, const float *src, int sub) {
    const vf inverse = vf_set1((float)-Q3_K_MAX / g->max[sub]);
    UNROLL for (int i = 0; i < SUB_ELEMS; i += VL) {
        const vf x = vf_load(src + SUB_ELEMS * sub + i);
        vf_store(r->x + i, x);
        vf_store(r->wx + i, x * x * x);
        vf_store(r->q + i, symmetric_level_lanes(inverse * x, Q3_K_MAX));
    }
    r->sum_lx = g->sum_lx[sub];
    r->sum_l2 = g->sum_l2[sub];
    r->after = UINT32_MAX;
    r->left = Q3_K_PASSES - 1;
    r->changed = false;
}

/* The elements that may want another level. From the greatest one there is no way up. */
INLINE uint32_t row_changes(const struct row *r) {
    const struct sums s = sums_of(vf_set1(r->sum_lx), vf_set1(r->sum_l2));
    uint32_t bits = 0;
    UNROLL for (int i = 0; i < SUB_ELEMS; i += VL) {
        const vf q = vf_load(r->q + i), lx = s.lx - vf_load(r->wx + i) * q;
        const vf apart = twice_apart(&s, vf_load(r->x + i), q);
        const vm top = vf_eq(q, vf_set1(Q3_K_MAX - 1));
        const vf counts = vf_min(apart, vf_select(top, vf_set1(0), apart));
        bits |= vm_bits(vf_gt(vf_abs(counts), lx)) << i;
    }
    return bits;
}

/* Those that are next, in this pass or in another; 0: done. */
INLINE uint32_t row_next(struct row *r) {
    const uint32_t changes = row_changes(r), rest = changes & r->after;
    const bool again = !rest & r->changed & (r->left > 0);
    r->left -= again;
    r->changed &= !again;
    return again ? changes : rest;
}

/* The step of q3_k_improve() for element @i. */
INLINE void row_step(struct row *r, int i) {
    const float x = r->x[i], w = x * x, wx = r->wx[i], old = r->q[i];
    float lx = r->sum_lx - wx * old, l2 = r->sum_l2 - w * old * old;
    r->after = ~1u << i;
    if (!(lx > 0))
        return;
    const float level = (float)q3_k_level(x * l2 / lx);
    if (level == old)
        return;
    lx += wx * level;
    l2 += w * level * level;
    if (!(l2 > 0 && lx * lx * r->sum_l2 > r->sum_lx * r->sum_lx * l2))
        return;
    UNROLL for (int v = 0; v < SUB_ELEMS; v += VL) { /* vectors: such are loaded next */
        const vm here = vi_eq(vi_iota() + v, vi_set1(i));
        vf_store(r->q + v, vf_select(here, vf_set1(level), vf_load(r->q + v)));
    }
    r->sum_lx = lx;
    r->sum_l2 = l2;
    r->changed = true;
}

/* The scales of the next few of the list. */
INLINE void improve_scales(struct group *g, const float *src, const uint8_t *list) {
    struct row rows[TOGETHER];
    uint32_t next[TOGETHER], any;
    for (int k = 0; k < TOGETHER; k++) {
        row_load(&rows[k], g, src, list[k]);
        next[k] = row_next(&rows[k]);
    }
    do {
        any = 0;
        UNROLL for (int k = 0; k < TOGETHER; k++) {
            if (next[k])
                row_step(&rows[k], __builtin_ctz(next[k]));
        }
        UNROLL for (int k = 0; k < TOGETHER; k++) {
            if (next[k])
                any |= next[k] = row_next(&rows[k]);
        }
    } while (any);
    for (int k = 0; k < TOGETHER; k++)
        g->scales[list[k]] = rows[k].sum_l2 > 0 ? rows[k].sum_lx / rows[k].sum_l2 : 0;
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

static bool q3_k_group(void *dst, const float *src) {
    struct q3_k *b = dst;
    struct group g;
    g.count = 0;
    for (int s = 0; s < SUBS; s += VL)
        if (!first_scales(&g, src, s))
            return false;
    for (int k = 0; k < TOGETHER && g.count; k++) /* the last few are made up by another */
        g.listed[g.count + k] = g.listed[0];
    for (int k = 0; k < g.count; k += TOGETHER)
        improve_scales(&g, src, g.listed + k);
    for (int k = 0; k < SUPERS; k++, b++, src += SUPER_ELEMS) {
        float *scales = g.scales + Q3_K_SUBS * k;
        uint8_t q[SUPER_ELEMS];
        const bool some_zero = round_scales(b, scales);
        find_levels(q, src, scales, some_zero);
        twos_pack(b->qs, q);
        top_bits_pack(b->hmask, q, 4);
    }
    return true;
}

void LANES(q3_k_encode)(void *dst, const float *src, size_t blocks) {
    encode_groups(dst, src, blocks, SUPER_ELEMS, sizeof(struct q3_k), SUPERS, q3_k_group,
                  q3_k_encode_c);
}
