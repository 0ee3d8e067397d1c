/* SPDX-License-Identifier: Apache-2.0
 * tools/validate_values.c - every number of a model is looked at once. */
#include "quant/codec.h"
#include "tools/pieces.h"
#include "tools/validate.h"
#include <errno.h>
#include <math.h>
#include <stdlib.h>

enum { PIECE = 1 << 20 /* elements; whole blocks of every type */ };

struct piece {
    uint32_t tensor;
    uint64_t first;
    struct tensor_faults faults;
};

struct run {
    const struct side *side;
    struct piece *pieces;
    uint64_t n;
};

static int look(void *user, uint64_t index, void *scratch, struct err *err) {
    const struct run *r = user;
    struct piece *p = &r->pieces[index];
    const struct tensor *t = &r->side->model->tensors[p->tensor];
    const uint64_t left = t->elems - p->first, n = left < PIECE ? left : PIECE;
    float *x = scratch;
    int rc = side_read(r->side, t, p->first, n, x + PIECE, x, err);
    for (uint64_t i = 0; rc == 0 && i < n; i++) {
        p->faults.nan += isnan(x[i]);
        p->faults.infinite += isinf(x[i]) != 0;
        p->faults.others += x[i] != 0 && x[i] != -INFINITY;
    }
    return rc;
}

static bool has_numbers(const struct tensor *t) {
    return codec_can_decode(t->dtype);
}

static int cut_pieces(struct run *r, struct values *v, struct err *err) {
    const struct model *m = r->side->model;
    uint64_t n = 0;
    for (uint32_t i = 0; i < m->n_tensors; i++)
        if (has_numbers(&m->tensors[i]))
            n += (m->tensors[i].elems + PIECE - 1) / PIECE;
        else
            v->skipped++;
    r->pieces = calloc(n + 1, sizeof *r->pieces);
    if (!r->pieces)
        return err_set(err, -ENOMEM, "no memory for the tensors");
    for (uint32_t i = 0; i < m->n_tensors; i++)
        for (uint64_t at = 0; has_numbers(&m->tensors[i]) && at < m->tensors[i].elems; at += PIECE)
            r->pieces[r->n++] = (struct piece){ .tensor = i, .first = at };
    return 0;
}

static void add(struct tensor_faults *to, const struct tensor_faults *more) {
    to->nan += more->nan;
    to->infinite += more->infinite;
    to->others += more->others;
}

bool values_bad(const struct tensor_faults *f) {
    return f->nan || (f->infinite && f->others);
}

int values_check(struct values *v, const struct side *s, unsigned threads, struct err *err) {
    struct run r = { .side = s };
    *v = (struct values){ 0 };
    v->faults = calloc((size_t)s->model->n_tensors + 1, sizeof *v->faults);
    int rc = v->faults ? cut_pieces(&r, v, err) : err_set(err, -ENOMEM, "no memory");
    if (rc == 0) /* raw bytes: eight a number at the most */
        rc = pieces_run(r.n, threads, PIECE * (sizeof(float) + sizeof(double)), look, &r, err);
    for (uint64_t i = 0; i < r.n; i++) {
        add(&v->faults[r.pieces[i].tensor], &r.pieces[i].faults);
        add(&v->all, &r.pieces[i].faults);
    }
    for (uint32_t i = 0; v->faults && i < s->model->n_tensors; i++)
        v->bad |= values_bad(&v->faults[i]);
    for (uint32_t i = 0; i < s->model->n_tensors; i++)
        v->numbers += has_numbers(&s->model->tensors[i]) ? s->model->tensors[i].elems : 0;
    free(r.pieces);
    return rc;
}

void values_free(struct values *v) {
    free(v->faults);
    v->faults = NULL;
}
