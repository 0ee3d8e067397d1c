/* SPDX-License-Identifier: Apache-2.0
 * kernels/simd/lanes_q3_k_improve.h - the passes of q3_k_improve() for many sub-blocks at once. A
 * step, for one element, hangs on the step before it and is long in being done; so all take one
 * step, each in a lane, then all are looked at for the element that is next. */
#pragma once
#include "kernels/q3_k.h"
#include "kernels/simd/lanes_symmetric.h"

/* Super-blocks in a group: those of their sub-blocks that can be improved fill vectors for a few
 * steps. */
enum { SUPERS = 16, SUBS = SUPERS * Q3_K_SUBS, SUB_ELEMS = Q3_K_SUB };

/* The sub-blocks of a group by their first levels. Elements are bits. */
struct subs {
    float inverse[SUBS], sum_lx[SUBS], sum_l2[SUBS], scales[SUBS];
    int32_t wants[SUBS];        /* elements that may want another level */
    uint64_t listed[SUBS / 64]; /* sub-blocks that can be improved, as bits */
};

/* What does not change of such a sub-block is x and this; and its levels. */
struct row {
    float wx[SUB_ELEMS], q[SUB_ELEMS];
};

/* Where the sub-blocks are that are not done. */
struct walk {
    int count;
    uint16_t sub[SUBS];
    int32_t next[SUBS]; /* elements that may want another level, the first of them now; 0: done */
    int32_t
        left[SUBS]; /* passes after this one; negative as long as this one has changed nothing */
    float sum_lx[SUBS], sum_l2[SUBS];
};

/* The step of each, for its element @at, and what it leaves. */
struct steps {
    int32_t at[SUBS], better[SUBS], wants[SUBS];
    float x[SUBS], wx[SUBS], q[SUBS], scale[SUBS];
    float least_lx[SUBS], twice_lx[SUBS], twice_l2[SUBS]; /* struct sums */
};

/* The level of @v, plus Q3_K_MAX. As int_nearest() it is exact for all numbers. */
INLINE vi raised_level(vf v) {
    enum { ZERO = 0x400000 };
    const vi low = vi_set1(ZERO - Q3_K_MAX), high = vi_set1(ZERO + Q3_K_MAX - 1);
    const vi near = (vi)(v + 12582912.0f) & 0x7fffff;
    return vi_max(vi_min(near, high), low) - (ZERO - Q3_K_MAX);
}

/* Whether q3_k_improve() may find that an element wants another level than @q; false is sure.
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

/* Negative: it may. @own_lx: what the element adds to sum_lx. */
INLINE vf spare_lx(const struct sums *s, vf apart, vf own_lx) {
    return s->lx - (vf_abs(apart) + own_lx);
}

INLINE void row_load(struct row *r, const float *x, float first_inverse) {
    const vf inverse = vf_set1(first_inverse);
    UNROLL for (int i = 0; i < SUB_ELEMS; i += VL) {
        const vf v = vf_load(x + i);
        vf_store(r->wx + i, v * v * v);
        vf_store(r->q + i, symmetric_level_lanes(inverse * v, Q3_K_MAX));
    }
}

INLINE void walk_start(struct walk *w, struct row *rows, const struct subs *subs,
                       const float *src) {
    w->count = 0;
    for (int first = 0; first < SUBS; first += 64)
        for (uint64_t bits = subs->listed[first / 64]; bits; bits &= bits - 1)
            w->sub[w->count++] = (uint16_t)(first + __builtin_ctzll(bits));
    for (int k = 0; k < w->count; k++) {
        const int sub = w->sub[k];
        row_load(&rows[sub], src + SUB_ELEMS * sub, subs->inverse[sub]);
        w->next[k] = subs->wants[sub];
        w->left[k] = 1 - Q3_K_PASSES;
        w->sum_lx[k] = subs->sum_lx[sub];
        w->sum_l2[k] = subs->sum_l2[sub];
    }
}

/* Those that are done are left out. */
INLINE void steps_gather(struct steps *s, struct walk *w, const struct row *rows,
                         const float *src) {
    int count = 0;
    for (int k = 0; k < w->count; k++) {
        const uint16_t sub = w->sub[k];
        const int32_t next = w->next[k];
        const int i = __builtin_ctz((uint32_t)next | 1u << (SUB_ELEMS - 1));
        s->at[count] = i;
        s->x[count] = src[SUB_ELEMS * sub + i];
        s->wx[count] = rows[sub].wx[i];
        s->q[count] = rows[sub].q[i];
        w->sub[count] = sub;
        w->left[count] = w->left[k];
        w->sum_lx[count] = w->sum_lx[k];
        w->sum_l2[count] = w->sum_l2[k];
        count += next != 0;
    }
    w->count = count;
}

/* What q3_k_improve() does for an element. */
INLINE void steps_take(struct steps *s, struct walk *to) {
    for (int k = 0; k < to->count; k += VL) {
        const vf x = vf_load(s->x + k), wx = vf_load(s->wx + k), old = vf_load(s->q + k);
        const vf sum_lx = vf_load(to->sum_lx + k), sum_l2 = vf_load(to->sum_l2 + k);
        const vf w = x * x, lx = sum_lx - wx * old, l2 = sum_l2 - w * old * old, zero = vf_set1(0);
        const vf q = vf_from_int(raised_level(x * l2 / lx) - Q3_K_MAX);
        const vf new_lx = lx + wx * q, new_l2 = l2 + w * q * q;
        const vm other = vm_and(vf_gt(lx, zero), vm_not(vf_eq(q, old)));
        const vm gain = vf_gt(new_lx * new_lx * sum_l2, sum_lx * sum_lx * new_l2);
        const vm better = vm_and(vm_and(other, gain), vf_gt(new_l2, zero));
        const vf best_lx = vf_select(better, new_lx, sum_lx);
        const vf best_l2 = vf_select(better, new_l2, sum_l2);
        const struct sums sums = sums_of(best_lx, best_l2);
        vi_store(s->better + k, vi_select(better, vi_set1(-1), vi_set1(0)));
        vf_store(s->q + k, vf_select(better, q, old));
        vf_store(s->scale + k, best_lx / best_l2);
        vf_store(s->least_lx + k, sums.lx);
        vf_store(s->twice_lx + k, sums.twice_lx);
        vf_store(s->twice_l2 + k, sums.twice_l2);
        vf_store(to->sum_lx + k, best_lx);
        vf_store(to->sum_l2 + k, best_l2);
    }
}

/* The row gets the level of step @k. From the greatest one there is no way up. */
INLINE uint32_t row_wants(struct row *r, const float *x, const struct steps *s, int k) {
    const struct sums sums = { vf_set1(s->least_lx[k]), vf_set1(s->twice_lx[k]),
                               vf_set1(s->twice_l2[k]) };
    const vf step = vf_set1(s->q[k]);
    uint32_t wants = 0;
    UNROLL for (int i = 0; i < SUB_ELEMS; i += VL) {
        const vm here = vi_eq(vi_iota() + i, vi_set1(s->at[k]));
        const vf q = vf_select(here, step, vf_load(r->q + i));
        const vf apart = twice_apart(&sums, vf_load(x + i), q), up = (Q3_K_MAX - 1 - q) * 1e38f;
        vf_store(r->q + i, q);
        wants |= vi_sign_bits((vi)spare_lx(&sums, vf_min(apart, up), vf_load(r->wx + i) * q)) << i;
    }
    return wants;
}

/* What is next: in this pass, or in another one if this has changed something. */
INLINE void walk_on(struct walk *w, const struct steps *s) {
    for (int k = 0; k < w->count; k += VL) {
        const vi better = vi_load(s->better + k), wants = vi_load(s->wants + k);
        const vi was = vi_load(w->left + k), left = vi_max(was, (was ^ better) - better);
        const vi rest = wants & (vi_set1(-2) << vi_load(s->at + k));
        const vi again = (rest == 0) & (left > 0);
        vi_store(w->next + k, rest | (wants & again));
        vi_store(w->left + k, (left & ~again) | ((1 - left) & again));
    }
}

/* The scales of those that are listed. */
INLINE void improve_scales(struct subs *subs, const float *src) {
    struct row rows[SUBS];
    struct walk w;
    struct steps s;
    /* Lanes that nobody looks at shift and add too. */
    memset(s.at, 0, sizeof s.at);
    memset(s.better, 0, sizeof s.better);
    memset(w.left, 0, sizeof w.left);
    walk_start(&w, rows, subs, src);
    for (steps_gather(&s, &w, rows, src); w.count; steps_gather(&s, &w, rows, src)) {
        steps_take(&s, &w);
        for (int k = 0; k < w.count; k++) {
            const int sub = w.sub[k];
            s.wants[k] = (int32_t)row_wants(&rows[sub], src + SUB_ELEMS * sub, &s, k);
            subs->scales[sub] = s.scale[k];
        }
        walk_on(&w, &s);
    }
}
