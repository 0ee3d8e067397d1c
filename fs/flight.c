/* SPDX-License-Identifier: Apache-2.0
 * fs/flight.c - a table of chunks that are under way, or were made a moment ago. */
#include "fs/flight.h"
#include <pthread.h>
#include <stdlib.h>

enum {
    BUCKETS = 1024, /* a power of two; there are a few hundred slots */
    ASKED = 16
};

struct slot {
    struct slot *next; /* in the bucket */
    struct chunk_key key;
    struct chunk *chunk;        /* NULL while under way */
    struct waiter *waiters;     /* only while under way */
    struct slot *older, *newer; /* only when finished */
};

struct flight {
    pthread_mutex_t lock;
    struct slot *bucket[BUCKETS];
    struct slot *oldest, *newest;
    uint64_t kept, keep;           /* bytes of finished chunks */
    struct chunk_key asked[ASKED]; /* for in part, lately; a ring */
    unsigned n_asked;
};

static bool is_same(const struct chunk_key *a, const struct chunk_key *b) {
    return a->index == b->index && memcmp(a->tensor.b, b->tensor.b, sizeof a->tensor.b) == 0;
}

static struct slot **find(struct flight *f, const struct chunk_key *key) {
    uint64_t h; /* the tensor's key is a hash already */
    memcpy(&h, key->tensor.b, sizeof h);
    h = (h ^ key->index * 0x9E3779B97F4A7C15u) >> 7;
    struct slot **p = &f->bucket[h % BUCKETS];
    while (*p && !is_same(&(*p)->key, key))
        p = &(*p)->next;
    return p;
}

static void age_unlink(struct flight *f, struct slot *s) {
    *(s->older ? &s->older->newer : &f->oldest) = s->newer;
    *(s->newer ? &s->newer->older : &f->newest) = s->older;
    s->older = s->newer = NULL;
}

static void age_append(struct flight *f, struct slot *s) {
    s->older = f->newest;
    *(f->newest ? &f->newest->newer : &f->oldest) = s;
    f->newest = s;
}

static void forget_oldest(struct flight *f) {
    while (f->kept > f->keep && f->oldest) {
        struct slot *s = f->oldest;
        age_unlink(f, s);
        *find(f, &s->key) = s->next;
        f->kept -= sizeof *s->chunk;
        chunk_unref(s->chunk);
        free(s);
    }
}

struct flight *flight_new(uint64_t keep_bytes) {
    struct flight *f = calloc(1, sizeof *f);
    if (f) {
        pthread_mutex_init(&f->lock, NULL);
        f->keep = keep_bytes;
    }
    return f;
}

void flight_free(struct flight *f) {
    if (!f)
        return;
    f->keep = 0;
    forget_oldest(f);
    pthread_mutex_destroy(&f->lock);
    free(f);
}

/* A finished chunk, with a reference for the caller; it counts as just used. */
static struct chunk *use(struct flight *f, struct slot *s) {
    age_unlink(f, s);
    age_append(f, s);
    return chunk_ref(s->chunk);
}

enum flight_state flight_join(struct flight *f, const struct chunk_key *key, struct waiter *w,
                              struct chunk **out) {
    enum flight_state state = FLIGHT_MINE;
    pthread_mutex_lock(&f->lock);
    struct slot **p = find(f, key);
    if (*p && (*p)->chunk) {
        *out = use(f, *p);
        state = FLIGHT_READY;
    } else if (*p) {
        if (w) {
            w->next = (*p)->waiters;
            (*p)->waiters = w;
        }
        state = FLIGHT_WAIT;
    } else {
        struct slot *s = calloc(1, sizeof *s);
        if (s) {
            s->key = *key;
            s->waiters = w;
            *p = s;
        } else {
            state = FLIGHT_NO_MEMORY;
        }
    }
    pthread_mutex_unlock(&f->lock);
    return state;
}

struct chunk *flight_peek(struct flight *f, const struct chunk_key *key) {
    struct chunk *c = NULL;
    pthread_mutex_lock(&f->lock);
    struct slot *s = *find(f, key);
    if (s && s->chunk)
        c = use(f, s);
    pthread_mutex_unlock(&f->lock);
    return c;
}

bool flight_wanted(struct flight *f, const struct chunk_key *key) {
    bool wanted = false;
    pthread_mutex_lock(&f->lock);
    const struct slot *s = *find(f, key);
    for (const struct waiter *w = s ? s->waiters : NULL; w && !wanted; w = w->next)
        wanted = !w->cancelled || !*w->cancelled;
    pthread_mutex_unlock(&f->lock);
    return wanted;
}

bool flight_asked_before(struct flight *f, const struct chunk_key *key) {
    bool before = false;
    pthread_mutex_lock(&f->lock);
    for (unsigned i = 0; i < ASKED && i < f->n_asked && !before; i++)
        before = is_same(&f->asked[i], key);
    if (!before)
        f->asked[f->n_asked++ % ASKED] = *key;
    pthread_mutex_unlock(&f->lock);
    return before;
}

void flight_land(struct flight *f, const struct chunk_key *key, struct chunk *chunk, int rc,
                 const char *why) {
    struct waiter *w = NULL;
    pthread_mutex_lock(&f->lock);
    struct slot **p = find(f, key), *s = *p;
    if (s && !s->chunk) {
        w = s->waiters;
        s->waiters = NULL;
        if (chunk) {
            s->chunk = chunk_ref(chunk);
            age_append(f, s);
            f->kept += sizeof *chunk;
            forget_oldest(f);
        } else {
            *p = s->next;
            free(s);
        }
    }
    pthread_mutex_unlock(&f->lock);

    while (w) {
        struct waiter *next = w->next; /* wake may release w */
        w->chunk = chunk ? chunk_ref(chunk) : NULL;
        w->rc = rc;
        w->why = why;
        w->wake(w);
        w = next;
    }
}

uint64_t flight_bytes(struct flight *f) {
    pthread_mutex_lock(&f->lock);
    const uint64_t bytes = f->kept;
    pthread_mutex_unlock(&f->lock);
    return bytes;
}
