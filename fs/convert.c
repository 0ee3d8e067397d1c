/* SPDX-License-Identifier: Apache-2.0
 * fs/convert.c - see convert.h. A range of elements is cut into runs that lie together in one
 * source tensor, runs into pieces that are read at once (fs/convert_read.c), pieces into tiles that
 * stay in the first-level cache. */
#include "fs/convert.h"
#include "formats/cleanup.h"
#include "fs/convert_impl.h"
#include "fs/engine.h"
#include "fs/scale.h"
#include "fs/unpack_elems.h"
#include "quant/codec.h"
#include <errno.h>

/* --- numbers that are changed --- */

static int apply_steps(struct convert *cv, const struct expr_run *run, float *x, uint64_t n) {
    for (uint32_t s = 0; s < run->n_steps; s++) {
        const struct expr *e = run->steps[s];
        if (expr_step(e, x, n))
            continue;
        if (e->op == EXPR_CLAMP) {
            cv->k->clamp(x, n, e->clamp.least, e->clamp.most);
            continue;
        }
        const struct dtype_info *d = &dtype_info[e->round.to];
        uint8_t narrow[TILE_ELEMS * 4];
        if (n % d->block_elems || codec_encode(cv->k, e->round.to, narrow, x, n) < 0 ||
            codec_decode(cv->k, e->round.to, x, narrow, n) < 0)
            return convert_fail(cv, -ENOTSUP, "cannot pass through its intermediate type");
    }
    return 0;
}

/* Tiles are filled from runs: a run may be shorter than a block of the target. */
struct sink {
    uint8_t *dst;
    uint64_t elem;   /* of the target: the tile's first */
    uint64_t filled; /* elements in the tile */
    const float *x;  /* the tile, or what was read where that is as good */
};

static int load_slice(struct convert *cv, uint64_t slice) {
    int rc = 0;
    if (slice != cv->slice)
        rc = importance_read(cv->c->importance, slice, cv->weights, cv->err);
    cv->slice = rc == 0 ? slice : UINT64_MAX;
    return rc;
}

/* What is in the tile, row by row. */
static int encode_weighted(struct convert *cv, const struct sink *s) {
    const struct dtype_info *d = &dtype_info[cv->c->to];
    const struct importance *w = cv->c->importance;
    const float *x = s->x;
    uint64_t elem = s->elem, n = s->filled;
    uint8_t *dst = s->dst;
    int rc = 0;
    while (n > 0 && rc == 0) {
        const uint64_t row = elem / w->cols, col = elem % w->cols, slice = row / w->rows;
        const uint64_t count = n < w->cols - col ? n : w->cols - col;
        rc = load_slice(cv, slice);
        if (rc == 0 && codec_encode_weighted(cv->k, cv->c->to, dst, x, cv->weights + col, 1, count))
            rc = convert_fail(cv, -ENOTSUP, "no encoder for its type");
        x += count;
        dst += count / d->block_elems * d->block_bytes;
        elem += count;
        n -= count;
    }
    return rc;
}

/* The one place where a batch is offered to the GPU: a whole tile, of one slice. */
static bool encode_on_gpu(struct convert *cv, const struct sink *s) {
    const struct importance *w = cv->c->importance;
    if (!cv->queue)
        return false;
    if (w) {
        const uint64_t slice = s->elem / w->cols / w->rows;
        if (slice != (s->elem + s->filled - 1) / w->cols / w->rows || load_slice(cv, slice) < 0)
            return false;
    }
    return gpu_batch_encode(cv->gpu, cv->queue, cv->c, cv->weights, s->elem, s->filled, s->dst);
}

static int encode_tile(struct convert *cv, const struct sink *s) {
    if (encode_on_gpu(cv, s))
        return 0;
    if (cv->weights)
        return encode_weighted(cv, s);
    if (codec_encode(cv->k, cv->c->to, s->dst, s->x, s->filled) < 0)
        return convert_fail(cv, -ENOTSUP, "no encoder for its type");
    return 0;
}

static int flush_tile(struct convert *cv, struct sink *s) {
    const struct dtype_info *d = &dtype_info[cv->c->to];
    if (s->filled == 0)
        return 0;
    const bool suspect =
        (cv->c->strict || dtype_is_quantized(cv->c->to)) && !convert_are_small(s->x, s->filled);
    if (suspect && !cv->k->f32_all_finite(s->x, s->filled))
        return convert_fail(cv, -EDOM, "holds a NaN or an infinity");
    int rc = encode_tile(cv, s);
    if (rc == 0 && suspect && cv->c->strict)
        rc = convert_check(cv, s->dst, s->filled);
    s->elem += s->filled;
    s->dst += s->filled / d->block_elems * d->block_bytes;
    s->filled = 0;
    s->x = cv->tile;
    return rc;
}

/* Are @n elements that were read, from @elem on, floats that a codec may have as they lie? */
static bool is_ready(const struct convert *cv, const struct expr_run *run, const struct sink *s,
                     uint64_t n) {
    return run->n_steps == 0 && s->filled == 0 && !cv->queue && !cv->weights &&
           n % dtype_info[cv->c->to].block_elems == 0 && !expr_leaf_values(run->leaf, 0, 0, NULL) &&
           expr_leaf_type(run->leaf) == DTYPE_F32;
}

/* @n more elements, from @elem of the leaf on, of what was read from @first on. */
static int fill_tile(struct convert *cv, const struct expr_run *run, struct sink *s, uint64_t first,
                     uint64_t elem, uint64_t n) {
    float *x = cv->tile + s->filled;
    if (is_ready(cv, run, s, n)) {
        s->x = (const float *)(const void *)cv->at + (elem - first);
        s->filled = n;
        return flush_tile(cv, s);
    }
    if (convert_decode(cv, run, first, elem, n, x) < 0)
        return convert_fail(cv, -ENOTSUP, "no decoder for the type of its source");
    const int rc = apply_steps(cv, run, x, n);
    s->filled += n;
    return rc == 0 && s->filled == cv->tile_elems ? flush_tile(cv, s) : rc;
}

static int convert_run(struct convert *cv, const struct expr_run *run, struct sink *s) {
    uint64_t elem = run->leaf_elem, left = run->count;
    while (left > 0) {
        uint64_t first;
        int64_t held = convert_piece(cv, run, elem, left, &first);
        if (held < 0)
            return (int)held;
        left -= (uint64_t)held;
        while (held > 0) {
            uint64_t n = cv->tile_elems - s->filled;
            if (n > TILE_ELEMS)
                n = TILE_ELEMS;
            if (n > (uint64_t)held)
                n = (uint64_t)held;
            int rc = fill_tile(cv, run, s, first, elem, n);
            if (rc < 0)
                return rc;
            elem += n;
            held -= (int64_t)n;
        }
    }
    return 0;
}

static int compute_elems(struct convert *cv, uint64_t elem, uint64_t count, uint8_t *dst) {
    struct sink s = { dst, elem, 0, cv->tile };
    while (count > 0) {
        struct expr_run run;
        expr_run(cv->c->expr, elem, cv->end > elem + count ? cv->end - elem : count, &run);
        cv->reach = run.leaf_elem + run.count;
        run.count = run.count < count ? run.count : count;
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
    const struct expr *e = cv->c->expr;
    if (codec_can_repack(expr_copies(e), cv->c->to) && !expr_unpacks(e))
        return convert_repack(cv, elem, count, dst);
    if (e->op == EXPR_TRANSPOSE && expr_leaf_type(e) == cv->c->to)
        return convert_move_strips(cv, elem, count, dst);
    return expr_copies(e) == cv->c->to ? convert_move(cv, elem, count, dst)
                                       : compute_elems(cv, elem, count, dst);
}

/* Bytes of the target's unit: what has to be written at once. */
static uint64_t unit_bytes(const struct convert *cv) {
    const struct dtype_info *d = &dtype_info[cv->c->to];
    const bool by_row = cv->weights && codec_importance(cv->c->to) == IMPORTANCE_ROW;
    return by_row ? cv->c->importance->cols / d->block_elems * d->block_bytes : d->block_bytes;
}

/* A unit that is cut at its begin or end. */
static int convert_cut(struct convert *cv, uint64_t unit, uint64_t size, uint64_t cut, uint64_t n,
                       uint8_t *dst) {
    const uint64_t blocks = size / dtype_info[cv->c->to].block_bytes;
    uint8_t block[MAX_BLOCK_BYTES];
    auto_free uint8_t *row = size > sizeof block ? malloc(size) : NULL;
    uint8_t *whole = size > sizeof block ? row : block;
    if (!whole)
        return err_set(cv->err, -ENOMEM, "no memory to convert %.*s", STR_ARG(cv->c->name));
    int rc = convert_blocks(cv, unit * blocks, blocks, whole);
    if (rc == 0)
        memcpy(dst, whole + cut, n);
    return rc;
}

static int convert_units(struct convert *cv, uint64_t off, uint64_t len, uint8_t *dst) {
    const uint64_t size = unit_bytes(cv);
    const uint64_t blocks = size / dtype_info[cv->c->to].block_bytes;
    int rc = 0;
    while (len > 0 && rc == 0) {
        const uint64_t unit = off / size, cut = off % size;
        uint64_t n = len / size * size; /* bytes of whole units */
        if (cut == 0 && n > 0) {
            rc = convert_blocks(cv, unit * blocks, n / size * blocks, dst);
        } else {
            n = size - cut < len ? size - cut : len;
            rc = convert_cut(cv, unit, size, cut, n, dst);
        }
        dst += n;
        off += n;
        len -= n;
    }
    return rc < 0 ? rc : reader_check(&cv->reader);
}

bool convert_by_strips(const struct expr *e) {
    struct expr_run run;
    if (!e->rows || !e->cols)
        return false;
    expr_run(e, 0, 1, &run);
    return run.leaf->op == EXPR_TRANSPOSE;
}

/* Where one conversion takes its numbers from, and what else is wanted of it. */
struct origin {
    struct model *model;
    const struct kernels *k;
    struct gpu *gpu;       /* NULL: the CPU alone */
    struct strips *strips; /* with owner */
    const void *owner;     /* NULL: strips are not kept */
};

static int convert_bytes(const struct origin *from, const struct conversion *c,
                         const struct demand *demand, uint64_t off, uint64_t len, uint8_t *dst,
                         struct err *err) {
    const struct importance *w = c->importance;
    const struct dtype_info *d = &dtype_info[c->to];
    struct convert cv = { .k = from->k,
                          .reader = { .model = from->model, .err = err },
                          .c = c,
                          .err = err,
                          .demand = demand,
                          .end = (demand->off + demand->len) / d->block_bytes * d->block_elems,
                          .owner = from->owner,
                          .strips = from->strips,
                          .strip = demand->strip ? *demand->strip : NULL,
                          .tile_elems = TILE_ELEMS,
                          .slice = UINT64_MAX,
                          .gpu = from->gpu };
    if (w && w->cols > MAX_ROW_ELEMS)
        return convert_fail(&cv, -ENOTSUP, "its rows are too long for importance data");
    if (w && codec_importance(c->to) == IMPORTANCE_ROW)
        cv.tile_elems = w->cols;
    const uint64_t tile = cv.tile_elems > TILE_ELEMS ? cv.tile_elems : TILE_ELEMS;
    const size_t floats = tile + (w ? w->cols : 0);
    auto_free void *scratch = malloc(PIECE_BYTES + floats * sizeof(float));
    if (!scratch)
        return err_set(err, -ENOMEM, "no memory to convert %.*s", STR_ARG(c->name));
    cv.tile = scratch;
    cv.weights = w ? cv.tile + tile : NULL;
    cv.piece = (uint8_t *)(cv.tile + floats);
    cv.queue = gpu_batch_take(from->gpu, c, len / d->block_bytes * d->block_elems);
    if (cv.queue) {
        cv.tile = cv.queue->input;
        cv.tile_elems = gpu_batch_elems(cv.queue, c);
    }
    const int rc = convert_units(&cv, off, len, dst);
    if (cv.queue)
        gpu_give(from->gpu, cv.queue);
    if (demand->strip)
        *demand->strip = cv.strip;
    else
        strip_put(cv.strips, cv.strip);
    unpack_fini(&cv.reader);
    return rc;
}

int convert_range(struct view *v, const struct conversion *c, const struct demand *demand,
                  uint64_t off, uint64_t len, uint8_t *dst, struct err *err) {
    const struct engine *e = v->engine;
    const struct origin from = { v->model, &e->kernels, e->gpu, e->strips, v };
    const struct demand alone = { .off = off, .len = len };
    if (c->scaling)
        return scale_range(v, c, off, len, dst, err);
    return convert_bytes(&from, c, demand ? demand : &alone, off, len, dst, err);
}

int convert_floats(struct model *m, const struct kernels *k, struct str name, const struct expr *e,
                   uint64_t elem, uint64_t count, float *dst, struct err *err) {
    const struct conversion c = { .name = name, .expr = e, .to = DTYPE_F32 };
    const struct origin from = { .model = m, .k = k };
    const struct demand alone = { .off = elem * sizeof *dst, .len = count * sizeof *dst };
    return convert_bytes(&from, &c, &alone, alone.off, alone.len, (uint8_t *)dst, err);
}
