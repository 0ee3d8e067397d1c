/* SPDX-License-Identifier: Apache-2.0
 * tools/compare.c - see compare.h. Each piece of a tensor has sums of its own, added up in order at
 * the end, so that the result does not depend on which thread was first. */
#include "tools/compare.h"
#include "formats/cleanup.h"
#include "quant/codec.h"
#include "tools/pieces.h"
#include <errno.h>
#include <math.h>

enum { PIECE = 1 << 20 /* elements; whole blocks of every type */ };

struct piece {
    uint32_t pair;
    uint64_t first;
    struct sums sums;
};

struct run {
    struct comparison *c;
    struct piece *pieces;
    uint64_t n;
};

/* --- pairs --- */

/* Leading dimensions of 1 say nothing. */
static bool same_shape(const struct tensor *a, const struct tensor *b) {
    uint32_t i = 0, j = 0;
    while (i < a->n_dims && a->dims[i] == 1)
        i++;
    while (j < b->n_dims && b->dims[j] == 1)
        j++;
    if (a->n_dims - i != b->n_dims - j)
        return false;
    for (; i < a->n_dims; i++, j++)
        if (a->dims[i] != b->dims[j])
            return false;
    return true;
}

static enum pair_state state_of(const struct tensor *a, const struct tensor *b) {
    if (!a || !b)
        return a ? PAIR_ONLY_A : PAIR_ONLY_B;
    if (!same_shape(a, b))
        return PAIR_SHAPE;
    return codec_can_decode(a->dtype) && codec_can_decode(b->dtype) ? PAIR_COMPARED : PAIR_TYPE;
}

static void add_pair(struct comparison *c, const struct tensor *a, const struct tensor *b) {
    c->pairs[c->n++] = (struct pair){ .a = a, .b = b, .state = state_of(a, b) };
}

int compare_pair(struct comparison *c, struct side *a, struct side *b, struct err *err) {
    const struct model *x = a->model, *y = b->model;
    *c = (struct comparison){ .a = a, .b = b };
    c->pairs = calloc((size_t)x->n_tensors + y->n_tensors + 1, sizeof *c->pairs);
    if (!c->pairs)
        return err_set(err, -ENOMEM, "no memory for the tensors");
    for (uint32_t i = 0; i < x->n_tensors; i++)
        add_pair(c, &x->tensors[i], model_find(y, x->tensors[i].name));
    for (uint32_t i = 0; i < y->n_tensors; i++)
        if (!model_find(x, y->tensors[i].name))
            add_pair(c, NULL, &y->tensors[i]);
    return 0;
}

void compare_free(struct comparison *c) {
    free(c->pairs);
    c->pairs = NULL;
}

/* --- sums --- */

static void sums_add(struct sums *s, const struct sums *more) {
    s->n += more->n;
    s->not_finite += more->not_finite;
    s->aa += more->aa;
    s->bb += more->bb;
    s->ab += more->ab;
    s->dd += more->dd;
    s->max = more->max > s->max ? more->max : s->max;
}

static void sums_take(struct sums *s, const float *a, const float *b, uint64_t n) {
    for (uint64_t i = 0; i < n; i++) {
        const double x = a[i], y = b[i], d = y - x;
        if (!isfinite(x) || !isfinite(y)) {
            s->not_finite++;
            continue;
        }
        s->n++;
        s->aa += x * x;
        s->bb += y * y;
        s->ab += x * y;
        s->dd += d * d;
        s->max = fabs(d) > s->max ? fabs(d) : s->max;
    }
}

double sums_rmse(const struct sums *s) {
    return s->n ? sqrt(s->dd / (double)s->n) : 0;
}

double sums_cosine(const struct sums *s) {
    if (s->aa == 0 || s->bb == 0)
        return s->aa == s->bb;
    return s->ab / (sqrt(s->aa) * sqrt(s->bb));
}

/* --- pieces --- */

static int compare_piece(void *user, uint64_t index, void *scratch, struct err *err) {
    struct run *r = user;
    struct piece *p = &r->pieces[index];
    const struct pair *pair = &r->c->pairs[p->pair];
    const uint64_t left = pair->a->elems - p->first, n = left < PIECE ? left : PIECE;
    float *a = scratch, *b = a + PIECE;
    void *raw = b + PIECE;
    int rc = side_read(r->c->a, pair->a, p->first, n, raw, a, err);
    if (rc == 0)
        rc = side_read(r->c->b, pair->b, p->first, n, raw, b, err);
    if (rc == 0)
        sums_take(&p->sums, a, b, n);
    return rc;
}

static int cut_pieces(struct run *r, struct err *err) {
    const struct comparison *c = r->c;
    uint64_t n = 0;
    for (uint32_t i = 0; i < c->n; i++)
        if (c->pairs[i].state == PAIR_COMPARED)
            n += (c->pairs[i].a->elems + PIECE - 1) / PIECE;
    r->pieces = calloc(n + 1, sizeof *r->pieces);
    if (!r->pieces)
        return err_set(err, -ENOMEM, "no memory to compare");
    for (uint32_t i = 0; i < c->n; i++)
        for (uint64_t at = 0; c->pairs[i].state == PAIR_COMPARED && at < c->pairs[i].a->elems;
             at += PIECE)
            r->pieces[r->n++] = (struct piece){ .pair = i, .first = at };
    return 0;
}

int compare_run(struct comparison *c, unsigned threads, struct err *err) {
    struct run r = { .c = c };
    int rc = cut_pieces(&r, err);
    if (rc < 0)
        return rc;
    /* raw bytes: eight a number at the most */
    rc = pieces_run(r.n, threads, PIECE * (2 * sizeof(float) + sizeof(double)), compare_piece, &r,
                    err);
    for (uint64_t i = 0; i < r.n; i++)
        sums_add(&c->pairs[r.pieces[i].pair].sums, &r.pieces[i].sums);
    for (uint32_t i = 0; i < c->n; i++)
        sums_add(&c->total, &c->pairs[i].sums);
    free(r.pieces);
    return rc;
}
