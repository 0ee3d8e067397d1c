/* SPDX-License-Identifier: Apache-2.0
 * fs/strip.c - see strip.h. Few strips are kept, so that they are looked for one after the other.
 */
#include "fs/strip.h"
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>

enum { HUGE_PAGE = 2 << 20 };

struct strips {
    pthread_mutex_t lock;
    pthread_cond_t filled;
    struct strip *oldest, *newest;
    uint64_t kept, keep; /* bytes */
};

struct strips *strips_new(uint64_t bytes) {
    struct strips *p = calloc(1, sizeof *p);
    if (!p)
        return NULL;
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->filled, NULL);
    p->keep = bytes;
    return p;
}

bool strip_holds(const struct strip *s, const void *owner, const struct expr *leaf, uint64_t line,
                 uint64_t row) {
    const struct strip_place *at = &s->place;
    return at->owner == owner && at->leaf == leaf && line - at->line < at->lines &&
           row - at->row < at->rows;
}

/* --- with the lock held --- */

static void unlink_strip(struct strips *p, struct strip *s) {
    *(s->older ? &s->older->newer : &p->oldest) = s->newer;
    *(s->newer ? &s->newer->older : &p->newest) = s->older;
    s->older = s->newer = NULL;
    s->kept = false;
    p->kept -= s->bytes;
}

static void append_strip(struct strips *p, struct strip *s) {
    s->older = p->newest;
    *(p->newest ? &p->newest->newer : &p->oldest) = s;
    p->newest = s;
    s->kept = true;
    p->kept += s->bytes;
}

static struct strip *find(struct strips *p, const void *owner, const struct expr *leaf,
                          uint64_t line, uint64_t row) {
    struct strip *s = p->newest;
    while (s && !strip_holds(s, owner, leaf, line, row))
        s = s->older;
    if (!s)
        return NULL;
    s->users++;
    unlink_strip(p, s);
    append_strip(p, s);
    return s;
}

/* Strips that nobody uses, until there is room for @bytes: unlinked, in a list by `older`. */
static struct strip *make_room(struct strips *p, uint64_t bytes) {
    struct strip *out = NULL;
    for (struct strip *s = p->oldest, *next; s && p->kept + bytes > p->keep; s = next) {
        next = s->newer;
        if (s->users > 0)
            continue;
        unlink_strip(p, s);
        s->older = out;
        out = s;
    }
    return out;
}

/* --- without --- */

/* Not from the heap, which would keep it: and few faults, for a strip is written all over. */
static uint8_t *map_bytes(uint64_t n) {
    uint8_t *data = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (data == MAP_FAILED)
        return NULL;
    if (n >= HUGE_PAGE)
        (void)madvise(data, n, MADV_HUGEPAGE);
    return data;
}

static void strip_free(struct strip *s) {
    if (s->data)
        munmap(s->data, s->bytes);
    free(s);
}

static void free_list(struct strip *s) {
    while (s) {
        struct strip *next = s->older;
        strip_free(s);
        s = next;
    }
}

void strips_free(struct strips *p) {
    if (!p)
        return;
    p->keep = 0;
    free_list(make_room(p, 0));
    pthread_cond_destroy(&p->filled);
    pthread_mutex_destroy(&p->lock);
    free(p);
}

struct strip *strip_find(struct strips *p, const void *owner, const struct expr *leaf,
                         uint64_t line, uint64_t row) {
    if (!owner)
        return NULL;
    pthread_mutex_lock(&p->lock);
    struct strip *s = find(p, owner, leaf, line, row);
    pthread_mutex_unlock(&p->lock);
    return s;
}

/* The memory of one that has gone, which need not be zeroed again, or new. */
static bool give_memory(struct strip *s, struct strip *gone) {
    const uint64_t bytes = s->place.lines * s->place.step;
    for (struct strip *g = gone; g; g = g->older) {
        if (g->bytes < bytes || g->bytes / 2 > bytes)
            continue;
        s->data = g->data;
        s->bytes = g->bytes;
        g->data = NULL;
        return true;
    }
    s->data = map_bytes(bytes);
    s->bytes = bytes;
    return s->data != NULL;
}

static struct strip *alloc_strip(const struct strip_place *place) {
    struct strip *s = calloc(1, sizeof *s);
    if (s)
        *s = (struct strip){ .place = *place, .users = 1 };
    return s;
}

/* One that is kept, or another that has come meanwhile; NULL: neither. With the lock held. */
static struct strip *keep(struct strips *p, struct strip *s, struct strip **gone, uint64_t line,
                          uint64_t row) {
    const struct strip_place *at = &s->place;
    struct strip *other = find(p, at->owner, at->leaf, line, row);
    if (other)
        return other;
    *gone = make_room(p, at->lines * at->step);
    if (!give_memory(s, *gone))
        return NULL;
    if (p->kept + s->bytes <= p->keep)
        append_strip(p, s);
    return s->kept ? s : NULL;
}

struct strip *strip_new(struct strips *p, const struct strip_place *place, uint64_t line,
                        uint64_t row, bool must) {
    struct strip *s = alloc_strip(place), *gone = NULL, *out = NULL;
    if (!s)
        return NULL;
    if (place->owner) {
        pthread_mutex_lock(&p->lock);
        out = keep(p, s, &gone, line, row);
        pthread_mutex_unlock(&p->lock);
        free_list(gone);
    }
    if (!out && must && (s->data || give_memory(s, NULL)))
        out = s;
    if (out != s)
        strip_free(s);
    return out;
}

void strip_put(struct strips *p, struct strip *s) {
    if (!s)
        return;
    if (!s->place.owner) {
        strip_free(s);
        return;
    }
    pthread_mutex_lock(&p->lock);
    const bool last = --s->users == 0 && !s->kept;
    pthread_mutex_unlock(&p->lock);
    if (last)
        strip_free(s);
}

struct strip *strip_hold(struct strips *p, struct strip *s) {
    if (!s)
        return NULL;
    pthread_mutex_lock(&p->lock);
    const bool kept = s->kept;
    pthread_mutex_unlock(&p->lock);
    if (!kept)
        strip_put(p, s);
    return kept ? s : NULL;
}

static uint32_t blocks_of(const struct strip_place *at) {
    return (uint32_t)((at->rows + at->block_rows - 1) / at->block_rows);
}

static int fill_block(struct strip *s, uint32_t block, const struct strip_filler *f) {
    const uint64_t row = (uint64_t)block * s->place.block_rows, left = s->place.rows - row;
    return f->fill(f->user, s, row, left < s->place.block_rows ? left : s->place.block_rows);
}

/* One that is nobody's has one thread. */
static int fill_alone(struct strip *s, const struct strip_filler *f) {
    const uint32_t blocks = blocks_of(&s->place);
    for (; s->begun < blocks && s->rc == 0; s->begun++)
        s->rc = f->wanted(f->user) ? fill_block(s, s->begun, f) : -EINTR;
    return s->rc;
}

/* One more block; true: the caller has had enough. With the lock, but for the work. */
static bool fill_next(struct strips *p, struct strip *s, const struct strip_filler *f) {
    const uint32_t block = s->begun++;
    pthread_mutex_unlock(&p->lock);
    const int rc = fill_block(s, block, f);
    const bool stopped = !f->wanted(f->user);
    pthread_mutex_lock(&p->lock);
    s->filled++;
    if (rc < 0 && s->rc == 0)
        s->rc = rc;
    pthread_cond_broadcast(&p->filled);
    return stopped;
}

int strip_fill(struct strips *p, struct strip *s, const struct strip_filler *f) {
    const uint32_t blocks = blocks_of(&s->place);
    if (!s->place.owner)
        return fill_alone(s, f);
    bool stopped = false;
    pthread_mutex_lock(&p->lock);
    while (s->rc == 0 && s->filled < blocks && !stopped)
        if (s->begun < blocks)
            stopped = fill_next(p, s, f);
        else /* others are about it; one that stops leaves nothing half done */
            pthread_cond_wait(&p->filled, &p->lock);
    const int rc = s->rc < 0 ? s->rc : s->filled < blocks ? -EINTR : 0;
    if (s->rc < 0 && s->kept)
        unlink_strip(p, s);
    pthread_mutex_unlock(&p->lock);
    return rc;
}

void strips_forget(struct strips *p, const void *owner) {
    struct strip *gone = NULL;
    if (!p)
        return;
    pthread_mutex_lock(&p->lock);
    for (struct strip *s = p->oldest, *next; s; s = next) {
        next = s->newer;
        if (s->place.owner != owner)
            continue;
        unlink_strip(p, s);
        s->older = gone;
        gone = s;
    }
    pthread_mutex_unlock(&p->lock);
    free_list(gone);
}
