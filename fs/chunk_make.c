/* SPDX-License-Identifier: Apache-2.0
 * fs/chunk_make.c - see chunk_make.h. */
#include "fs/chunk_make.h"
#include "fs/cache.h"
#include "fs/convert.h"
#include "fs/engine.h"
#include "fs/gpu_batch.h"
#include "fs/worker.h"
#include "quant/codec.h"
#include <errno.h>
#include <stdlib.h>
#include <time.h>

enum {
    FIRST_SLICE = 8 << 10, /* bytes, to see how long they take */
    SLICE_NS = 4000000, /* a slice is to take that long: whether anybody is left is asked before */
    TURN_NS = 16000000, /* then others have their turn */
    AHEAD_QUEUED = 4,   /* jobs a worker */
    BESIDE_QUEUED = 16,
    BESIDE_MOST = 32 << 20, /* bytes of a conversion: then what was made beside it is still kept */
    BATCH_MAX = 32          /* chunks that a GPU makes together */
};

static const char NO_MEMORY[] = "no memory for a chunk";

struct making {
    struct job job;
    struct view *view; /* a reference */
    const struct conversion *c;
    uint64_t index;
    struct interest *interest; /* a reference, or NULL */
    struct chunk *chunk;
    struct strip *strip; /* that it is made from, or NULL */
    bool wide;           /* those behind it will be wanted too */
    bool beside;         /* made because what it needs is in memory, whoever wants it */
    uint32_t done;       /* bytes */
    uint64_t ns;         /* that they took */
    uint32_t slice;      /* bytes that were made last */
    uint64_t slice_ns;
};

struct interest *interest_new(void) {
    struct interest *i = calloc(1, sizeof *i);
    if (i)
        i->refs = 1;
    return i;
}

struct interest *interest_ref(struct interest *i) {
    i->refs++;
    return i;
}

void interest_unref(struct interest *i) {
    if (i && --i->refs == 0)
        free(i);
}

static uint64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static struct chunk_key key_of(const struct making *m) {
    return (struct chunk_key){ m->c->key, m->index };
}

static struct making *making_new(struct view *v, const struct conversion *c, uint64_t index,
                                 struct interest *interest, void (*run)(struct job *)) {
    struct making *m = malloc(sizeof *m);
    if (m)
        *m = (struct making){ .job = { .run = run },
                              .view = view_ref(v),
                              .c = c,
                              .index = index,
                              .interest = interest ? interest_ref(interest) : NULL,
                              .wide = interest != NULL };
    return m;
}

static void making_free(struct making *m) {
    strip_put(m->view->engine->strips, m->strip);
    chunk_unref(m->chunk);
    interest_unref(m->interest);
    view_unref(m->view);
    free(m);
}

static bool is_wanted(const struct making *m) {
    const struct chunk_key key = key_of(m);
    return m->beside || (m->interest && !m->interest->ended) ||
           flight_wanted(m->view->engine->flight, &key);
}

static void run_ahead(struct job *j);

/* Chunks of @c that end with rows (from, to] of @m's conversion. */
static void push_beside(const struct making *m, const struct conversion *c, uint64_t from,
                        uint64_t to) {
    const uint64_t row = c->bytes / c->expr->rows, stride = chunk_stride(c);
    const uint64_t end = to == c->expr->rows ? chunk_count(c) : to * row / stride;
    struct workers *w = m->view->engine->workers;
    for (uint64_t i = from * row / stride; i < end; i++) {
        const bool room = workers_queued(w, JOB_AHEAD) < BESIDE_QUEUED * workers_threads(w);
        struct making *b = room ? making_new(m->view, c, i, NULL, run_ahead) : NULL;
        if (!b)
            return;
        b->beside = b->wide = true;
        workers_push(w, JOB_AHEAD, &b->job);
    }
}

/* The strip that @m was made from has the numbers of what lies beside, too: else all of the matrix
 * would be read again for it. */
static void make_beside(const struct making *m) {
    const struct conversion *c = m->c;
    if (!c->beside || !m->wide || m->beside || c->bytes > BESIDE_MOST)
        return;
    const uint64_t row = c->bytes / c->expr->rows, off = m->index * chunk_stride(c);
    const uint64_t from = off / row, to = (off + m->chunk->len) / row;
    for (const struct conversion *b = c->beside; b; b = b->beside)
        push_beside(m, b, from, to);
}

/* Everybody who waits is served, or told why not. */
static void land(struct making *m, int rc, const char *why) {
    struct engine *e = m->view->engine;
    const struct chunk_key key = key_of(m);
    e->stats.converting--;
    e->stats.convert_ns += m->ns;
    if (rc == 0) {
        e->stats.converted_chunks++;
        e->stats.converted_bytes += m->chunk->len;
        make_beside(m);
    }
    flight_land(e->flight, &key, rc == 0 ? m->chunk : NULL, rc, why);
    if (rc == 0)
        cache_put(e->cache, m->chunk);
    making_free(m);
}

static bool by_rows(const struct conversion *c) {
    return c->importance && codec_importance(c->to) == IMPORTANCE_ROW;
}

bool chunk_in_pieces(const struct conversion *c) {
    return !convert_by_strips(c->expr) && !by_rows(c);
}

/* Whole blocks that take about SLICE_NS, if they take as long as those before. */
static uint32_t next_slice(const struct making *m) {
    const uint32_t left = m->chunk->len - m->done, block = dtype_info[m->c->to].block_bytes;
    if (by_rows(m->c))
        return left;
    uint64_t n = m->done ? (uint64_t)m->slice * SLICE_NS / (m->slice_ns + 1) : FIRST_SLICE;
    n = n < FIRST_SLICE ? FIRST_SLICE : n;
    n = n / block * block;
    return n < left ? (uint32_t)n : left;
}

static bool is_still_wanted(const void *m) {
    return is_wanted(m);
}

static int make_slice(struct making *m, struct err *err) {
    const uint64_t off = m->index * chunk_stride(m->c), begin = now_ns();
    const struct demand demand = { off, m->chunk->len, m->wide, is_still_wanted, m, &m->strip };
    m->slice = next_slice(m);
    const int rc = convert_range(m->view, m->c, &demand, off + m->done, m->slice,
                                 chunk_data(m->chunk) + m->done, err);
    m->slice_ns = now_ns() - begin;
    m->ns += m->slice_ns;
    m->done += m->slice;
    return rc;
}

/* Once begun it has the class of a read, whoever asked first: a read may wait for it by now. */
static void take_turn(struct job *j) {
    struct making *m = (struct making *)j;
    struct err err = { 0 };
    const uint64_t end = now_ns() + TURN_NS;
    int rc = 0;
    while (rc == 0 && m->done < m->chunk->len) {
        rc = is_wanted(m) ? make_slice(m, &err) : -EINTR;
        if (rc == 0 && m->done < m->chunk->len && now_ns() > end) {
            m->strip = strip_hold(m->view->engine->strips, m->strip);
            workers_push(m->view->engine->workers, JOB_READ, &m->job);
            return;
        }
    }
    land(m, rc, err.msg);
}

/* False: no memory, and it has landed. */
static bool prepare(struct making *m) {
    const struct chunk_key key = key_of(m);
    m->job.run = take_turn;
    m->view->engine->stats.converting++;
    m->chunk = chunk_new(&key, chunk_bytes(m->c, m->index));
    if (m->chunk)
        return true;
    land(m, -ENOMEM, NO_MEMORY);
    return false;
}

/* The chunk @behind @m, claimed and prepared; NULL: it is there, or another makes it. */
static struct making *claim(const struct making *m, unsigned behind) {
    struct engine *e = m->view->engine;
    const struct chunk_key key = { m->c->key, m->index + behind };
    struct chunk *there = NULL;
    struct making *next = cache_has(e->cache, &key)
                              ? NULL
                              : making_new(m->view, m->c, key.index, m->interest, take_turn);
    if (!next)
        return NULL;
    if (flight_join(e->flight, &key, NULL, &there) == FLIGHT_MINE)
        return prepare(next) ? next : NULL;
    chunk_unref(there);
    making_free(next);
    return NULL;
}

/* @n chunks at once, less if another has one. Where that fails, one by one. */
static void make_batch(struct making *m, uint64_t n) {
    struct making *batch[BATCH_MAX] = { m };
    const uint64_t left = chunk_count(m->c) - m->index, stride = chunk_stride(m->c);
    unsigned got = 1;
    n = n < left ? n : left;
    n = n < BATCH_MAX ? n : BATCH_MAX;
    while (got < n && (batch[got] = claim(m, got)))
        got++;
    const uint64_t bytes = (got - 1) * stride + batch[got - 1]->chunk->len, start = now_ns();
    struct err err = { 0 };
    uint8_t *made = malloc(bytes);
    const struct demand all = { .off = m->index * stride, .len = bytes, .wide = true };
    const int rc = made ? convert_range(m->view, m->c, &all, all.off, bytes, made, &err) : -ENOMEM;
    const uint64_t each = (now_ns() - start) / got;
    for (unsigned i = 0; i < got; i++) {
        if (rc < 0) {
            take_turn(&batch[i]->job);
            continue;
        }
        memcpy(chunk_data(batch[i]->chunk), made + i * stride, batch[i]->chunk->len);
        batch[i]->ns = each;
        land(batch[i], 0, NULL);
    }
    free(made);
}

/* @most: chunks that are wanted, this one included. */
static void begin(struct making *m, uint64_t most) {
    const uint64_t n = gpu_batch_chunks(m->view->engine->gpu, m->c); /* 0: each alone */
    m->wide = m->wide || most > 1;
    if (!prepare(m))
        return;
    if (n > 0)
        make_batch(m, most < n ? most : n);
    else
        take_turn(&m->job);
}

void chunk_make(struct view *v, const struct conversion *c, uint64_t index, uint64_t most,
                struct interest *interest) {
    struct making *m = making_new(v, c, index, interest, take_turn);
    const struct chunk_key key = { c->key, index };
    if (m)
        begin(m, most);
    else
        flight_land(v->engine->flight, &key, NULL, -ENOMEM, NO_MEMORY);
}

static void run_ahead(struct job *j) {
    struct making *m = (struct making *)j;
    struct engine *e = m->view->engine;
    const struct chunk_key key = key_of(m);
    struct chunk *there = NULL;
    if (is_wanted(m) && !cache_has(e->cache, &key) &&
        flight_join(e->flight, &key, NULL, &there) == FLIGHT_MINE) {
        begin(m, BATCH_MAX);
        return;
    }
    chunk_unref(there);
    making_free(m);
}

bool chunk_make_ahead(struct view *v, const struct conversion *c, uint64_t index,
                      struct interest *interest) {
    struct workers *w = v->engine->workers;
    if (workers_queued(w, JOB_AHEAD) >= AHEAD_QUEUED * workers_threads(w))
        return false;
    struct making *m = making_new(v, c, index, interest, run_ahead);
    if (m)
        workers_push(w, JOB_AHEAD, &m->job);
    return m != NULL;
}
