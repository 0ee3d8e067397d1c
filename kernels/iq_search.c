/* SPDX-License-Identifier: Apache-2.0
 * kernels/iq_search.c - see iq_search.h. Where no point has the digits asked for, the reference
 * has lists of near points for every such code, made at start; here they are found each time, from
 * the distances of all points, which are sums of bytes.
 * Source: ggml/src/ggml-quants.c, quantize_row_iq2_xxs_impl to quantize_row_iq3_s_impl,
 * iq2_find_best_neighbour, iq2xs_init_impl, and their like for iq3. */
#include "kernels/iq_search.h"
#include "kernels/blocks_iq.h"
#include "kernels/weighted.h"
#include <float.h>

/* term[k * levels + l][j]: the square of digit k of point j less l. */
struct book {
    const struct iq_how *how;
    uint8_t term[IQ_TERMS + 8][IQ_POINTS_MAX];
};

static int digit(const struct iq_how *how, uint16_t code, int k) {
    return code >> (how->bits * k) & ((1 << how->bits) - 1);
}

static void book_init(struct book *book, const struct iq_how *how) {
    book->how = how;
    for (int k = 0; k < how->digits; k++)
        for (int l = 0; l < how->levels; l++)
            for (int j = 0; j < how->points; j++) {
                const int apart = digit(how, how->grid[j], k) - l;
                book->term[k * how->levels + l][j] = (uint8_t)(apart * apart);
            }
}

/* The number of the point with this code; -1: none. */
static int book_find(const struct book *book, uint16_t code) {
    int low = 0, high = book->how->points;
    while (high - low > 1) {
        const int middle = (low + high) / 2;
        if (book->how->grid[middle] <= code)
            low = middle;
        else
            high = middle;
    }
    return book->how->grid[low] == code ? low : -1;
}

static void book_distances(const struct book *book, uint16_t code, uint8_t *distance) {
    const struct iq_how *how = book->how;
    memset(distance, 0, (size_t)how->points);
    for (int k = 0; k < how->digits; k++) {
        const uint8_t *term = book->term[k * how->levels + digit(how, code, k)];
        for (int j = 0; j < how->points; j++)
            distance[j] = (uint8_t)(distance[j] + term[j]);
    }
}

/* The greatest distance that is near: the classes-th of the different ones. */
static uint8_t near_limit(const uint8_t *distance, const struct iq_how *how) {
    int limit = -1;
    for (int n = 0; n < how->classes; n++) {
        uint8_t next = 255;
        for (int j = 0; j < how->points; j++) {
            const uint8_t other = distance[j] > limit ? distance[j] : 255;
            next = other < next ? other : next;
        }
        limit = next;
    }
    return (uint8_t)limit;
}

/* The bytes below @n (128 at most), by their uppermost bits. */
static uint64_t bytes_below(const uint8_t *p, uint8_t n) {
    const uint64_t ones = 0x0101010101010101, tops = ones << 7;
    uint64_t x;
    memcpy(&x, p, sizeof x);
    return ~(((x | tops) - ones * n) | x) & tops;
}

static float point_error(const struct iq_how *how, int point, const float *x, const float *w,
                         float scale) {
    float error = 0;
    for (int i = 0; i < how->digits; i++) {
        const float apart = scale * (float)(2 * digit(how, how->grid[point], i) + 1) - x[i];
        error += w[i] * apart * apart;
    }
    return error;
}

/* Among the near points the best for @x; of equals the nearer one, then the first. */
static int book_nearest(const struct book *book, uint16_t code, const float *x, const float *w,
                        float scale) {
    uint8_t distance[IQ_POINTS_MAX];
    book_distances(book, code, distance);
    const uint8_t limit = near_limit(distance, book->how);
    int best = 0;
    uint8_t best_distance = 255;
    float best_error = FLT_MAX;
    for (int j = 0; j < book->how->points; j += 8) {
        for (uint64_t below = bytes_below(distance + j, (uint8_t)(limit + 1)); below;
             below &= below - 1) {
            const int point = j + __builtin_ctzll(below) / 8;
            const float error = point_error(book->how, point, x, w, scale);
            if (error < best_error || (error == best_error && distance[point] < best_distance)) {
                best = point;
                best_error = error;
                best_distance = distance[point];
            }
        }
    }
    return best;
}

/* Magnitudes and signs of eight. Where the signs must be even in number and are not, the element
 * that matters least keeps the other one. */
static uint8_t split_signs(const struct iq_how *how, const float *x, const float *w, float *mag) {
    uint8_t signs = 0;
    int least = 0;
    for (int i = 0; i < 8; i++) {
        const bool negative = !(x[i] >= 0);
        mag[i] = negative ? -x[i] : x[i];
        signs = (uint8_t)(signs | negative << i);
        if (w[i] * x[i] * x[i] < w[least] * x[least] * x[least])
            least = i;
    }
    if (how->even_signs && __builtin_parity(signs)) {
        mag[least] = -mag[least];
        signs ^= (uint8_t)(1 << least);
    }
    return signs;
}

/* One sub-block on its way. */
struct state {
    const struct book *book;
    float x[IQ_SUB_MAX], w[IQ_SUB_MAX], root[IQ_SUB_MAX]; /* magnitudes, weights, their roots */
    uint16_t point[IQ_SUB_MAX / 4];
    bool on_grid[IQ_SUB_MAX / 4];
};

/* The code that @inverse gives group @g, and its point; false: a near one. */
static bool look_up(const struct state *s, int g, float inverse, float scale, uint16_t *point) {
    const struct iq_how *how = s->book->how;
    const int first = g * how->digits;
    uint16_t code = 0;
    for (int i = 0; i < how->digits; i++) {
        const int l = int_nearest(0.5f * (inverse * s->x[first + i] - 1));
        code = (uint16_t)(code | int_clamp(l, 0, how->levels - 1) << (how->bits * i));
    }
    const int found = book_find(s->book, code);
    *point =
        (uint16_t)(found >= 0 ? found
                              : book_nearest(s->book, code, s->x + first, s->root + first, scale));
    return found >= 0;
}

static void fit(const struct state *s, const uint16_t *point, float *sum_qx, float *sum_q2) {
    const struct iq_how *how = s->book->how;
    *sum_qx = *sum_q2 = 0;
    for (int i = 0; i < how->elems; i++) {
        const uint16_t code = how->grid[point[i / how->digits]];
        const float q = (float)(2 * digit(how, code, i % how->digits) + 1);
        *sum_qx += s->w[i] * s->x[i] * q;
        *sum_q2 += s->w[i] * q * q;
    }
}

static float search_candidates(struct state *s, float scale, float top) {
    const struct iq_how *how = s->book->how;
    const int groups = how->elems / how->digits;
    float best = 0, sum_qx, sum_q2;
    for (int step = -how->steps; step <= how->steps; step++) {
        const float inverse = ((float)(2 * how->levels - 1) + (float)step * how->delta) / top;
        const float own_scale = 1 / inverse;
        uint16_t point[IQ_SUB_MAX / 4];
        bool on_grid[IQ_SUB_MAX / 4];
        for (int g = 0; g < groups; g++)
            on_grid[g] = look_up(s, g, inverse, own_scale, &point[g]);
        fit(s, point, &sum_qx, &sum_q2);
        if (sum_q2 > 0 && sum_qx * sum_qx > best * sum_q2) {
            scale = sum_qx / sum_q2;
            best = scale * sum_qx;
            memcpy(s->point, point, sizeof s->point);
            memcpy(s->on_grid, on_grid, sizeof s->on_grid);
        }
    }
    return scale;
}

/* Groups are looked up again with the scale that was found. */
static float refine(struct state *s, float scale) {
    const struct iq_how *how = s->book->how;
    const int groups = how->elems / how->digits;
    bool again = how->from_scale;
    float sum_qx, sum_q2;
    for (int g = 0; g < groups; g++)
        again |= !s->on_grid[g];
    if (!again || !(scale > 0))
        return scale;
    for (int g = 0; g < groups; g++)
        if (how->from_scale || how->refine_all || !s->on_grid[g])
            look_up(s, g, 1 / scale, scale, &s->point[g]);
    fit(s, s->point, &sum_qx, &sum_q2);
    return sum_q2 > 0 ? sum_qx / sum_q2 : scale;
}

/* @w has the weights; @out is zeros. */
static void search_sub(struct state *s, const float *x, struct iq_sub *out) {
    const struct iq_how *how = s->book->how;
    uint8_t unused[IQ_SUB_MAX], signs[IQ_SUB_MAX / 8];
    for (int i = 0; i < how->elems; i += 8)
        signs[i / 8] = split_signs(how, x + i, s->w + i, s->x + i);
    float top = s->x[0], scale;
    for (int i = 0; i < how->elems; i++) {
        s->root[i] = sqrtf(s->w[i]);
        top = top > s->x[i] ? top : s->x[i];
    }
    if (top < how->tiny || top == 0)
        return;
    if (how->from_scale) {
        scale = positive_search(s->x, s->w, how->elems, how->levels + 1, unused);
        top = scale * (float)how->levels;
        if (top <= 0)
            return;
    } else {
        scale = top / (float)(2 * how->levels - 1);
    }
    memset(s->point, 0, sizeof s->point);
    memset(s->on_grid, !how->refine_all, sizeof s->on_grid);
    scale = refine(s, search_candidates(s, scale, top));
    for (int i = 0; i < how->elems / 8; i++)
        out->signs[i] = (uint8_t)(scale < 0 ? ~signs[i] : signs[i]);
    out->scale = fabsf(scale);
    memcpy(out->point, s->point, sizeof out->point);
}

/* Four-bit scales by the greatest: (2 * l + 1) / 31 of it. */
static void finish_scales(struct iq_super *super, const struct iq_how *how) {
    const int subs = SUPER_ELEMS / how->elems;
    float max = 0;
    for (int s = 0; s < subs; s++)
        max = max > super->sub[s].scale ? max : super->sub[s].scale;
    super->zero = max == 0;
    if (super->zero)
        return;
    const float d = max / 31, inverse = 1 / d;
    super->d = f16_from_f32(d * how->scale_factor);
    for (int s = 0; s < subs; s++) {
        const int l = int_nearest(0.5f * (inverse * super->sub[s].scale - 1));
        super->scales[s] = (uint8_t)int_clamp(l, 0, 15);
    }
}

static void encode_super(const struct book *book, struct iq_super *super, const float *x,
                         const float *importance) {
    const struct iq_how *how = book->how;
    const float mean = how->mean_factor * sum_squares(x, SUPER_ELEMS) / SUPER_ELEMS;
    memset(super, 0, sizeof *super);
    for (int s = 0; s < SUPER_ELEMS / how->elems; s++, x += how->elems) {
        struct state state = { .book = book };
        if (importance)
            importance_weights(state.w, x, importance + s * how->elems, how->elems, mean);
        else
            for (int i = 0; i < how->elems; i++)
                state.w[i] = how->plain_factor * mean + x[i] * x[i];
        search_sub(&state, x, &super->sub[s]);
    }
    finish_scales(super, how);
}

void iq_encode_rows(const struct iq_how *how, void *dst, const float *src, const float *importance,
                    size_t rows, size_t row_elems, size_t block_bytes, iq_store_fn *store) {
    struct book book;
    char *b = dst;
    book_init(&book, how);
    for (size_t row = 0; row < rows; row++, src += row_elems) {
        const bool finite = f32_all_finite_c(src, row_elems);
        for (size_t i = 0; i < row_elems; i += SUPER_ELEMS, b += block_bytes) {
            struct iq_super super;
            memset(b, 0, block_bytes);
            if (!finite)
                continue;
            encode_super(&book, &super, src + i, importance ? importance + i : NULL);
            store(b, &super);
        }
    }
}
