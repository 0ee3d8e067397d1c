/* SPDX-License-Identifier: Apache-2.0
 * fs/render.c - a read walks the extents. It runs twice at the most: first on the caller's thread,
 * which only copies; from the first missing conversion on it is a job of the workers. */
#include "fs/render.h"
#include "fs/cache.h"
#include "fs/checksum.h"
#include "fs/convert.h"
#include "fs/engine.h"
#include <endian.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

/* What became of one step of a walk; negative: an errno. */
enum { STEP_ON, STEP_NEEDS_WORKER, STEP_PARKED };

static uint64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static struct chunk_key key_of(const struct conversion *c, uint64_t index) {
    return (struct chunk_key){ c->key, index };
}

/* Make a chunk that this thread has claimed; everybody who waits for it is served. */
static struct chunk *make_chunk(struct view *v, const struct conversion *c, uint64_t index,
                                struct err *err) {
    struct engine *e = v->engine;
    const struct chunk_key key = key_of(c, index);
    const uint32_t len = chunk_bytes(c, index);
    struct chunk *chunk = chunk_new(&key, len);
    int rc = chunk ? 0 : err_set(err, -ENOMEM, "no memory for a chunk");
    const uint64_t begin = now_ns();
    e->stats.converting++;
    if (chunk)
        rc = convert_range(v, c, index * chunk_stride(c), len, chunk_data(chunk), err);
    e->stats.converting--;
    e->stats.convert_ns += now_ns() - begin;
    if (rc < 0) {
        chunk_unref(chunk);
        chunk = NULL;
    } else {
        e->stats.converted_chunks++;
        e->stats.converted_bytes += len;
    }
    flight_land(e->flight, &key, chunk, rc);
    if (chunk)
        cache_put(e->cache, chunk);
    return chunk;
}

/* --- one read --- */

static void run_job(struct job *j);
static void wake(struct waiter *w);

static void finish(struct render *r, int rc) {
    struct engine_stats *st = &r->view->engine->stats;
    st->reads++;
    st->read_bytes += r->filled;
    if (rc < 0 && rc != -EINTR)
        st->errors++;
    chunk_unref(r->waiter.chunk); /* of a read that was cancelled just when its chunk came */
    r->waiter.chunk = NULL;
    r->done(r, rc);
}

static void copy_chunk(struct render *r, const struct chunk *c, uint64_t in_chunk, uint64_t n) {
    memcpy(r->buf + r->filled, c->value + CHUNK_HEADER + in_chunk, n);
    r->filled += n;
}

/* From a conversion that is kept in chunks: @off within it, @len at the most. */
static int step_chunk(struct render *r, const struct conversion *c, uint64_t off, uint64_t len,
                      bool worker) {
    struct engine *e = r->view->engine;
    const uint64_t index = off / chunk_stride(c), in_chunk = off % chunk_stride(c);
    const uint32_t bytes = chunk_bytes(c, index);
    const struct chunk_key key = key_of(c, index);
    if (len > bytes - in_chunk)
        len = bytes - in_chunk;

    struct chunk *chunk = r->waiter.chunk; /* what a parked read was woken with */
    r->waiter.chunk = NULL;
    if (!chunk)
        chunk = flight_peek(e->flight, &key);
    if (!chunk && cache_get(e->cache, &key, bytes, (uint32_t)in_chunk, (uint32_t)len,
                            r->buf + r->filled)) {
        r->filled += len;
        e->stats.cache_hits++;
        return STEP_ON;
    }
    if (!chunk && !worker)
        return STEP_NEEDS_WORKER;
    if (!chunk) {
        r->waiter = (struct waiter){ .wake = wake };
        const enum flight_state state = flight_join(e->flight, &key, &r->waiter, &chunk);
        if (state == FLIGHT_WAIT)
            return STEP_PARKED; /* r may be running elsewhere by now */
        if (state == FLIGHT_MINE) {
            e->stats.cache_misses++;
            chunk = make_chunk(r->view, c, index, &r->err);
        }
    }
    if (!chunk)
        return r->err.code ? r->err.code : -EIO;
    copy_chunk(r, chunk, in_chunk, len);
    chunk_unref(chunk);
    return STEP_ON;
}

static int step_copy(struct render *r, const struct extent *x, uint64_t off, uint64_t len) {
    struct source *s = r->view->model->sources[x->copy.src];
    int rc = source_pread(s, r->buf + r->filled, len, x->copy.off + off, &r->err);
    if (rc == 0)
        rc = source_check(s, &r->err);
    if (rc == 0)
        r->filled += len;
    return rc;
}

static int step_crc32(struct render *r, const struct extent *x, uint64_t off, uint64_t len) {
    uint32_t crc;
    int rc = checksum_crc32(r->view, x, &crc, &r->err);
    if (rc < 0)
        return rc;
    crc = htole32(crc);
    memcpy(r->buf + r->filled, (const uint8_t *)&crc + off, len);
    r->filled += len;
    return STEP_ON;
}

static int step(struct render *r, bool worker) {
    const struct layout *l = &r->view->layout;
    const uint64_t at = r->off + r->filled;
    const struct extent *x = layout_find(l, at);
    const uint64_t off = at - x->off;
    uint64_t len = r->len - r->filled;
    if (len > x->len - off)
        len = x->len - off;
    switch (x->kind) {
    case EXTENT_ZERO:
        memset(r->buf + r->filled, 0, len);
        break;
    case EXTENT_LITERAL:
        memcpy(r->buf + r->filled, x->literal + off, len);
        break;
    case EXTENT_COPY:
        return step_copy(r, x, off, len);
    case EXTENT_CONVERT:
        if (x->convert->cached)
            return step_chunk(r, x->convert, off, len, worker);
        if (!worker)
            return STEP_NEEDS_WORKER;
        int rc = convert_range(r->view, x->convert, off, len, r->buf + r->filled, &r->err);
        if (rc < 0)
            return rc;
        break;
    case EXTENT_CRC32:
        return worker ? step_crc32(r, x, off, len) : STEP_NEEDS_WORKER;
    }
    r->filled += len;
    return STEP_ON;
}

static void walk(struct render *r, bool worker) {
    struct workers *w = r->view->engine->workers;
    int rc = STEP_ON;
    while (rc == STEP_ON && r->filled < r->len)
        rc = worker && r->cancelled ? -EINTR : step(r, worker);
    if (rc == STEP_PARKED)
        return;
    if (rc == STEP_NEEDS_WORKER)
        workers_push(w, JOB_READ, &r->job);
    else
        finish(r, rc);
}

static void run_job(struct job *j) {
    walk((struct render *)((char *)j - offsetof(struct render, job)), true);
}

static void wake(struct waiter *w) {
    struct render *r = (struct render *)((char *)w - offsetof(struct render, waiter));
    if (w->rc < 0) {
        err_set(&r->err, w->rc, "another reader's conversion of the same chunk failed");
        finish(r, w->rc);
    } else {
        workers_push(r->view->engine->workers, JOB_READ, &r->job);
    }
}

void render_start(struct render *r) {
    r->filled = 0;
    r->job = (struct job){ .run = run_job };
    walk(r, false);
}

void render_cancel(struct render *r) {
    r->cancelled = true;
}

/* --- waiting --- */

struct sync {
    pthread_mutex_t lock;
    pthread_cond_t cond;
    bool done;
    int rc;
};

static void sync_done(struct render *r, int rc) {
    struct sync *s = r->user;
    pthread_mutex_lock(&s->lock);
    s->rc = rc;
    s->done = true;
    pthread_cond_signal(&s->cond);
    pthread_mutex_unlock(&s->lock);
}

int render_read(struct view *v, void *buf, size_t len, uint64_t off, struct err *err) {
    struct sync s = { PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, false, 0 };
    struct render r = { .view = v, .off = off, .len = len, .buf = buf, .done = sync_done,
                        .user = &s };
    render_start(&r);
    pthread_mutex_lock(&s.lock);
    while (!s.done)
        pthread_cond_wait(&s.cond, &s.lock);
    pthread_mutex_unlock(&s.lock);
    if (s.rc < 0)
        err_set(err, s.rc, "%s", r.err.code ? r.err.msg : "cannot be read");
    return s.rc;
}

/* --- ahead of a reader --- */

struct ahead {
    struct job job;
    struct view *view; /* a reference */
    const struct conversion *c;
    uint64_t index;
};

static void run_ahead(struct job *j) {
    struct ahead *a = (struct ahead *)j;
    struct engine *e = a->view->engine;
    const struct chunk_key key = key_of(a->c, a->index);
    struct chunk *chunk = NULL;
    struct err err = { 0 };
    if (!cache_has(e->cache, &key) &&
        flight_join(e->flight, &key, NULL, &chunk) == FLIGHT_MINE)
        chunk = make_chunk(a->view, a->c, a->index, &err);
    chunk_unref(chunk);
    view_unref(a->view);
    free(a);
}

static bool push_ahead(struct view *v, const struct conversion *c, uint64_t index) {
    struct workers *w = v->engine->workers;
    if (workers_queued(w, JOB_AHEAD) >= 4 * workers_threads(w))
        return false;
    struct ahead *a = malloc(sizeof *a);
    if (!a)
        return false;
    *a = (struct ahead){ { .run = run_ahead }, view_ref(v), c, index };
    workers_push(w, JOB_AHEAD, &a->job);
    return true;
}

uint64_t render_ahead(struct view *v, uint64_t off, uint64_t len) {
    const uint64_t size = v->layout.size;
    uint64_t end = len < size - off ? off + len : size;
    while (off < end) {
        const struct extent *x = layout_find(&v->layout, off);
        uint64_t next = x->off + x->len;
        if (x->kind == EXTENT_CONVERT && x->convert->cached) {
            const uint64_t stride = chunk_stride(x->convert), index = (off - x->off) / stride;
            if (!push_ahead(v, x->convert, index))
                return off;
            const uint64_t chunk_end = x->off + (index + 1) * stride;
            next = chunk_end < next ? chunk_end : next;
        }
        off = next;
    }
    return off;
}
