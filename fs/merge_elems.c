/* SPDX-License-Identifier: Apache-2.0
 * fs/merge_elems.c - see merge_elems.h. A row of the base gets a row of b times the columns of a
 * that it meets. As much of a is held at once as a window takes; where a wide one does not fit, the
 * rows are gone through once for each window. */
#include "fs/merge_elems.h"
#include "formats/cleanup.h"
#include "formats/merge.h"
#include "fs/convert.h"
#include <errno.h>
#include <math.h>

enum { WINDOW_FLOATS = 4 << 20 };

struct merging {
    struct reader *reader;
    const struct kernels *k;
    const struct tensor *t;
    const struct lora_pair *pair;
    uint64_t elem, count; /* of the tensor */
    float *dst;
    float *b;            /* of the rows that are met */
    uint64_t first_row;  /* of them */
    float *window;       /* rank rows of @width columns */
    uint64_t col, width; /* of the window */
};

static int floats(struct merging *g, const struct expr *e, uint64_t elem, uint64_t count,
                  float *dst) {
    return convert_floats(g->reader->model, g->k, g->t->name, e, elem, count, dst, g->reader->err);
}

/* The rows of a that matrix number @matrix of a stack has, at the window's columns. */
static int read_window(struct merging *g, uint64_t matrix) {
    const struct expr *a = g->pair->a;
    const uint64_t rank = g->pair->b->cols, first = matrix * rank;
    if (g->width == a->cols)
        return floats(g, a, first * a->cols, rank * a->cols, g->window);
    int rc = 0;
    for (uint64_t i = 0; i < rank && rc == 0; i++)
        rc = floats(g, a, (first + i) * a->cols + g->col, g->width, g->window + i * g->width);
    return rc;
}

/* What the window gives to the part of row @row that is wanted. */
static void add_row(struct merging *g, uint64_t row) {
    const uint64_t cols = g->pair->a->cols, rank = g->pair->b->cols;
    uint64_t from = row * cols + g->col, to = from + g->width;
    from = from > g->elem ? from : g->elem;
    to = to < g->elem + g->count ? to : g->elem + g->count;
    if (from < to)
        g->k->product_add(g->dst + (from - g->elem), g->b + (row - g->first_row) * rank,
                          g->window + (from - row * cols - g->col), g->width, rank, g->pair->scale,
                          to - from);
}

/* Rows [row, end), which lie in one matrix, and the columns that they have here. */
static int add_rows(struct merging *g, uint64_t row, uint64_t end, uint64_t matrix) {
    const uint64_t cols = g->pair->a->cols, rank = g->pair->b->cols, last = g->elem + g->count;
    const uint64_t one = end - row == 1; /* of a single row only what is wanted */
    const uint64_t first = one && g->elem > row * cols ? g->elem - row * cols : 0;
    const uint64_t stop = one && last < end * cols ? last - row * cols : cols;
    const uint64_t most = rank < WINDOW_FLOATS ? WINDOW_FLOATS / rank : 1;
    int rc = 0;
    for (g->col = first; g->col < stop && rc == 0; g->col += g->width) {
        g->width = stop - g->col < most ? stop - g->col : most;
        rc = read_window(g, matrix);
        for (uint64_t i = row; i < end && rc == 0; i++)
            add_row(g, i);
    }
    return rc;
}

static int add_pair(struct merging *g) {
    const uint64_t cols = g->pair->a->cols, rank = g->pair->b->cols;
    const uint64_t matrices = g->pair->experts ? g->pair->experts : 1;
    const uint64_t rows = g->pair->b->rows / matrices;
    const uint64_t end = (g->elem + g->count + cols - 1) / cols;
    const uint64_t window = rank * (cols < WINDOW_FLOATS / rank ? cols : WINDOW_FLOATS / rank + 1);
    g->first_row = g->elem / cols;
    auto_free float *b = malloc((end - g->first_row) * rank * sizeof *b);
    auto_free float *a = malloc(window * sizeof *a);
    if (!a || !b)
        return err_set(g->reader->err, -ENOMEM, "no memory to merge %.*s", STR_ARG(g->t->name));
    g->b = b;
    g->window = a;
    int rc = floats(g, g->pair->b, g->first_row * rank, (end - g->first_row) * rank, b);
    for (uint64_t row = g->first_row; row < end && rc == 0;) {
        const uint64_t matrix = row / rows;
        const uint64_t stop = (matrix + 1) * rows < end ? (matrix + 1) * rows : end;
        rc = add_rows(g, row, stop, matrix);
        row = stop;
    }
    return rc;
}

/* --- DoRA --- */

/* Whole rows, each with the length that it should have; sums in f64. */
static int set_lengths(struct merging *g, const struct expr *magnitude) {
    const uint64_t cols = g->pair->a->cols, rows = g->count / cols;
    auto_free float *lengths = malloc(rows * sizeof *lengths);
    if (!lengths)
        return err_set(g->reader->err, -ENOMEM, "no memory to merge %.*s", STR_ARG(g->t->name));
    int rc = floats(g, magnitude, g->elem / cols, rows, lengths);
    for (uint64_t r = 0; r < rows && rc == 0; r++) {
        float *row = g->dst + r * cols;
        double sum = 0;
        for (uint64_t i = 0; i < cols; i++)
            sum += (double)row[i] * (double)row[i];
        const double factor = (double)lengths[r] / sqrt(sum);
        for (uint64_t i = 0; i < cols; i++)
            row[i] = (float)(factor * (double)row[i]);
    }
    return rc;
}

static int add_pairs(struct merging *g, const struct merged *m) {
    int rc = floats(g, m->in, g->elem, g->count, g->dst);
    for (uint32_t i = 0; i < m->n && rc == 0; i++) {
        g->pair = &m->pairs[i];
        rc = add_pair(g);
        if (rc == 0 && g->pair->magnitude)
            rc = set_lengths(g, g->pair->magnitude);
    }
    return rc;
}

/* The length of a row, where some pair needs whole rows; else 0. */
static uint64_t row_unit(const struct merged *m) {
    for (uint32_t i = 0; i < m->n; i++)
        if (m->pairs[i].magnitude)
            return m->pairs[i].a->cols;
    return 0;
}

int merge_elems(struct reader *r, const struct kernels *k, const struct tensor *t, uint64_t elem,
                uint64_t count, float *dst) {
    struct merging g = { .reader = r, .k = k, .t = t, .elem = elem, .count = count, .dst = dst };
    const uint64_t unit = row_unit(t->merged);
    if (!unit || (elem % unit == 0 && count % unit == 0))
        return add_pairs(&g, t->merged);
    g.elem = elem / unit * unit;
    g.count = (elem + count + unit - 1) / unit * unit - g.elem;
    auto_free float *rows = malloc(g.count * sizeof *rows);
    if (!rows)
        return err_set(r->err, -ENOMEM, "no memory to merge %.*s", STR_ARG(t->name));
    g.dst = rows;
    int rc = add_pairs(&g, t->merged);
    if (rc == 0)
        memcpy(dst, rows + (elem - g.elem), count * sizeof *dst);
    return rc;
}
