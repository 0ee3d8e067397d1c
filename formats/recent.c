/* SPDX-License-Identifier: Apache-2.0
 * formats/recent.c - a table in which a newer answer takes the place of an older one. */
#include "formats/recent.h"
#include "formats/hash.h"
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { SLOTS = 16384 /* a power of two */ };

struct slot {
    char *path; /* NULL: empty */
    uint64_t hash;
    int64_t asked_ms;
    uint8_t answer[RECENT_BYTES];
};

struct recent {
    pthread_mutex_t lock;
    uint64_t generation; /* answers of earlier ones are void */
    struct slot slots[SLOTS];
};

static int64_t now_ms(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC_COARSE, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

struct recent *recent_new(void) {
    struct recent *r = calloc(1, sizeof *r);
    if (r)
        pthread_mutex_init(&r->lock, NULL);
    return r;
}

static void clear(struct recent *r) {
    for (size_t i = 0; i < SLOTS; i++) {
        free(r->slots[i].path);
        r->slots[i].path = NULL;
    }
}

void recent_free(struct recent *r) {
    if (!r)
        return;
    clear(r);
    pthread_mutex_destroy(&r->lock);
    free(r);
}

static uint64_t generation_of(struct recent *r) {
    pthread_mutex_lock(&r->lock);
    const uint64_t generation = r->generation;
    pthread_mutex_unlock(&r->lock);
    return generation;
}

struct recent_key recent_key(struct recent *r, enum recent_what what, const char *path) {
    struct recent_key k = { .what = what, .path = path };
    if (r) {
        k.generation = generation_of(r);
        k.asked_ms = now_ms();
        k.hash = hash64(path, strlen(path)) + what;
    }
    return k;
}

static struct slot *slot_of(struct recent *r, const struct recent_key *k) {
    return &r->slots[k->hash & (SLOTS - 1)];
}

/* @what is part of the hash, and need not be compared: the sums of one path differ. */
static bool is_of(const struct slot *s, const struct recent_key *k) {
    return s->path && s->hash == k->hash && strcmp(s->path, k->path) == 0;
}

bool recent_get(struct recent *r, const struct recent_key *k, void *answer, size_t n) {
    if (!r)
        return false;
    pthread_mutex_lock(&r->lock);
    const struct slot *s = slot_of(r, k);
    const bool found = is_of(s, k) && k->asked_ms - s->asked_ms < RECENT_MS;
    if (found)
        memcpy(answer, s->answer, n);
    pthread_mutex_unlock(&r->lock);
    return found;
}

void recent_put(struct recent *r, const struct recent_key *k, const void *answer, size_t n) {
    char *path = r ? strdup(k->path) : NULL;
    if (!path)
        return;
    pthread_mutex_lock(&r->lock);
    struct slot *s = slot_of(r, k);
    if (k->generation == r->generation && (!is_of(s, k) || s->asked_ms < k->asked_ms)) {
        free(s->path);
        *s = (struct slot){ path, k->hash, k->asked_ms, { 0 } };
        memcpy(s->answer, answer, n);
        path = NULL;
    }
    pthread_mutex_unlock(&r->lock);
    free(path);
}

void recent_forget(struct recent *r) {
    if (!r)
        return;
    pthread_mutex_lock(&r->lock);
    r->generation++;
    clear(r);
    pthread_mutex_unlock(&r->lock);
}
