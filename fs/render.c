/* SPDX-License-Identifier: Apache-2.0
 * fs/render.c - a read walks the extents. It runs twice at the most: first on the caller's thread,
 * which only copies; from the first missing conversion on it is a job of the workers. */
#include "fs/render.h"
#include "fs/cache.h"
#include "fs/checksum.h"
#include "fs/chunk_make.h"
#include "fs/convert.h"
#include "fs/engine.h"
#include <endian.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

/* What became of one step of a walk; negative: an errno. */
enum { STEP_ON, STEP_NEEDS_WORKER, STEP_PARKED };

enum { PAGE_MAX = 32 << 10 /* bytes */ };

static struct chunk_key key_of(const struct conversion *c, uint64_t index) {
    return (struct chunk_key){ c->key, index };
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

static bool is_page(const struct render *r, const struct conversion *c, uint64_t len) {
    return r->here_and_there && len <= PAGE_MAX && chunk_in_pieces(c);
}

/* A reader who goes here and there waits for no chunk: when he comes by again it is made besides.
 */
static int convert_page(struct render *r, const struct conversion *c, const struct chunk_key *key,
                        uint64_t off, uint64_t len) {
    struct engine_stats *st = &r->view->engine->stats;
    if (flight_asked_before(r->view->engine->flight, key) && r->who)
        (void)chunk_make_ahead(r->view, c, key->index, r->who);
    const int rc = convert_range(r->view, c, NULL, off, len, r->buf + r->filled, &r->err);
    st->cache_misses++;
    st->converted_bytes += rc == 0 ? len : 0;
    r->filled += rc == 0 ? len : 0;
    return rc;
}

/* From a conversion that is kept in chunks: @off within it, @len at the most. */
static int step_chunk(struct render *r, const struct conversion *c, uint64_t off, uint64_t len,
                      bool worker) {
    struct engine *e = r->view->engine;
    const uint64_t index = off / chunk_stride(c), in_chunk = off % chunk_stride(c);
    const uint32_t bytes = chunk_bytes(c, index);
    const struct chunk_key key = key_of(c, index);
    const uint64_t wanted = (off + len - 1) / chunk_stride(c) - index + 1; /* chunks */
    if (len > bytes - in_chunk)
        len = bytes - in_chunk;

    struct chunk *chunk = r->waiter.chunk; /* what a parked read was woken with */
    r->waiter.chunk = NULL;
    if (!chunk)
        chunk = flight_peek(e->flight, &key);
    if (!chunk &&
        cache_get(e->cache, &key, bytes, (uint32_t)in_chunk, (uint32_t)len, r->buf + r->filled)) {
        r->filled += len;
        e->stats.cache_hits++;
        return STEP_ON;
    }
    if (!chunk && !worker)
        return STEP_NEEDS_WORKER;
    if (!chunk && is_page(r, c, len))
        return convert_page(r, c, &key, off, len);
    if (!chunk) {
        r->waiter = (struct waiter){ .wake = wake, .cancelled = &r->cancelled };
        const enum flight_state state = flight_join(e->flight, &key, &r->waiter, &chunk);
        if (state == FLIGHT_NO_MEMORY)
            return err_set(&r->err, -ENOMEM, "no memory for a chunk");
        if (state == FLIGHT_WAIT)
            return STEP_PARKED; /* r may be running elsewhere by now */
        if (state == FLIGHT_MINE) {
            struct view *v = view_ref(r->view); /* the read may be over before the chunk is */
            e->stats.cache_misses++;
            chunk_make(v, c, index, wanted, NULL);
            view_unref(v);
            return STEP_PARKED;
        }
    }
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
        int rc = convert_range(r->view, x->convert, NULL, off, len, r->buf + r->filled, &r->err);
        if (rc < 0)
            return rc;
        break;
    case EXTENT_CRC32:
        return worker ? step_crc32(r, x, off, len) : STEP_NEEDS_WORKER;
    }
    r->filled += len;
    return STEP_ON;
}

static enum job_class class_of(const struct render *r) {
    return r->here_and_there ? JOB_PAGE : JOB_READ;
}

static void walk(struct render *r, bool worker) {
    struct workers *w = r->view->engine->workers;
    int rc = STEP_ON;
    while (rc == STEP_ON && r->filled < r->len)
        rc = worker && r->cancelled ? -EINTR : step(r, worker);
    if (rc == STEP_PARKED)
        return;
    if (rc == STEP_NEEDS_WORKER)
        workers_push(w, class_of(r), &r->job);
    else
        finish(r, rc);
}

static void run_job(struct job *j) {
    walk((struct render *)((char *)j - offsetof(struct render, job)), true);
}

static void wake(struct waiter *w) {
    struct render *r = (struct render *)((char *)w - offsetof(struct render, waiter));
    if (w->rc < 0 && w->rc != -EINTR) {
        err_set(&r->err, w->rc, "%s", w->why);
        finish(r, w->rc);
    } else { /* -EINTR: it was given up just before this read came, and is asked for again */
        workers_push(r->view->engine->workers, class_of(r), &r->job);
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
    struct render r = {
        .view = v, .off = off, .len = len, .buf = buf, .done = sync_done, .user = &s
    };
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

uint64_t render_ahead(struct view *v, uint64_t off, uint64_t len, struct interest *who) {
    const uint64_t size = v->layout.size;
    uint64_t end = len < size - off ? off + len : size;
    while (off < end) {
        const struct extent *x = layout_find(&v->layout, off);
        uint64_t next = x->off + x->len;
        if (x->kind == EXTENT_CONVERT && x->convert->cached) {
            const uint64_t stride = chunk_stride(x->convert), index = (off - x->off) / stride;
            if (!chunk_make_ahead(v, x->convert, index, who))
                return off;
            const uint64_t chunk_end = x->off + (index + 1) * stride;
            next = chunk_end < next ? chunk_end : next;
        }
        off = next;
    }
    return off;
}
