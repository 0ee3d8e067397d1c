/* SPDX-License-Identifier: Apache-2.0
 * fs/convert.c - see convert.h. The whole of a conversion is on this page: a range of elements is
 * cut into runs that lie together in one source tensor, runs into pieces that are read at once,
 * pieces into tiles that stay in the first-level cache. */
#include "fs/convert.h"
#include "formats/cleanup.h"
#include "fs/engine.h"
#include "quant/codec.h"
#include <errno.h>

enum {
    TILE_ELEMS = 4096,       /* 16 KiB of floats; a multiple of every block */
    PIECE_BYTES = 256 << 10, /* read at once: stays in the second-level cache */
    MAX_BLOCK_ELEMS = 256,
    MAX_BLOCK_BYTES = 1024,
};

/* What one conversion has at hand; the tensors it reads may lie in several files. */
struct convert {
    const struct kernels *k;
    struct model *model;
    const struct conversion *c;
    struct err *err;
    uint8_t *piece;                     /* PIECE_BYTES */
    float *tile;                        /* TILE_ELEMS */
    uint32_t checked_src;               /* the source that was read last, not yet checked */
    bool dirty;
};

static int fail(struct convert *cv, int code, const char *why) {
    return err_set(cv->err, code, "%.*s: %s", STR_ARG(cv->c->name), why);
}

/* Whatever was read from the source before this is of the version that was opened. */
static int check_source(struct convert *cv) {
    if (!cv->dirty)
        return 0;
    cv->dirty = false;
    return source_check(cv->model->sources[cv->checked_src], cv->err);
}

static int read_source(struct convert *cv, const struct tensor *t, uint64_t off, uint64_t len,
                       void *dst) {
    if (cv->dirty && cv->checked_src != t->src) {
        int rc = check_source(cv);
        if (rc < 0)
            return rc;
    }
    cv->checked_src = t->src;
    cv->dirty = true;
    return source_pread(cv->model->sources[t->src], dst, len, t->off + off, cv->err);
}

/* --- bytes that are only moved --- */

static int move_elems(struct convert *cv, uint64_t elem, uint64_t count, uint8_t *dst) {
    const struct dtype_info *d = &dtype_info[cv->c->to];
    while (count > 0) {
        struct expr_run run;
        expr_run(cv->c->expr, elem, count, &run);
        const uint64_t bytes = run.count / d->block_elems * d->block_bytes;
        int rc = read_source(cv, run.leaf->tensor, run.leaf_elem / d->block_elems * d->block_bytes,
                             bytes, dst);
        if (rc < 0)
            return rc;
        dst += bytes;
        elem += run.count;
        count -= run.count;
    }
    return 0;
}

/* --- numbers that are changed --- */

static int apply_steps(struct convert *cv, const struct expr_run *run, float *x, uint64_t n) {
    for (uint32_t s = 0; s < run->n_steps; s++) {
        const struct expr *e = run->steps[s];
        if (e->op == EXPR_ADD) {
            for (uint64_t i = 0; i < n; i++)
                x[i] += e->add.addend;
            continue;
        }
        const struct dtype_info *d = &dtype_info[e->round.to];
        uint8_t narrow[TILE_ELEMS * 4];
        if (n % d->block_elems || codec_encode(cv->k, e->round.to, narrow, x, n) < 0 ||
            codec_decode(cv->k, e->round.to, x, narrow, n) < 0)
            return fail(cv, -ENOTSUP, "cannot pass through its intermediate type");
    }
    return 0;
}

/* Elements [elem, elem + n) of a run's leaf as floats; what is read lies in cv->piece from
 * element @first on. */
static int decode_tile(struct convert *cv, const struct expr_run *run, uint64_t first,
                       uint64_t elem, uint64_t n, float *dst) {
    if (run->leaf->op == EXPR_LITERAL) {
        memcpy(dst, run->leaf->literal + elem, n * sizeof *dst);
        return 0;
    }
    const struct dtype_info *d = &dtype_info[run->leaf->tensor->dtype];
    const uint64_t lead = (elem - first) % d->block_elems;
    const uint8_t *src = cv->piece + (elem - first) / d->block_elems * d->block_bytes;
    if (lead == 0 && n % d->block_elems == 0)
        return codec_decode(cv->k, run->leaf->tensor->dtype, dst, src, n);

    /* the run begins or ends within a block of the source */
    float whole[TILE_ELEMS + 2 * MAX_BLOCK_ELEMS];
    const uint64_t blocks = (lead + n + d->block_elems - 1) / d->block_elems;
    int rc = codec_decode(cv->k, run->leaf->tensor->dtype, whole, src, blocks * d->block_elems);
    memcpy(dst, whole + lead, n * sizeof *dst);
    return rc;
}

/* The next piece of a run: reads it, *first is its first element (a block's). Returns the number
 * of the run's elements from @elem on that it holds. */
static int64_t read_piece(struct convert *cv, const struct expr_run *run, uint64_t elem,
                          uint64_t count, uint64_t *first) {
    *first = elem;
    if (run->leaf->op == EXPR_LITERAL)
        return (int64_t)count;
    const struct tensor *t = run->leaf->tensor;
    const struct dtype_info *d = &dtype_info[t->dtype];
    const uint64_t begin = elem / d->block_elems;
    uint64_t end = (elem + count + d->block_elems - 1) / d->block_elems;
    if (end - begin > PIECE_BYTES / d->block_bytes)
        end = begin + PIECE_BYTES / d->block_bytes;
    int rc = read_source(cv, t, begin * d->block_bytes, (end - begin) * d->block_bytes, cv->piece);
    if (rc < 0)
        return rc;
    *first = begin * d->block_elems;
    const uint64_t held = end * d->block_elems - elem;
    return (int64_t)(held < count ? held : count);
}

/* Tiles are filled from runs: a run may be shorter than a block of the target. */
struct sink {
    uint8_t *dst;
    uint64_t filled; /* elements in the tile */
};

static int flush_tile(struct convert *cv, struct sink *s) {
    const struct dtype_info *d = &dtype_info[cv->c->to];
    if (s->filled == 0)
        return 0;
    if (dtype_is_quantized(cv->c->to) && !cv->k->f32_all_finite(cv->tile, s->filled))
        return fail(cv, -EDOM, "holds a NaN or an infinity, which no quantized type can");
    if (codec_encode(cv->k, cv->c->to, s->dst, cv->tile, s->filled) < 0)
        return fail(cv, -ENOTSUP, "no encoder for its type");
    s->dst += s->filled / d->block_elems * d->block_bytes;
    s->filled = 0;
    return 0;
}

static int convert_run(struct convert *cv, const struct expr_run *run, struct sink *s) {
    uint64_t elem = run->leaf_elem, left = run->count;
    while (left > 0) {
        uint64_t first;
        int64_t held = read_piece(cv, run, elem, left, &first);
        if (held < 0)
            return (int)held;
        left -= (uint64_t)held;
        while (held > 0) {
            uint64_t n = TILE_ELEMS - s->filled;
            if (n > (uint64_t)held)
                n = (uint64_t)held;
            float *x = cv->tile + s->filled;
            int rc = decode_tile(cv, run, first, elem, n, x);
            if (rc < 0)
                return fail(cv, rc, "no decoder for the type of its source");
            rc = apply_steps(cv, run, x, n);
            s->filled += n;
            if (rc == 0 && s->filled == TILE_ELEMS)
                rc = flush_tile(cv, s);
            if (rc < 0)
                return rc;
            elem += n;
            held -= (int64_t)n;
        }
    }
    return 0;
}

static int compute_elems(struct convert *cv, uint64_t elem, uint64_t count, uint8_t *dst) {
    struct sink s = { dst, 0 };
    while (count > 0) {
        struct expr_run run;
        expr_run(cv->c->expr, elem, count, &run);
        int rc = convert_run(cv, &run, &s);
        if (rc < 0)
            return rc;
        elem += run.count;
        count -= run.count;
    }
    return flush_tile(cv, &s);
}

/* Whole blocks. */
static int convert_blocks(struct convert *cv, uint64_t block, uint64_t blocks, uint8_t *dst) {
    const struct dtype_info *d = &dtype_info[cv->c->to];
    const uint64_t elem = block * d->block_elems, count = blocks * d->block_elems;
    return expr_copies(cv->c->expr) == cv->c->to ? move_elems(cv, elem, count, dst)
                                                 : compute_elems(cv, elem, count, dst);
}

int convert_range(struct view *v, const struct conversion *c, uint64_t off, uint64_t len,
                  uint8_t *dst, struct err *err) {
    const uint32_t size = dtype_info[c->to].block_bytes;
    auto_free void *scratch = malloc(PIECE_BYTES + TILE_ELEMS * sizeof(float));
    if (!scratch)
        return err_set(err, -ENOMEM, "no memory to convert %.*s", STR_ARG(c->name));
    struct convert cv = { .k = &v->engine->kernels, .model = v->model, .c = c, .err = err };
    cv.tile = scratch;
    cv.piece = (uint8_t *)(cv.tile + TILE_ELEMS);

    int rc = 0;
    while (len > 0 && rc == 0) {
        const uint64_t block = off / size, cut = off % size;
        uint64_t n = len / size * size; /* bytes of whole blocks */
        if (cut == 0 && n > 0) {
            rc = convert_blocks(&cv, block, n / size, dst);
        } else { /* a block that is cut at its begin or end */
            uint8_t whole[MAX_BLOCK_BYTES];
            rc = convert_blocks(&cv, block, 1, whole);
            n = size - cut < len ? size - cut : len;
            memcpy(dst, whole + cut, n);
        }
        dst += n;
        off += n;
        len -= n;
    }
    return rc < 0 ? rc : check_source(&cv);
}
