/* SPDX-License-Identifier: Apache-2.0
 * kernels/iq1.c - the encoders of iq1_s and iq1_m: for each way to cut the sorted elements in
 * three, the scale by weighted least squares; then points of the codebook. Source: as in iq1.h;
 * iq1_find_best_neighbour2. */
#include "kernels/iq1.h"
#include "kernels/iq_grids.h"
#include "kernels/loops.h"
#include <float.h>

enum { SUB_MAX = 32 };

/* A sub-block on its way. */
struct state {
    int elems;
    const float *x, *w;
    uint8_t order[SUB_MAX]; /* the elements from the least to the greatest, equals as they come */
    uint8_t digit[SUB_MAX];
};

/* The best cut so far: elements below @low get digit 0, those from @high on digit 2. */
struct cut {
    float best, scale;
    int low, high; /* low < 0: none yet */
    int down;      /* bit h: half h is moved down */
};

static void sort(struct state *s) {
    for (int i = 0; i < s->elems; i++) {
        int at = i;
        for (; at > 0 && s->x[s->order[at - 1]] > s->x[i]; at--)
            s->order[at] = s->order[at - 1];
        s->order[at] = (uint8_t)i;
    }
}

static void try_cut(struct cut *cut, float sum_qx, float sum_q2, int low, int high, int down) {
    if (sum_q2 > 0 && sum_qx * sum_qx > cut->best * sum_q2) {
        cut->scale = sum_qx / sum_q2;
        *cut = (struct cut){ cut->scale * sum_qx, cut->scale, low, high, down };
    }
}

/* All elements are moved the same way. */
static void cut_whole(struct cut *cut, const struct state *s) {
    enum { N = IQ1_S_SUB };
    float x[N + 1] = { 0 }, w[N + 1] = { 0 };
    for (int i = 0; i < N; i++) {
        x[i + 1] = x[i] + s->w[s->order[i]] * s->x[s->order[i]];
        w[i + 1] = w[i] + s->w[s->order[i]];
    }
    for (int low = 0; low <= N; low++) {
        for (int high = low; high <= N; high++) {
            for (int down = 0; down < 2; down++) {
                const float *v = iq1_values_of[down];
                const float sum_qx =
                    (x[low] - x[0]) * v[0] + (x[high] - x[low]) * v[1] + (x[N] - x[high]) * v[2];
                const float sum_q2 = (w[low] - w[0]) * v[0] * v[0] +
                                     (w[high] - w[low]) * v[1] * v[1] +
                                     (w[N] - w[high]) * v[2] * v[2];
                try_cut(cut, sum_qx, sum_q2, low, high, down * 3);
            }
        }
    }
}

/* Of one half of the elements: prefix sums in the order of all. */
struct half_sums {
    float x[IQ1_M_SUB + 1], w[IQ1_M_SUB + 1];
};

/* Both sums of a cut, for a half that is moved up or down. As its values are 1 apart, the first is
 * total * v[2] less two prefix sums. */
static void half_fit(const struct half_sums *h, int low, int high, int down, float *qx, float *q2) {
    const float *v = iq1_values_of[down];
    const float first = v[0] * v[0] - v[1] * v[1], second = v[1] * v[1] - v[2] * v[2];
    *qx = h->x[IQ1_M_SUB] * v[2] - (h->x[low] + h->x[high]);
    *q2 = h->w[IQ1_M_SUB] * v[2] * v[2] + h->w[low] * first + h->w[high] * second;
}

/* Each half is moved its own way. */
static void cut_halves(struct cut *cut, const struct state *s) {
    enum { N = IQ1_M_SUB };
    struct half_sums halves[2] = { 0 };
    for (int i = 0; i < N; i++) {
        const int at = s->order[i];
        for (int h = 0; h < 2; h++) {
            const bool mine = at / (N / 2) == h;
            halves[h].x[i + 1] = mine ? halves[h].x[i] + s->w[at] * s->x[at] : halves[h].x[i];
            halves[h].w[i + 1] = mine ? halves[h].w[i] + s->w[at] : halves[h].w[i];
        }
    }
    for (int low = 0; low <= N; low++) {
        for (int high = low; high <= N; high++) {
            float qx[2][2], q2[2][2];
            for (int h = 0; h < 2; h++)
                for (int down = 0; down < 2; down++)
                    half_fit(&halves[h], low, high, down, &qx[h][down], &q2[h][down]);
            for (int way = 0; way < 4; way++) {
                const int a = way / 2, b = way % 2;
                try_cut(cut, qx[0][a] + qx[1][b], q2[0][a] + q2[1][b], low, high, a | b << 1);
            }
        }
    }
}

/* The first of the best of @n points for eight elements; @best stays where none has a finite
 * error. */
static bool nearest_point(const uint16_t *points, int n, const float *x, const float *w,
                          float scale, const float *values, uint16_t *best) {
    float best_error = FLT_MAX;
    for (int j = 0; j < n; j++) {
        float error = 0;
        for (int i = 0; i < 8; i++) {
            const float apart = scale * values[points[j] >> (2 * i) & 3] - x[i];
            error += w[i] * apart * apart;
        }
        if (error < best_error) {
            *best = points[j];
            best_error = error;
        }
    }
    return best_error < FLT_MAX;
}

/* The point for eight elements' digits; false: a near one. */
static bool look_up(const struct state *s, int g, float scale, const float *values,
                    uint16_t *point) {
    const float *x = s->x + 8 * g, *w = s->w + 8 * g;
    int code = 0, digits = 0;
    for (int i = 7; i >= 0; i--) {
        code = 3 * code + s->digit[8 * g + i];
        digits = digits << 2 | s->digit[8 * g + i];
    }
    int n;
    const uint16_t *list = iq_list(&iq1_book, code, &n);
    *point = list[0];
    if (*point == digits)
        return true;
    if (!nearest_point(list, n, x, w, scale, values, point))
        nearest_point(iq1_grid, IQ1_POINTS, x, w, scale, values, point);
    return false;
}

static void find_points(struct iq1_sub *out, const struct state *s) {
    bool on_grid = true;
    float sum_qx = 0, sum_q2 = 0;
    for (int g = 0; g < s->elems / 8; g++)
        on_grid &=
            look_up(s, g, out->scale, iq1_values_of[out->down[g * 16 / s->elems]], &out->point[g]);
    if (on_grid)
        return;
    for (int i = 0; i < s->elems; i++) {
        const int digit = out->point[i / 8] >> (i % 8 * 2) & 3;
        const float q = iq1_values_of[out->down[i * 2 / s->elems]][digit];
        sum_qx += s->w[i] * q * s->x[i];
        sum_q2 += s->w[i] * q * q;
    }
    if (sum_qx > 0 && sum_q2 > 0)
        out->scale = sum_qx / sum_q2;
}

static void search_sub(struct iq1_sub *out, const float *x, const float *w, int elems, float tiny,
                       void (*cut_all)(struct cut *, const struct state *)) {
    struct state s = { .elems = elems, .x = x, .w = w };
    struct cut cut = { .best = -FLT_MAX, .low = -1 };
    memset(out, 0, sizeof *out);
    for (int g = 0; g < 4; g++)
        out->point[g] = iq1_grid[0];
    if (fabsf(first_absmax(x, elems)) < tiny)
        return;
    sort(&s);
    cut_all(&cut, &s);
    if (cut.low < 0)
        return;
    const bool flip = cut.scale < 0;
    for (int i = 0; i < elems; i++) {
        const int digit = i < cut.low ? 0 : i < cut.high ? 1 : 2;
        s.digit[s.order[i]] = (uint8_t)(flip ? 2 - digit : digit);
    }
    out->scale = fabsf(cut.scale);
    for (int h = 0; h < 2; h++)
        out->down[h] = (cut.down >> h & 1) != flip;
    find_points(out, &s);
}

static void set_weights(float *w, const float *x, const float *importance) {
    if (importance)
        importance_weights(w, x, importance, SUPER_ELEMS,
                           2 * sum_squares(x, SUPER_ELEMS) / SUPER_ELEMS);
    for (int i = 0; i < SUPER_ELEMS && !importance; i++)
        w[i] = x[i] * x[i];
}

static void weighted_iq1_s(void *dst, const float *x, const float *importance, float mean_square) {
    struct iq1_sub subs[SUPER_ELEMS / IQ1_S_SUB];
    float w[SUPER_ELEMS];
    (void)mean_square; /* the row's; these take the block's */
    set_weights(w, x, importance);
    for (int s = 0; s < SUPER_ELEMS; s += IQ1_S_SUB)
        search_sub(&subs[s / IQ1_S_SUB], x + s, w + s, IQ1_S_SUB, IQ1_S_TINY, cut_whole);
    iq1_s_store(dst, subs);
}

static void weighted_iq1_m(void *dst, const float *x, const float *importance, float mean_square) {
    struct iq1_sub subs[SUPER_ELEMS / IQ1_M_SUB];
    float w[SUPER_ELEMS];
    (void)mean_square;
    set_weights(w, x, importance);
    for (int s = 0; s < SUPER_ELEMS; s += IQ1_M_SUB)
        search_sub(&subs[s / IQ1_M_SUB], x + s, w + s, IQ1_M_SUB, IQ1_M_TINY, cut_halves);
    iq1_m_store(dst, subs, x, w);
}

static void encode_iq1_m(void *dst, const float *x) {
    weighted_iq1_m(dst, x, NULL, 0);
}

void iq1_m_encode_c(void *dst, const float *src, size_t blocks) {
    encode_finite(dst, src, blocks, SUPER_ELEMS, sizeof(struct iq1_m), encode_iq1_m);
}

void iq1_s_encode_weighted_c(void *dst, const float *src, const float *importance, size_t rows,
                             size_t row_elems) {
    encode_rows(dst, src, importance, rows, row_elems, SUPER_ELEMS, sizeof(struct iq1_s),
                weighted_iq1_s);
}

void iq1_m_encode_weighted_c(void *dst, const float *src, const float *importance, size_t rows,
                             size_t row_elems) {
    encode_rows(dst, src, importance, rows, row_elems, SUPER_ELEMS, sizeof(struct iq1_m),
                weighted_iq1_m);
}
