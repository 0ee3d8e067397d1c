/* SPDX-License-Identifier: Apache-2.0
 * tools/pump.c - a ring of requests: the oldest is written while the others are converted. */
#include "tools/pump.h"
#include "formats/cleanup.h"
#include "fs/render.h"
#include <errno.h>
#include <pthread.h>
#include <stdbool.h>

/* Enough that each core of a large machine has chunks to do while one piece is written. */
enum { SLOTS = 16, PIECE = 1 << 20 /* bytes */ };

struct pump;
struct slot {
    struct pump *pump;
    struct render render;
    bool busy;
    int rc;
};

struct pump {
    pthread_mutex_t lock;
    pthread_cond_t landed;
    struct slot slots[SLOTS];
};

/* Called by the thread that finished the piece. */
static void slot_done(struct render *r, int rc) {
    struct slot *s = r->user;
    struct pump *p = s->pump;
    pthread_mutex_lock(&p->lock);
    s->rc = rc;
    s->busy = false;
    pthread_cond_signal(&p->landed);
    pthread_mutex_unlock(&p->lock);
}

static void slot_start(struct slot *s, struct view *v, uint64_t off, size_t n, uint8_t *buf) {
    s->busy = true;
    s->rc = 0;
    s->render = (struct render){
        .view = v, .off = off, .len = n, .buf = buf, .done = slot_done, .user = s
    };
    render_start(&s->render);
}

static void slot_wait(struct pump *p, struct slot *s) {
    pthread_mutex_lock(&p->lock);
    while (s->busy)
        pthread_cond_wait(&p->landed, &p->lock);
    pthread_mutex_unlock(&p->lock);
}

static int pump_pieces(struct pump *p, uint8_t *memory, struct view *v, uint64_t off, uint64_t len,
                       pump_sink *sink, void *user, struct err *err) {
    const uint64_t pieces = (len + PIECE - 1) / PIECE;
    uint64_t started = 0, written = 0;
    int rc = 0;
    while (written < started || (rc == 0 && started < pieces)) {
        if (rc == 0 && started < pieces && started - written < SLOTS) {
            const uint64_t at = started * PIECE, left = len - at;
            const unsigned i = started++ % SLOTS;
            slot_start(&p->slots[i], v, off + at, left < PIECE ? left : PIECE,
                       memory + (size_t)i * PIECE);
            continue;
        }
        /* After an error the rest is only waited for: their buffers are ours. */
        struct slot *s = &p->slots[written++ % SLOTS];
        slot_wait(p, s);
        if (rc == 0 && s->rc < 0)
            rc = err_set(err, s->rc, "%s", s->render.err.msg);
        if (rc == 0)
            rc = sink(user, s->render.buf, s->render.len, err);
    }
    return rc;
}

int pump_run(struct view *v, uint64_t off, uint64_t len, pump_sink *sink, void *user,
             struct err *err) {
    auto_free uint8_t *memory = malloc((size_t)SLOTS * PIECE);
    auto_free struct pump *p = calloc(1, sizeof *p);
    if (!memory || !p)
        return err_set(err, -ENOMEM, "no memory");
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->landed, NULL);
    for (int i = 0; i < SLOTS; i++)
        p->slots[i].pump = p;
    const int rc = pump_pieces(p, memory, v, off, len, sink, user, err);
    pthread_cond_destroy(&p->landed);
    pthread_mutex_destroy(&p->lock);
    return rc;
}
