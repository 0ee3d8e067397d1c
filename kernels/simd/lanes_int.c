/* SPDX-License-Identifier: Apache-2.0
 * kernels/simd/lanes_int.c - encoders of the blocks of 32 with one scale: q4_0 q4_1 q5_0 q5_1 q8_0.
 * A group at a time: first the blocks' extremes, one block a lane, then block by block the levels.
 */
#include "kernels/scalar.h"
#include "kernels/simd/lanes.h"

/* The blocks of a group are more than VL: the levels of the first are made while the scales of the
 * last, two divisions one after the other, are on their way. */
enum { ELEMS = 32, VECS = ELEMS / VL, HALF_VECS = VECS / 2, GROUP = 2 * VL };

struct scales {
    half d[GROUP], min[GROUP];
    float inverse[GROUP], offset[GROUP];
};

/* One row a block: its VECS vectors put together. */
INLINE vi reduce_block(const float *src, int k, vi (*op)(vi, vi), int32_t mask) {
    vi row = (vi)vf_load(src + ELEMS * k) & mask;
    UNROLL for (int i = 1; i < VECS; i++) row =
        op(row, (vi)vf_load(src + ELEMS * k + VL * i) & mask);
    return row;
}

INLINE vi reduce_blocks(const float *src, vi (*op)(vi, vi), int32_t mask) {
    vi parts[4];
    UNROLL for (int i = 0; i < 4; i++) {
        vi rows[VL / 4];
        UNROLL for (int j = 0; j < VL / 4; j++) rows[j] = reduce_block(src, i + 4 * j, op, mask);
        parts[i] = vi_fold_rows(rows, op);
    }
    return vi_fold_parts(parts, op);
}

INLINE void blocks_extremes(const float *src, vi (*op_a)(vi, vi), vi (*op_b)(vi, vi), vi *a,
                            vi *b) {
    vi parts_a[4], parts_b[4];
    UNROLL for (int i = 0; i < 4; i++) {
        vi rows_a[VL / 4], rows_b[VL / 4];
        UNROLL for (int j = 0; j < VL / 4; j++) {
            rows_a[j] = reduce_block(src, i + 4 * j, op_a, -1);
            rows_b[j] = reduce_block(src, i + 4 * j, op_b, -1);
        }
        parts_a[i] = vi_fold_rows(rows_a, op_a);
        parts_b[i] = vi_fold_rows(rows_b, op_b);
    }
    *a = vi_fold_parts(parts_a, op_a);
    *b = vi_fold_parts(parts_b, op_b);
}

/* first_absmax() of each block. As integers, the positive numbers are in their order, and as
 * unsigned ones the negative numbers after them, by magnitude; infinity and NaN last. Where both
 * signs reach the same, or all is zero, the first must be looked for. False: not finite. */
INLINE bool blocks_absmax(const float *src, vf *out) {
    vi high, low;
    blocks_extremes(src, op_max, op_max_unsigned, &high, &low);
    const vi up = vi_max(high, vi_set1(0)), down = low & (low >> 31) & 0x7fffffff;
    vf found = vf_select(vf_lt((vf)up, (vf)down), (vf)low, (vf)up);
    if (vi_sign_bits((0x7f800000 - 1) - vi_max(up, down)))
        return false;
    uint32_t ties = vm_bits(vf_eq((vf)up, (vf)down));
    if (__builtin_expect(ties != 0, 0)) {
        float lane[VL];
        vf_store(lane, found);
        for (; ties; ties &= ties - 1) {
            const int k = __builtin_ctz(ties);
            lane[k] = first_absmax(src + ELEMS * k, ELEMS);
        }
        found = vf_load(lane);
    }
    *out = found;
    return true;
}

/* first_minmax() of each block. A NaN may be lost here; the levels show it. Where the minimum is
 * zero, its sign is that of the first zero, which must be looked for. */
INLINE void blocks_minmax(const float *src, vf *min, vf *max) {
    vi low, high;
    blocks_extremes(src, op_fmin, op_fmax, &low, &high);
    *min = (vf)low;
    *max = (vf)high;
    uint32_t zeros = vm_bits(vf_eq(*min, vf_set1(0)));
    if (__builtin_expect(zeros != 0, 0)) {
        float lane_min[VL], lane_max[VL];
        vf_store(lane_min, *min);
        vf_store(lane_max, *max);
        for (; zeros; zeros &= zeros - 1) {
            const int k = __builtin_ctz(zeros);
            first_minmax(src + ELEMS * k, ELEMS, &lane_min[k], &lane_max[k]);
        }
        *min = vf_load(lane_min);
        *max = vf_load(lane_max);
    }
}

/* The scale of VL blocks from @k on, and its inverse. False: that is infinite. */
INLINE bool scales_store(struct scales *s, int k, vf d) {
    const vf inverse = vf_inverse_or_0(d);
    vf_store_f16(s->d + k, d);
    vf_store(s->inverse + k, inverse);
    return !vm_any(vf_eq(vf_abs(inverse), vf_set1(__builtin_inff())));
}

/* False: a block has what is not finite, or an infinite inverse; the portable code knows what to
 * make of them. */
INLINE bool scales_symmetric(struct scales *s, const float *src, float divisor) {
    for (int k = 0; k < GROUP; k += VL) {
        vf absmax;
        if (!blocks_absmax(src + ELEMS * k, &absmax) || !scales_store(s, k, absmax / divisor))
            return false;
    }
    return true;
}

/* The same of magnitudes, which as integers are in the order of the numbers, NaN last. */
INLINE bool scales_magnitude(struct scales *s, const float *src, float divisor) {
    for (int k = 0; k < GROUP; k += VL) {
        const vf absmax = (vf)reduce_blocks(src + ELEMS * k, op_max, 0x7fffffff);
        if (vm_any(vm_not(vf_lt(absmax, vf_set1(__builtin_inff())))) ||
            !scales_store(s, k, absmax / divisor))
            return false;
    }
    return true;
}

INLINE void scales_affine(struct scales *s, const float *src, float divisor) {
    for (int k = 0; k < GROUP; k += VL) {
        vf min, max;
        blocks_minmax(src + ELEMS * k, &min, &max);
        scales_store(s, k, (max - min) / divisor);
        vf_store_f16(s->min + k, min);
        vf_store(s->offset + k, min);
    }
}

/* Whether all levels were numbers: a NaN, an infinity or an infinite inverse gives a negative one.
 * The portable code knows what to make of them. */
INLINE bool levels_fit(vi seen) {
    return !vi_sign_bits(seen);
}

/* The levels of block @k. */
INLINE void levels_symmetric(vi q[VECS], const struct scales *s, const float *src, int k,
                             float zero, int32_t max) {
    const vf inverse = vf_set1(s->inverse[k]);
    UNROLL for (int i = 0; i < VECS; i++) q[i] =
        vi_min(vi_trunc(vf_load(src + ELEMS * k + VL * i) * inverse + zero), vi_set1(max));
}

/* Not yet clamped, and put together in @seen. */
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

/* @q in 0..15. */
INLINE void store_nibbles(uint8_t qs[16], const vi q[VECS]) {
    vi both[HALF_VECS];
    UNROLL for (int i = 0; i < HALF_VECS; i++) both[i] = q[i] | q[HALF_VECS + i] << 4;
    vi_store16_u8(qs, both);
}

/* @q in 0..31: the fifth bits are the result. */
INLINE uint32_t store_fives(uint8_t qs[16], const vi q[VECS]) {
    uint32_t bits = 0;
    vi low[VECS];
    UNROLL for (int i = 0; i < VECS; i++) {
        bits |= vi_sign_bits(q[i] << 27) << (VL * i);
        low[i] = q[i] & 15;
    }
    store_nibbles(qs, low);
    return bits;
}

static bool q4_0_group(void *dst, const float *src) {
    struct q4_0 *b = dst;
    struct scales s;
    if (!scales_symmetric(&s, src, -8))
        return false;
    for (int k = 0; k < GROUP; k++) {
        vi q[VECS];
        levels_symmetric(q, &s, src, k, 8.5f, 15);
        b[k].d = s.d[k];
        store_nibbles(b[k].qs, q);
    }
    return true;
}

static bool q5_0_group(void *dst, const float *src) {
    struct q5_0 *b = dst;
    struct scales s;
    if (!scales_symmetric(&s, src, -16))
        return false;
    for (int k = 0; k < GROUP; k++) {
        vi q[VECS];
        levels_symmetric(q, &s, src, k, 16.5f, 31);
        b[k].d = s.d[k];
        b[k].qh = store_fives(b[k].qs, q);
    }
    return true;
}

static bool q4_1_group(void *dst, const float *src) {
    struct q4_1 *b = dst;
    struct scales s;
    vi seen = { 0 };
    scales_affine(&s, src, 15);
    for (int k = 0; k < GROUP; k++) {
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
    for (int k = 0; k < GROUP; k++) {
        vi q[VECS];
        levels_affine(q, &seen, &s, src, k);
        b[k].d = s.d[k];
        b[k].m = s.min[k];
        b[k].qh = store_fives(b[k].qs, q);
    }
    return levels_fit(seen);
}

static bool q8_0_group(void *dst, const float *src) {
    struct q8_0 *b = dst;
    struct scales s;
    if (!scales_magnitude(&s, src, 127))
        return false;
    for (int k = 0; k < GROUP; k++) {
        vi q[VECS];
        UNROLL for (int i = 0; i < VECS; i++) q[i] =
            vi_round_away(vf_load(src + ELEMS * k + VL * i) * s.inverse[k]);
        b[k].d = s.d[k];
        vi_store32_s8(b[k].qs, q);
    }
    return true;
}

void LANES(q4_0_encode)(void *dst, const float *src, size_t blocks) {
    encode_groups(dst, src, blocks, ELEMS, sizeof(struct q4_0), GROUP, q4_0_group, q4_0_encode_c);
}

void LANES(q4_1_encode)(void *dst, const float *src, size_t blocks) {
    encode_groups(dst, src, blocks, ELEMS, sizeof(struct q4_1), GROUP, q4_1_group, q4_1_encode_c);
}

void LANES(q5_0_encode)(void *dst, const float *src, size_t blocks) {
    encode_groups(dst, src, blocks, ELEMS, sizeof(struct q5_0), GROUP, q5_0_group, q5_0_encode_c);
}

void LANES(q5_1_encode)(void *dst, const float *src, size_t blocks) {
    encode_groups(dst, src, blocks, ELEMS, sizeof(struct q5_1), GROUP, q5_1_group, q5_1_encode_c);
}

void LANES(q8_0_encode)(void *dst, const float *src, size_t blocks) {
    encode_groups(dst, src, blocks, ELEMS, sizeof(struct q8_0), GROUP, q8_0_group, q8_0_encode_c);
}
