/* SPDX-License-Identifier: Apache-2.0
 * kernels/simd/lanes_int.c - encoders of the blocks of 32 with one scale: q4_0 q4_1 q5_0 q5_1 q8_0.
 * VL blocks at a time: first their extremes, one block a lane, then block by block the levels. */
#include "kernels/scalar.h"
#include "kernels/simd/lanes.h"

enum { ELEMS = 32, VECS = ELEMS / VL, HALF_VECS = VECS / 2 };

/* Of VL blocks, each in its lane, or in its element once stored. */
struct scales {
    half d[VL], min[VL];
    float inverse[VL], offset[VL];
};

INLINE vi reduce_blocks(const float *src, vi (*op)(vi, vi), int32_t mask) {
    vi rows[VL];
    UNROLL for (int k = 0; k < VL; k++) {
        rows[k] = (vi)vf_load(src + ELEMS * k) & mask;
        UNROLL for (int i = 1; i < VECS; i++) rows[k] =
            op(rows[k], (vi)vf_load(src + ELEMS * k + VL * i) & mask);
    }
    return vi_reduce_rows(rows, op);
}

/* first_absmax() of each block. Where both signs reach it, or all is zero, the first must be
 * looked for. A NaN may be lost here; the levels show it. */
INLINE vf blocks_absmax(const float *src) {
    const vf min = (vf)reduce_blocks(src, op_fmin, -1), max = (vf)reduce_blocks(src, op_fmax, -1);
    vf found = vf_select(vf_lt(max, -min), min, max);
    uint32_t ties = vm_bits(vf_eq(max, -min));
    if (__builtin_expect(ties != 0, 0)) {
        float lane[VL];
        vf_store(lane, found);
        for (; ties; ties &= ties - 1) {
            const int k = __builtin_ctz(ties);
            lane[k] = first_absmax(src + ELEMS * k, ELEMS);
        }
        found = vf_load(lane);
    }
    return found;
}

INLINE void scales_symmetric(struct scales *s, const float *src, float divisor) {
    const vf d = blocks_absmax(src) / divisor;
    vf_store_f16(s->d, d);
    vf_store(s->inverse, vf_inverse_or_0(d));
}

/* Where the minimum is zero, its sign is that of the first zero, which must be looked for. */
INLINE void scales_affine(struct scales *s, const float *src, float divisor) {
    vf min = (vf)reduce_blocks(src, op_fmin, -1), max = (vf)reduce_blocks(src, op_fmax, -1);
    uint32_t zeros = vm_bits(vf_eq(min, vf_set1(0)));
    if (__builtin_expect(zeros != 0, 0)) {
        float lane_min[VL], lane_max[VL];
        vf_store(lane_min, min);
        vf_store(lane_max, max);
        for (; zeros; zeros &= zeros - 1) {
            const int k = __builtin_ctz(zeros);
            first_minmax(src + ELEMS * k, ELEMS, &lane_min[k], &lane_max[k]);
        }
        min = vf_load(lane_min);
        max = vf_load(lane_max);
    }
    const vf d = (max - min) / divisor;
    vf_store_f16(s->d, d);
    vf_store_f16(s->min, min);
    vf_store(s->offset, min);
    vf_store(s->inverse, vf_inverse_or_0(d));
}

/* Whether all levels were numbers: a NaN, an infinity or an infinite inverse gives a negative one.
 * The portable code knows what to make of them. */
INLINE bool levels_fit(vi seen) {
    return !vi_sign_bits(seen);
}

/* The levels of block @k, not yet clamped, and added up in @seen. */
INLINE void levels_symmetric(vi q[VECS], vi *seen, const struct scales *s, const float *src, int k,
                             float zero) {
    const vf inverse = vf_set1(s->inverse[k]);
    UNROLL for (int i = 0; i < VECS; i++) {
        q[i] = vi_trunc(vf_load(src + ELEMS * k + VL * i) * inverse + zero);
        *seen |= q[i];
    }
}

INLINE void levels_affine(vi q[VECS], vi *seen, const struct scales *s, const float *src, int k) {
    const vf inverse = vf_set1(s->inverse[k]), offset = vf_set1(s->offset[k]);
    UNROLL for (int i = 0; i < VECS; i++) {
        q[i] = vi_trunc((vf_load(src + ELEMS * k + VL * i) - offset) * inverse + 0.5f);
        *seen |= q[i];
    }
}

INLINE void clamp_levels(vi q[VECS], int32_t max) {
    UNROLL for (int i = 0; i < VECS; i++) q[i] = vi_min(q[i], vi_set1(max));
}

INLINE void store_nibbles(uint8_t qs[16], const vi q[VECS]) {
    vi both[HALF_VECS];
    UNROLL for (int i = 0; i < HALF_VECS; i++) both[i] = (q[i] & 15) | q[HALF_VECS + i] << 4;
    vi_store16_u8(qs, both); /* the upper halves' fifth bits fall off here */
}

INLINE uint32_t fifth_bits(const vi q[VECS]) {
    uint32_t bits = 0;
    UNROLL for (int i = 0; i < VECS; i++) bits |= vi_sign_bits(q[i] << 27) << (VL * i);
    return bits;
}

static bool q4_0_group(void *dst, const float *src) {
    struct q4_0 *b = dst;
    struct scales s;
    vi seen = { 0 };
    scales_symmetric(&s, src, -8);
    for (int k = 0; k < VL; k++) {
        vi q[VECS];
        levels_symmetric(q, &seen, &s, src, k, 8.5f);
        clamp_levels(q, 15);
        b[k].d = s.d[k];
        store_nibbles(b[k].qs, q);
    }
    return levels_fit(seen);
}

static bool q5_0_group(void *dst, const float *src) {
    struct q5_0 *b = dst;
    struct scales s;
    vi seen = { 0 };
    scales_symmetric(&s, src, -16);
    for (int k = 0; k < VL; k++) {
        vi q[VECS];
        levels_symmetric(q, &seen, &s, src, k, 16.5f);
        clamp_levels(q, 31);
        b[k].d = s.d[k];
        b[k].qh = fifth_bits(q);
        store_nibbles(b[k].qs, q);
    }
    return levels_fit(seen);
}

static bool q4_1_group(void *dst, const float *src) {
    struct q4_1 *b = dst;
    struct scales s;
    vi seen = { 0 };
    scales_affine(&s, src, 15);
    for (int k = 0; k < VL; k++) {
        vi q[VECS];
        levels_affine(q, &seen, &s, src, k);
        clamp_levels(q, 15);
        b[k].d = s.d[k];
        b[k].m = s.min[k];
        store_nibbles(b[k].qs, q);
    }
    return levels_fit(seen);
}

static bool q5_1_group(void *dst, const float *src) {
    struct q5_1 *b = dst;
    struct scales s;
    vi seen = { 0 };
    scales_affine(&s, src, 31);
    for (int k = 0; k < VL; k++) {
        vi q[VECS];
        levels_affine(q, &seen, &s, src, k);
        b[k].d = s.d[k];
        b[k].m = s.min[k];
        b[k].qh = fifth_bits(q);
        store_nibbles(b[k].qs, q);
    }
    return levels_fit(seen);
}

/* roundf() for |v| < 2^22: step by the float just below 0.5, then truncate. A step of 0.5 itself
 * would turn 0.49999997 into 1. */
INLINE vi round_away(vf v) {
    const vi step = ((vi)v & (int32_t)0x80000000) | (vi)vf_set1(0x1.fffffep-2f);
    return vi_trunc(v + (vf)step);
}

static bool q8_0_group(void *dst, const float *src) {
    struct q8_0 *b = dst;
    half d_bits[VL];
    float inverses[VL];
    /* As integers, magnitudes are in the order of the numbers, infinity and NaN last. */
    const vi absmax = reduce_blocks(src, op_max, 0x7fffffff);
    const vf d = (vf)absmax / 127.0f, inverse = vf_inverse_or_0(d);
    const vm finite = vm_and(vf_lt((vf)absmax, vf_set1(__builtin_inff())),
                             vf_lt(inverse, vf_set1(__builtin_inff())));
    if (vm_any(vm_not(finite)))
        return false;
    vf_store_f16(d_bits, d);
    vf_store(inverses, inverse);
    for (int k = 0; k < VL; k++) {
        vi q[VECS];
        UNROLL for (int i = 0; i < VECS; i++) q[i] =
            round_away(vf_load(src + ELEMS * k + VL * i) * inverses[k]);
        b[k].d = d_bits[k];
        vi_store16_u8(b[k].qs, q);
        vi_store16_u8(b[k].qs + 16, q + HALF_VECS);
    }
    return true;
}

void LANES(q4_0_encode)(void *dst, const float *src, size_t blocks) {
    encode_groups(dst, src, blocks, ELEMS, sizeof(struct q4_0), VL, q4_0_group, q4_0_encode_c);
}

void LANES(q4_1_encode)(void *dst, const float *src, size_t blocks) {
    encode_groups(dst, src, blocks, ELEMS, sizeof(struct q4_1), VL, q4_1_group, q4_1_encode_c);
}

void LANES(q5_0_encode)(void *dst, const float *src, size_t blocks) {
    encode_groups(dst, src, blocks, ELEMS, sizeof(struct q5_0), VL, q5_0_group, q5_0_encode_c);
}

void LANES(q5_1_encode)(void *dst, const float *src, size_t blocks) {
    encode_groups(dst, src, blocks, ELEMS, sizeof(struct q5_1), VL, q5_1_group, q5_1_encode_c);
}

void LANES(q8_0_encode)(void *dst, const float *src, size_t blocks) {
    encode_groups(dst, src, blocks, ELEMS, sizeof(struct q8_0), VL, q8_0_group, q8_0_encode_c);
}
