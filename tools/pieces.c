/* SPDX-License-Identifier: Apache-2.0
 * tools/pieces.c - see pieces.h. */
#include "tools/pieces.h"
#include "formats/cleanup.h"
#include <errno.h>
#include <pthread.h>
#include <stdbool.h>

enum { MAX_THREADS = 1024 };

struct run {
    uint64_t n;
    size_t scratch;
    piece_work *work;
    void *user;
    pthread_mutex_t lock; /* below */
    uint64_t next;
    int rc;
    struct err err;
};

/* False when nothing is left, or something has failed. */
static bool take_piece(struct run *r, uint64_t *index) {
    pthread_mutex_lock(&r->lock);
    const bool more = r->rc == 0 && r->next < r->n;
    *index = r->next;
    r->next += more;
    pthread_mutex_unlock(&r->lock);
    return more;
}

static void give_up(struct run *r, int rc, const struct err *err) {
    pthread_mutex_lock(&r->lock);
    if (r->rc == 0) {
        r->rc = rc;
        r->err = *err;
    }
    pthread_mutex_unlock(&r->lock);
}

static void *run_thread(void *arg) {
    struct run *r = arg;
    struct err err = { 0 };
    uint64_t index;
    auto_free void *scratch = malloc(r->scratch);
    if (!scratch) {
        give_up(r, err_set(&err, -ENOMEM, "no memory for the numbers"), &err);
        return NULL;
    }
    while (take_piece(r, &index)) {
        const int rc = r->work(r->user, index, scratch, &err);
        if (rc < 0)
            give_up(r, rc, &err);
    }
    return NULL;
}

int pieces_run(uint64_t n, unsigned threads, size_t scratch, piece_work *work, void *user,
               struct err *err) {
    struct run r = {
        .n = n, .scratch = scratch, .work = work, .user = user, .lock = PTHREAD_MUTEX_INITIALIZER
    };
    pthread_t ids[MAX_THREADS];
    unsigned started = 0;
    while (started + 1 < threads && started < MAX_THREADS &&
           pthread_create(&ids[started], NULL, run_thread, &r) == 0)
        started++;
    run_thread(&r);
    while (started > 0)
        pthread_join(ids[--started], NULL);
    return r.rc < 0 ? err_set(err, r.rc, "%s", r.err.msg) : 0;
}
