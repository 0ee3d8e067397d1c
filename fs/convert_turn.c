/* SPDX-License-Identifier: Apache-2.0
 * fs/convert_turn.c - the near end of a transpose. What is turned over is read by rows, some at
 * once, of each just the columns that a strip has; they are decoded where they are blocks, and put
 * into the strip as parts of its lines. */
#include "fs/convert_impl.h"
#include "fs/strip.h"
#include "quant/codec.h"
#include <errno.h>
#include <stdlib.h>

enum {
    NARROW_BYTES = 8 << 20, /* of a strip for what is asked for alone */
    WIDE_BYTES = 36 << 20,  /* of one from which a reader who goes on is served */
    WIDE_ROW = 8 << 10,     /* bytes of a row that are worth a read */
    WHOLE_ROW = 4 << 10,    /* rows that short are read whole, many at once */
    ROWS_BYTES = 256 << 10, /* of rows that are read before they are turned: second-level cache */
    ROWS_MIN = 16,          /* elements of a line that are written at once: a line of cache */
    CACHE_LINE = 64,
    SHORT_LINE = 1 << 10 /* bytes */
};

/* One thread that fills a strip. */
struct turning {
    struct convert *cv;
    const struct expr *in;
    const struct dtype_info *stored_as;
    enum dtype type;       /* of what is stored */
    uint64_t first, count; /* columns that are read: whole blocks */
    uint32_t elem_bytes;   /* in the strip */
    uint8_t *rows;         /* of one block of the strip, as they are read */
    uint8_t *stored;       /* blocks that are to be decoded */
};

static bool has_blocks(const struct turning *t) {
    return t->stored_as->block_elems > 1;
}

static uint64_t stored_bytes(const struct turning *t, uint64_t elems) {
    return elems / t->stored_as->block_elems * t->stored_as->block_bytes;
}

/* What is read of each row for the columns of @at. */
static void plan_rows(struct turning *t, const struct strip_place *at) {
    const uint64_t col = at->line % t->in->cols, end = col + at->lines;
    const uint64_t block = t->stored_as->block_elems;
    t->first = col / block * block;
    t->count = (end + block - 1) / block * block - t->first;
    if (stored_bytes(t, t->in->cols) <= WHOLE_ROW) {
        t->first = 0;
        t->count = t->in->cols;
    }
}

static uint32_t rows_at_once(const struct turning *t) {
    const uint64_t rows = ROWS_BYTES / (t->count * t->elem_bytes) / ROWS_MIN * ROWS_MIN;
    return rows < ROWS_MIN ? ROWS_MIN : (uint32_t)rows;
}

/* --- reading --- */

/* @n rows of a tensor from its element @elem on, as they are stored. */
static int fetch(struct turning *t, const struct tensor *from, uint64_t elem, uint64_t n,
                 uint8_t *dst, uint64_t dst_step) {
    struct source_rows r = { .off = stored_bytes(t, elem),
                             .step = stored_bytes(t, t->in->cols),
                             .n = stored_bytes(t, t->count),
                             .rows = n,
                             .dst = dst,
                             .dst_step = dst_step };
    if (r.n == r.step && r.n == dst_step) { /* they lie together */
        r.n *= n;
        r.rows = 1;
    }
    if (!tensor_is_made(from))
        return reader_pread_rows(&t->cv->reader, from, r);
    int rc = 0;
    for (uint64_t i = 0; i < r.rows && rc == 0; i++)
        rc = convert_source(t->cv, from, r.off + i * r.step, r.n, dst + i * dst_step);
    return rc;
}

static int fetch_blocks(struct turning *t, const struct tensor *from, uint64_t elem, uint64_t n,
                        uint8_t *dst) {
    const uint64_t bytes = stored_bytes(t, t->count);
    int rc = fetch(t, from, elem, n, t->stored, bytes);
    for (uint64_t i = 0; i < n && rc == 0; i++)
        if (codec_decode(t->cv->k, t->type, (float *)(void *)(dst + i * t->count * sizeof(float)),
                         t->stored + i * bytes, t->count) < 0)
            rc = convert_fail(t->cv, -ENOTSUP, "no decoder for the type of its source");
    return rc;
}

/* Rows [row, row + n) of the gather that is turned over. */
static int read_rows(struct turning *t, uint64_t row, uint64_t n) {
    const uint64_t step = t->count * t->elem_bytes;
    uint8_t *dst = t->rows;
    int rc = 0;
    while (n > 0 && rc == 0) {
        struct expr_run run; /* a gather moves whole rows, and those that lie together at once */
        expr_run(t->in, row * t->in->cols, n * t->in->cols, &run);
        const uint64_t k = run.count / t->in->cols, elem = run.leaf_elem + t->first;
        rc = has_blocks(t) ? fetch_blocks(t, run.leaf->tensor, elem, k, dst)
                           : fetch(t, run.leaf->tensor, elem, k, dst, step);
        dst += k * step;
        row += k;
        n -= k;
    }
    return rc;
}

/* The @n rows that were read into lines of the strip, from their element @row on; @skip bytes of
 * each row are not of it. */
static void turn_rows(struct turning *t, struct strip *s, uint64_t row, uint64_t n, uint64_t skip) {
    const struct strip_place *at = &s->place;
    t->cv->k->transpose(s->data + row * at->elem_bytes, at->step, t->rows + skip,
                        t->count * at->elem_bytes, n, at->lines, at->elem_bytes);
}

static int fill_rows(void *user, struct strip *s, uint64_t row, uint64_t n) {
    struct turning *t = user;
    const struct strip_place *at = &s->place;
    const uint64_t group = at->line / t->in->cols, col = at->line % t->in->cols;
    int rc = read_rows(t, group * at->leaf->cols + at->row + row, n);
    if (rc == 0) /* the strip outlives this conversion */
        rc = reader_check(&t->cv->reader);
    if (rc < 0)
        return rc;
    turn_rows(t, s, row, n, (col - t->first) * at->elem_bytes);
    return 0;
}

static bool is_wanted(const void *user) {
    const struct demand *d = ((const struct turning *)user)->cv->demand;
    return !d->wanted || d->wanted(d->user);
}

/* --- which part of a transpose --- */

/* What is asked for alone: from @elem to the end of the demand. */
static void place_narrow(const struct convert *cv, struct strip_place *at, uint64_t elem) {
    const uint64_t rows = at->leaf->cols, cols = at->leaf->transpose.in->cols;
    const uint64_t row = elem % rows, count = cv->reach - elem,
                   most = NARROW_BYTES / at->elem_bytes;
    at->line = elem / rows;
    at->lines = 1;
    at->row = 0;
    at->rows = rows;
    if (row + count <= rows || rows > most) {
        at->row = row;
        at->rows = rows - row < count ? rows - row : count;
        at->rows = at->rows < most ? at->rows : most;
        return;
    }
    const uint64_t lines = (row + count + rows - 1) / rows, left = cols - at->line % cols;
    at->lines = lines < left ? lines : left;
    at->lines = at->lines < most / rows ? at->lines : most / rows;
}

/* As many lines as are worth it: the same wherever one begins. False: of lines that long a strip
 * holds none. */
static bool place_wide(struct strip_place *at, uint64_t elem) {
    const uint64_t rows = at->leaf->cols, cols = at->leaf->transpose.in->cols;
    const uint64_t line = elem / rows, col = line % cols;
    const uint64_t room = WIDE_BYTES / at->elem_bytes / rows, worth = WIDE_ROW / at->elem_bytes;
    const uint64_t wide = room < worth ? room : worth;
    if (wide == 0)
        return false;
    at->line = line - col % wide;
    at->lines = cols - (col - col % wide);
    at->lines = at->lines < wide ? at->lines : wide;
    at->row = 0;
    at->rows = rows;
    return true;
}

/* Lines of a power of two of bytes would fall into few sets of the cache. Short ones stay close. */
static uint64_t step_of(const struct strip_place *at) {
    const uint64_t line = at->rows * at->elem_bytes;
    return line < SHORT_LINE ? line : ((line + CACHE_LINE - 1) / CACHE_LINE | 1) * CACHE_LINE;
}

static struct strip *new_strip(struct convert *cv, struct turning *t, const struct expr *leaf,
                               uint64_t elem) {
    struct strip_place at = { .owner = cv->owner, .leaf = leaf, .elem_bytes = t->elem_bytes };
    const uint64_t line = elem / leaf->cols, row = elem % leaf->cols;
    struct strip *s = NULL;
    if (cv->demand->wide && cv->owner && place_wide(&at, elem)) {
        plan_rows(t, &at);
        at.block_rows = rows_at_once(t);
        at.step = step_of(&at);
        s = strip_new(cv->strips, &at, line, row, false);
    }
    if (s)
        return s;
    place_narrow(cv, &at, elem);
    plan_rows(t, &at);
    at.block_rows = rows_at_once(t);
    at.step = step_of(&at);
    return strip_new(cv->strips, &at, line, row, true);
}

static int fill_strip(struct turning *t, struct strip *s) {
    plan_rows(t, &s->place);
    const uint64_t rows = s->place.block_rows, bytes = rows * t->count * t->elem_bytes;
    void *scratch = malloc(bytes + (has_blocks(t) ? rows * stored_bytes(t, t->count) : 0));
    if (!scratch)
        return convert_fail(t->cv, -ENOMEM, "no memory to convert it");
    t->rows = scratch;
    t->stored = t->rows + bytes;
    const struct strip_filler f = { fill_rows, is_wanted, t };
    int rc = strip_fill(t->cv->strips, s, &f);
    free(scratch);
    if (rc < 0 && rc != -EINTR && !t->cv->err->code) /* another thread knows why */
        rc = convert_fail(t->cv, rc, "its source cannot be read");
    return rc;
}

static int take_strip(struct convert *cv, const struct expr *leaf, uint64_t elem) {
    const enum dtype type = expr_copies(leaf->transpose.in);
    struct turning t = { .cv = cv,
                         .in = leaf->transpose.in,
                         .type = type,
                         .stored_as = &dtype_info[type],
                         .elem_bytes = dtype_info[expr_leaf_type(leaf)].block_bytes };
    struct strip *s = strip_find(cv->strips, cv->owner, leaf, elem / leaf->cols, elem % leaf->cols);
    if (!s)
        s = new_strip(cv, &t, leaf, elem);
    if (!s)
        return convert_fail(cv, -ENOMEM, "no memory to convert it");
    int rc = fill_strip(&t, s);
    struct expr_run run;
    expr_run(t.in, elem / leaf->cols / t.in->cols * leaf->cols * t.in->cols, 1, &run);
    if (rc == 0 && !tensor_is_made(run.leaf->tensor))
        rc = reader_touch(&cv->reader, run.leaf->tensor);
    if (rc < 0)
        strip_put(cv->strips, s);
    else
        cv->strip = s;
    return rc;
}

int64_t convert_strip(struct convert *cv, const struct expr *leaf, uint64_t elem, uint64_t count) {
    const uint64_t line = elem / leaf->cols, row = elem % leaf->cols;
    if (!cv->strip || !strip_holds(cv->strip, cv->owner, leaf, line, row)) {
        strip_put(cv->strips, cv->strip);
        cv->strip = NULL;
        int rc = take_strip(cv, leaf, elem);
        if (rc < 0)
            return rc;
    }
    const struct strip_place *at = &cv->strip->place;
    const bool close = at->rows == leaf->cols && at->step == at->rows * at->elem_bytes;
    const uint64_t lines = close ? at->lines - (line - at->line) : 1;
    const uint64_t held = lines * at->rows - (row - at->row);
    cv->at = cv->strip->data + (line - at->line) * at->step + (row - at->row) * at->elem_bytes;
    return (int64_t)(held < count ? held : count);
}
