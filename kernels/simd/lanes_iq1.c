/* SPDX-License-Identifier: Apache-2.0
 * kernels/simd/lanes_iq1.c - the encoders of iq1_s and iq1_m: the search of iq1.c, a sub-block in
 * each lane. */
#include "kernels/iq1.h"
#include "kernels/simd/lanes_iq1_sort.h"
#include "kernels/simd/lanes_points.h"
#include "kernels/simd/lanes_weighted.h"

struct search {
    vf x[IQ1_S_SUB], w[IQ1_S_SUB];                        /* as they come */
    float by_sub[VL][IQ1_S_SUB], w_by_sub[VL][IQ1_S_SUB]; /* the same by sub-block */
    struct iq1_sorted sorted;
    /* The best cut so far, as in iq1.c. low < 0: none yet */
    vf best, scale, low, high;
    vi down; /* bit h: half h is moved down */
};

/* The sums of one place to cut, for each way to move the parts. */
struct ways {
    vf sum_qx[4], sum_q2[4];
    int down[4];
};

/* try_cut() */
INLINE void try_cut(struct search *s, vf sum_qx, vf sum_q2, float low, float high, int down) {
    const vm better = vm_and(vf_gt(sum_q2, vf_set1(0)), vf_gt(sum_qx * sum_qx, s->best * sum_q2));
    const vf scale = sum_qx / sum_q2;
    s->scale = vf_select(better, scale, s->scale);
    s->best = vf_select(better, scale * sum_qx, s->best);
    s->low = vf_select(better, vf_set1(low), s->low);
    s->high = vf_select(better, vf_set1(high), s->high);
    s->down = vi_select(better, vi_set1(down), s->down);
}

/* All @n ways, of which mostly none is better in any lane: that is seen at once. */
INLINE void try_ways(struct search *s, const struct ways *ways, int n, int low, int high) {
    vm maybe = vf_lt(vf_set1(0), vf_set1(0));
    UNROLL for (int i = 0; i < n; i++) {
        const vf qx = ways->sum_qx[i];
        maybe = vm_or(maybe, vf_gt(qx * qx, s->best * ways->sum_q2[i]));
    }
    if (!vm_any(maybe))
        return;
    UNROLL for (int i = 0; i < n; i++)
        try_cut(s, ways->sum_qx[i], ways->sum_q2[i], (float)low, (float)high, ways->down[i]);
}

/* cut_whole(): what depends on one end of the middle part only is computed once. */
INLINE void cut_whole(struct search *s) {
    enum { N = IQ1_S_SUB };
    const float *up = iq1_values_of[0], *down = iq1_values_of[1];
    vf x[N + 1], w[N + 1], x_up[N + 1], x_down[N + 1], w_up[N + 1], w_down[N + 1];
    x[0] = w[0] = vf_set1(0);
    for (int i = 0; i < N; i++) {
        x[i + 1] = x[i] + s->sorted.wx[i];
        w[i + 1] = w[i] + s->sorted.w[i];
    }
    for (int i = 0; i <= N; i++) {
        x_up[i] = (x[N] - x[i]) * up[2];
        x_down[i] = (x[N] - x[i]) * down[2];
        w_up[i] = (w[N] - w[i]) * up[2] * up[2];
        w_down[i] = (w[N] - w[i]) * down[2] * down[2];
    }
    for (int low = 0; low <= N; low++) {
        const vf a_up = x[low] * up[0], a_down = x[low] * down[0];
        const vf b_up = w[low] * up[0] * up[0], b_down = w[low] * down[0] * down[0];
        for (int high = low; high <= N; high++) {
            const vf mid_x = (x[high] - x[low]) * up[1], mid_w = (w[high] - w[low]) * up[1] * up[1];
            const struct ways ways = {
                { a_up + mid_x + x_up[high], a_down - mid_x + x_down[high] },
                { b_up + mid_w + w_up[high], b_down + mid_w + w_down[high] },
                { 0, 3 },
            };
            try_ways(s, &ways, 2, low, high);
        }
    }
}

/* Of one half: prefix sums, and half_fit()'s terms that depend on one end only. */
struct half_terms {
    vf x[IQ1_M_SUB + 1], w[IQ1_M_SUB + 1];
    vf all_x[2], low_w[2][IQ1_M_SUB + 1], high_w[2][IQ1_M_SUB + 1];
};

INLINE void half_init(struct half_terms *h, const struct iq1_sorted *sorted, vm first_half[]) {
    enum { N = IQ1_M_SUB };
    h->x[0] = h->w[0] = vf_set1(0);
    for (int i = 0; i < N; i++) {
        h->x[i + 1] = vf_select(first_half[i], h->x[i] + sorted->wx[i], h->x[i]);
        h->w[i + 1] = vf_select(first_half[i], h->w[i] + sorted->w[i], h->w[i]);
    }
    for (int down = 0; down < 2; down++) {
        const float *v = iq1_values_of[down];
        const float first = v[0] * v[0] - v[1] * v[1], second = v[1] * v[1] - v[2] * v[2];
        h->all_x[down] = h->x[N] * v[2];
        for (int i = 0; i <= N; i++) {
            h->low_w[down][i] = h->w[N] * v[2] * v[2] + h->w[i] * first;
            h->high_w[down][i] = h->w[i] * second;
        }
    }
}

/* cut_halves() */
INLINE void cut_halves(struct search *s) {
    enum { N = IQ1_M_SUB };
    struct half_terms halves[2];
    vm mine[N];
    for (int h = 0; h < 2; h++) {
        for (int i = 0; i < N; i++) {
            const vm first = vf_lt(s->sorted.place[i], vf_set1(N / 2));
            mine[i] = h ? vm_not(first) : first;
        }
        half_init(&halves[h], &s->sorted, mine);
    }
    for (int low = 0; low <= N; low++) {
        for (int high = low; high <= N; high++) {
            vf qx[2][2], q2[2][2];
            UNROLL for (int h = 0; h < 2; h++) {
                const vf both = halves[h].x[low] + halves[h].x[high];
                UNROLL for (int down = 0; down < 2; down++) {
                    qx[h][down] = halves[h].all_x[down] - both;
                    q2[h][down] = halves[h].low_w[down][low] + halves[h].high_w[down][high];
                }
            }
            struct ways ways;
            UNROLL for (int way = 0; way < 4; way++) {
                const int a = way / 2, b = way % 2;
                ways.sum_qx[way] = qx[0][a] + qx[1][b];
                ways.sum_q2[way] = q2[0][a] + q2[1][b];
                ways.down[way] = a | b << 1;
            }
            try_ways(s, &ways, 4, low, high);
        }
    }
}

/* What was cut, by sub-block. */
struct cuts {
    float scale[VL];
    int32_t down[VL];
    int32_t digits[4][VL], code[4][VL]; /* of each eight elements */
};

/* Digits, two bits each, of sixteen elements to a word: by the places of the sorted ones. */
INLINE void digit_words(vi word[2], const struct search *s, int elems) {
    word[0] = word[1] = vi_set1(0);
    for (int i = 0; i < elems; i++) {
        const vf at = vf_set1((float)i);
        const vi above = vi_select(vf_lt(at, s->high), vi_set1(1), vi_set1(2));
        const vi digit = vi_select(vf_lt(at, s->low), vi_set1(0), above);
        const vi place = vi_trunc(s->sorted.place[i]), second = -(place >> 4);
        const vi bits = digit << ((place & 15) * 2);
        word[0] |= bits & ~second;
        word[1] |= bits & second;
    }
    const vm flip = vf_lt(s->scale, vf_set1(0)); /* 0 and 2 change places */
    for (int i = 0; i < 2; i++) {
        const vi w = word[i], other = (w & 0x55555555) | (~(w | w << 1) & ~0x55555555);
        word[i] = vi_select(flip, other, w);
    }
}

INLINE void store_cuts(struct cuts *c, const struct search *s, int elems) {
    vi word[2];
    digit_words(word, s, elems);
    for (int g = 0; g < elems / 8; g++) {
        const vi digits = word[g / 2] >> (g % 2 * 16) & 0xffff;
        vi code = { 0 };
        for (int i = 7; i >= 0; i--)
            code = code * 3 + (digits >> (2 * i) & 3);
        vi_store(c->digits[g], digits);
        vi_store(c->code[g], code);
    }
    vf_store(c->scale, s->scale);
    vi_store(c->down, s->down);
}

/* look_up() of iq1.c, where no point has the digits asked for; negative where the portable code
 * must look further. */
INLINE int near_point(const uint16_t *list, int n, float scale, const float *values, const float *x,
                      const float *w) {
    const float levels[8] = { values[0], values[1], values[2], 0, values[0], values[1], values[2] };
    struct point_errors errors;
    point_errors_init(&errors, 8, levels, scale, x, w);
    return nearest_of_list(&errors, list, n);
}

/* The points of sub-block @k, which has a cut; false: the portable code must. */
static bool find_points(struct iq1_sub *out, const struct search *s, const struct cuts *c, int k,
                        int elems, bool *all_on_grid) {
    const bool flip = c->scale[k] < 0;
    out->scale = fabsf(c->scale[k]);
    for (int h = 0; h < 2; h++)
        out->down[h] = (c->down[k] >> h & 1) != flip;
    for (int at = 0; at < elems; at += 8) {
        int n, point;
        const uint16_t *list = iq_list(&iq1_book, c->code[at / 8][k], &n);
        point = list[0];
        if (point != c->digits[at / 8][k]) {
            *all_on_grid = false;
            point = near_point(list, n, out->scale, iq1_values_of[out->down[at * 2 / elems]],
                               s->by_sub[k] + at, s->w_by_sub[k] + at);
        }
        if (point < 0)
            return false;
        out->point[at / 8] = (uint16_t)point;
    }
    return true;
}

/* The last part of find_points() of iq1.c: scales by what was found, where @again. */
static void fit_again(struct iq1_sub *out, const struct search *s, int elems, const bool *again) {
    vf up[TABLE_VECS], sum_qx = vf_set1(0), sum_q2 = vf_set1(0);
    const float levels[8] = { -0.875f, 0.125f, 1.125f, 0, -0.875f, 0.125f, 1.125f };
    float qx[VL], q2[VL];
    UNROLL for (int v = 0; v < TABLE_VECS; v++) up[v] = table_load_part(levels, v);
    for (int at = 0; at < elems; at += 8) {
        int32_t points[VL];
        float down[VL];
        for (int k = 0; k < VL; k++) {
            points[k] = out[k].point[at / 8];
            down[k] = out[k].down[at * 2 / elems] ? 0.25f : 0;
        }
        const vi point = vi_load(points);
        UNROLL for (int i = 0; i < 8; i++) {
            const vf q = vf_pick4(up, point >> (2 * i)) - vf_load(down), wq = s->w[at + i] * q;
            sum_qx += wq * s->x[at + i];
            sum_q2 += wq * q;
        }
    }
    vf_store(qx, sum_qx);
    vf_store(q2, sum_q2);
    for (int k = 0; k < VL; k++)
        if (again[k] && qx[k] > 0 && q2[k] > 0)
            out[k].scale = qx[k] / q2[k];
}

/* Weights are importance times a length, or squares (NULL); @mean of each lane. */
INLINE void load(struct search *s, const float *src, const float *importance, vf mean, int elems) {
    for (int i = 0; i < elems; i += VL) {
        vf columns[VL];
        vf_load_columns(s->x + i, src + i, (size_t)elems);
        if (importance)
            vf_load_columns(columns, importance + i, (size_t)elems);
        UNROLL for (int k = 0; k < VL; k++) {
            const vf x = s->x[i + k];
            s->w[i + k] = x * x;
            if (importance)
                s->w[i + k] = columns[k] * vf_sqrt(mean + x * x);
        }
        vf_store_columns(s->by_sub[0] + i, IQ1_S_SUB, s->x + i);
        vf_store_columns(s->w_by_sub[0] + i, IQ1_S_SUB, s->w + i);
    }
}

/* search_sub() of VL sub-blocks; false: the portable code must. */
INLINE bool search_subs(struct iq1_sub *out, struct search *s, int elems, float tiny) {
    struct cuts cuts;
    bool again[VL];
    vi absmax = { 0 };
    for (int i = 0; i < elems; i++)
        absmax = vi_max(absmax, vi_abs_bits(s->x[i]));
    iq1_sort(&s->sorted, s->x, s->w, elems);
    s->best = vf_set1(-FLT_MAX);
    s->low = vf_set1(-1);
    s->scale = s->high = vf_set1(0);
    s->down = vi_set1(0);
    if (elems == IQ1_S_SUB)
        cut_whole(s);
    else
        cut_halves(s);
    const vm none = vm_or(vf_lt((vf)absmax, vf_set1(tiny)), vf_lt(s->low, vf_set1(0)));
    const uint32_t skip = vm_bits(none);
    store_cuts(&cuts, s, elems);
    for (int k = 0; k < VL; k++) {
        bool all_on_grid = true;
        memset(&out[k], 0, sizeof out[k]); /* the first point's digits are zeros */
        if (!(skip >> k & 1) && !find_points(&out[k], s, &cuts, k, elems, &all_on_grid))
            return false;
        again[k] = !all_on_grid;
    }
    fit_again(out, s, elems, again);
    return true;
}

enum {
    SUPERS_MAX = SUPERS_OF(IQ1_S_SUB),
    SUBS_MAX = SUPERS_OF(IQ1_M_SUB) * SUPER_ELEMS / IQ1_M_SUB
};

/* Of SUPERS_OF(elems) super-blocks; @w gets the weights in the order of the elements. */
INLINE bool search_supers(struct iq1_sub *out, float *w, const float *src, const float *importance,
                          int elems, float tiny) {
    const int subs = SUPERS_OF(elems) * SUPER_ELEMS / elems;
    float mean[SUPERS_MAX] = { 0 }, means[SUBS_MAX];
    struct search s;
    if (importance)
        super_mean_squares(mean, src, SUPERS_OF(elems), 2);
    for (int i = 0; i < subs; i++)
        means[i] = mean[i * elems / SUPER_ELEMS];
    for (int i = 0; i < subs; i += VL) {
        load(&s, src + i * elems, importance ? importance + i * elems : NULL, vf_load(means + i),
             elems);
        if (!search_subs(out + i, &s, elems, tiny))
            return false;
        for (int k = 0; k < VL; k++)
            memcpy(w + (i + k) * elems, s.w_by_sub[k], sizeof *w * (size_t)elems);
    }
    return true;
}

static bool iq1_s_weighted(void *dst, const float *src, const float *importance,
                           const float *mean_square) {
    struct iq1_sub subs[SUBS_MAX];
    float w[SUPERS_OF(IQ1_S_SUB) * SUPER_ELEMS];
    (void)mean_square; /* the row's; these take the super-block's */
    if (!search_supers(subs, w, src, importance, IQ1_S_SUB, IQ1_S_TINY))
        return false;
    for (int k = 0; k < SUPERS_OF(IQ1_S_SUB); k++)
        iq1_s_store((struct iq1_s *)dst + k, subs + SUPER_ELEMS / IQ1_S_SUB * k);
    return true;
}

static bool iq1_m_weighted(void *dst, const float *src, const float *importance,
                           const float *mean_square) {
    struct iq1_sub subs[SUBS_MAX];
    float w[SUPERS_OF(IQ1_M_SUB) * SUPER_ELEMS];
    (void)mean_square;
    if (!search_supers(subs, w, src, importance, IQ1_M_SUB, IQ1_M_TINY))
        return false;
    for (int k = 0; k < SUPERS_OF(IQ1_M_SUB); k++)
        iq1_m_store((struct iq1_m *)dst + k, subs + SUPER_ELEMS / IQ1_M_SUB * k,
                    src + SUPER_ELEMS * k, w + SUPER_ELEMS * k);
    return true;
}

static bool iq1_m_group(void *dst, const float *src) {
    return LANES(f32_all_finite)(src, SUPERS_OF(IQ1_M_SUB) * SUPER_ELEMS) &&
           iq1_m_weighted(dst, src, NULL, NULL);
}

void LANES(iq1_m_encode)(void *dst, const float *src, size_t blocks) {
    encode_groups(dst, src, blocks, SUPER_ELEMS, sizeof(struct iq1_m), SUPERS_OF(IQ1_M_SUB),
                  iq1_m_group, iq1_m_encode_c);
}

void LANES(iq1_s_encode_weighted)(void *dst, const float *src, const float *importance, size_t rows,
                                  size_t row_elems) {
    const struct weighted_job job = { SUPER_ELEMS, sizeof(struct iq1_s), SUPERS_OF(IQ1_S_SUB),
                                      false,       iq1_s_weighted,       iq1_s_encode_weighted_c };
    encode_weighted_groups(&job, dst, src, importance, rows, row_elems);
}

void LANES(iq1_m_encode_weighted)(void *dst, const float *src, const float *importance, size_t rows,
                                  size_t row_elems) {
    const struct weighted_job job = { SUPER_ELEMS, sizeof(struct iq1_m), SUPERS_OF(IQ1_M_SUB),
                                      false,       iq1_m_weighted,       iq1_m_encode_weighted_c };
    encode_weighted_groups(&job, dst, src, importance, rows, row_elems);
}
