/* SPDX-License-Identifier: Apache-2.0
 * kernels/simd/lanes_iq4.c - the encoders of iq4_nl and iq4_xs, 32 elements in each lane. */
#include "kernels/iq4.h"
#include "kernels/simd/lanes_symmetric.h"
#include "kernels/simd/lanes_weighted.h"

struct search {
    vf x[IQ4_ELEMS], w[IQ4_ELEMS];
    vf d;
};

/* Sums of neighbours, with which twice a number is compared: in the order in which halving asks for
 * them. And the values. */
struct values {
    vf fours[TABLE_VECS], twos[TABLE_VECS]; /* sums 2 6 10 14, and 1 3 5 .. 15 */
    vf low[TABLE_VECS], high[TABLE_VECS];   /* values 0..7, 8..15 */
};

static float neighbours_sum(int i) {
    return (float)(iq4_values[i - 1] + iq4_values[i]);
}

INLINE void load_values(struct values *v) {
    float fours[8], twos[8], low[8], high[8];
    for (int i = 0; i < 8; i++) {
        fours[i] = neighbours_sum(4 * (i % 4) + 2);
        twos[i] = neighbours_sum(2 * i + 1);
        low[i] = iq4_values[i];
        high[i] = iq4_values[i + 8];
    }
    UNROLL for (int k = 0; k < TABLE_VECS; k++) {
        v->fours[k] = table_load_part(fours, k);
        v->twos[k] = table_load_part(twos, k);
        v->low[k] = table_load_part(low, k);
        v->high[k] = table_load_part(high, k);
    }
}

/* iq4_level(), by halving. */
INLINE vi level_of(const struct values *v, vf x) {
    const vf twice = 2.0f * x;
    const vm below8 = vf_lt(twice, vf_set1(neighbours_sum(8)));
    const vf quarter = vf_select(below8, vf_set1(neighbours_sum(4)), vf_set1(neighbours_sum(12)));
    vi l = vi_select(vf_lt(twice, quarter), vi_set1(0), vi_set1(1));
    l += vi_select(below8, vi_set1(0), vi_set1(2));
    l += l + vi_select(vf_lt(twice, vf_pick4(v->fours, l)), vi_set1(0), vi_set1(1));
    return l + l + vi_select(vf_lt(twice, vf_pick(v->twos, l)), vi_set1(0), vi_set1(1));
}

INLINE vf value_of(const struct values *v, vi l) {
    return vf_select(vf_lt(vf_from_int(l), vf_set1(8)), vf_pick(v->low, l), vf_pick(v->high, l));
}

/* iq4_fit() */
INLINE void fit(const struct search *s, const struct values *v, vf inverse, vf *sum_qx,
                vf *sum_q2) {
    *sum_qx = *sum_q2 = vf_set1(0);
    _Pragma("GCC unroll 4") for (int i = 0; i < IQ4_ELEMS; i++) {
        const vf q = value_of(v, level_of(v, inverse * s->x[i])), wq = s->w[i] * q;
        *sum_qx += wq * s->x[i];
        *sum_q2 += wq * q;
    }
}

/* iq4_search() */
INLINE void search_lanes(struct search *s, const struct values *v) {
    const vf zero = vf_set1(0);
    vf max, sum_qx, sum_q2;
    first_absmax_lanes(&max, s->x, IQ4_ELEMS); /* all are finite */
    fit(s, v, 1.0f / (-max / (float)iq4_values[0]), &sum_qx, &sum_q2);
    s->d = vf_select(vf_gt(sum_q2, zero), sum_qx / sum_q2, zero);
    vf best = s->d * sum_qx;
    for (int i = -IQ4_TRIES; i <= IQ4_TRIES; i++) {
        fit(s, v, (float)(i + iq4_values[0]) / max, &sum_qx, &sum_q2);
        const vm better = vm_and(vf_gt(sum_q2, zero), vf_gt(sum_qx * sum_qx, best * sum_q2));
        const vf d = sum_qx / sum_q2;
        s->d = vf_select(better, d, s->d);
        best = vf_select(better, d * sum_qx, best);
    }
    s->d = vf_select(vf_lt(vf_abs(max), vf_set1(IQ4_TINY)), zero, s->d);
}

/* Weights by importance, where it is not NULL: @mean of each lane; where that is NULL, of the 32.
 */
INLINE void load(struct search *s, const float *src, const float *importance, const float *mean) {
    vf sum = vf_set1(0);
    for (int i = 0; i < IQ4_ELEMS; i += VL)
        vf_load_columns(s->x + i, src + i, IQ4_ELEMS);
    for (int i = 0; i < IQ4_ELEMS && !mean; i++)
        sum += s->x[i] * s->x[i];
    vf square = sum * (2.0f / IQ4_ELEMS);
    if (mean)
        square = vf_load(mean);
    for (int i = 0; i < IQ4_ELEMS; i += VL) {
        vf columns[VL];
        if (importance)
            vf_load_columns(columns, importance + i, IQ4_ELEMS);
        UNROLL for (int k = 0; k < VL; k++) {
            const vf x = s->x[i + k];
            s->w[i + k] = x * x;
            if (importance)
                s->w[i + k] = columns[k] * vf_sqrt(square + x * x);
        }
    }
}

/* The levels, 16 bytes a lane. */
INLINE void store_levels(uint8_t out[16 * VL], const struct search *s, const struct values *v,
                         vf inverse) {
    vi words[4];
    for (int part = 0; part < 4; part++) {
        words[part] = vi_set1(0);
        for (int i = 0; i < 4; i++) {
            const vi low = level_of(v, inverse * s->x[4 * part + i]);
            const vi high = level_of(v, inverse * s->x[4 * part + i + 16]);
            words[part] |= (low | high << 4) << (8 * i);
        }
    }
    vi_store_columns4(out, 16, words);
}

INLINE void encode_nl(struct iq4_nl *b, const float *src, const float *importance) {
    struct search s;
    struct values v;
    float scales[VL];
    uint8_t nibbles[16 * VL];
    load_values(&v);
    load(&s, src, importance, NULL);
    search_lanes(&s, &v);
    store_levels(nibbles, &s, &v, vf_inverse_or_0(s.d));
    vf_store(scales, s.d);
    for (int k = 0; k < VL; k++) {
        b[k].d = f16_from_scale(scales[k]);
        memcpy(b[k].qs, nibbles + 16 * k, 16);
    }
}

/* Super-blocks that fill a vector, and their vectors of sub-blocks. */
enum {
    XS_SUPERS = (int)VL > (int)IQ4_XS_SUBS ? VL / IQ4_XS_SUBS : 1,
    XS_VECS = XS_SUPERS * IQ4_XS_SUBS / VL
};

INLINE void encode_xs(struct iq4_xs *b, const float *src, const float *importance) {
    struct search s[XS_VECS];
    struct values v;
    float scales[XS_VECS * VL], inverses[XS_VECS * VL], sums[XS_SUPERS], means[XS_VECS * VL];
    load_values(&v);
    super_square_sums(sums, src, XS_SUPERS);
    for (int i = 0; i < XS_VECS * VL; i++)
        means[i] = sums[i / IQ4_XS_SUBS] * (2.0f / SUPER_ELEMS);
    for (int i = 0; i < XS_VECS; i++) {
        const int at = i * VL * IQ4_ELEMS;
        load(&s[i], src + at, importance ? importance + at : NULL, means + i * VL);
        search_lanes(&s[i], &v);
        vf_store(scales + i * VL, s[i].d);
    }
    for (int k = 0; k < XS_SUPERS; k++)
        iq4_xs_scales(b + k, scales + IQ4_XS_SUBS * k, inverses + IQ4_XS_SUBS * k);
    for (int i = 0; i < XS_VECS; i++) {
        uint8_t nibbles[16 * VL];
        store_levels(nibbles, &s[i], &v, vf_load(inverses + i * VL));
        for (int k = 0; k < VL; k++) {
            const int sub = i * VL + k;
            memcpy(b[sub / IQ4_XS_SUBS].qs + sub % IQ4_XS_SUBS * 16, nibbles + 16 * k, 16);
        }
    }
}

static bool iq4_nl_group(void *dst, const float *src) {
    if (!LANES(f32_all_finite)(src, IQ4_ELEMS * VL))
        return false;
    encode_nl(dst, src, NULL);
    return true;
}

static bool iq4_xs_group(void *dst, const float *src) {
    if (!LANES(f32_all_finite)(src, SUPER_ELEMS * XS_SUPERS))
        return false;
    encode_xs(dst, src, NULL);
    return true;
}

static bool iq4_nl_weighted(void *dst, const float *src, const float *importance,
                            const float *mean_square) {
    (void)mean_square; /* the row's; these take the block's */
    encode_nl(dst, src, importance);
    return true;
}

static bool iq4_xs_weighted(void *dst, const float *src, const float *importance,
                            const float *mean_square) {
    (void)mean_square;
    encode_xs(dst, src, importance);
    return true;
}

void LANES(iq4_nl_encode)(void *dst, const float *src, size_t blocks) {
    encode_groups(dst, src, blocks, IQ4_ELEMS, sizeof(struct iq4_nl), VL, iq4_nl_group,
                  iq4_nl_encode_c);
}

void LANES(iq4_xs_encode)(void *dst, const float *src, size_t blocks) {
    encode_groups(dst, src, blocks, SUPER_ELEMS, sizeof(struct iq4_xs), XS_SUPERS, iq4_xs_group,
                  iq4_xs_encode_c);
}

void LANES(iq4_nl_encode_weighted)(void *dst, const float *src, const float *importance,
                                   size_t rows, size_t row_elems) {
    const struct weighted_job job = { IQ4_ELEMS, sizeof(struct iq4_nl), VL,
                                      false,     iq4_nl_weighted,       iq4_nl_encode_weighted_c };
    encode_weighted_groups(&job, dst, src, importance, rows, row_elems);
}

void LANES(iq4_xs_encode_weighted)(void *dst, const float *src, const float *importance,
                                   size_t rows, size_t row_elems) {
    const struct weighted_job job = {
        SUPER_ELEMS, sizeof(struct iq4_xs), XS_SUPERS,
        false,       iq4_xs_weighted,       iq4_xs_encode_weighted_c
    };
    encode_weighted_groups(&job, dst, src, importance, rows, row_elems);
}
