/* SPDX-License-Identifier: Apache-2.0
 * fs/lru.c - a hash table whose entries are also a list by age. */
#include "fs/lru.h"
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { BUCKETS = 4096 /* a power of two */ };

struct entry {
    struct entry *next;          /* in the bucket */
    struct entry *older, *newer; /* by age */
    struct hash128 key;
    void *object;
    uint64_t bytes;
};

struct lru {
    pthread_mutex_t lock;
    void (*ref)(void *), (*unref)(void *);
    uint32_t n, max_entries;
    uint64_t bytes, max_bytes;
    struct entry *oldest, *newest;
    struct entry *bucket[BUCKETS];
};

static struct entry **find(struct lru *l, const struct hash128 *key) {
    uint32_t h;
    memcpy(&h, key->b, sizeof h);
    struct entry **p = &l->bucket[h % BUCKETS];
    while (*p && memcmp((*p)->key.b, key->b, sizeof key->b) != 0)
        p = &(*p)->next;
    return p;
}

static void age_unlink(struct lru *l, struct entry *e) {
    *(e->older ? &e->older->newer : &l->oldest) = e->newer;
    *(e->newer ? &e->newer->older : &l->newest) = e->older;
}

static void age_append(struct lru *l, struct entry *e) {
    e->newer = NULL;
    e->older = l->newest;
    *(l->newest ? &l->newest->newer : &l->oldest) = e;
    l->newest = e;
}

static void drop(struct lru *l, struct entry **p) {
    struct entry *e = *p;
    *p = e->next;
    age_unlink(l, e);
    l->n--;
    l->bytes -= e->bytes;
    l->unref(e->object);
    free(e);
}

struct lru *lru_new(uint32_t max_entries, uint64_t max_bytes, void (*ref)(void *),
                    void (*unref)(void *)) {
    struct lru *l = calloc(1, sizeof *l);
    if (!l)
        return NULL;
    pthread_mutex_init(&l->lock, NULL);
    l->max_entries = max_entries;
    l->max_bytes = max_bytes;
    l->ref = ref;
    l->unref = unref;
    return l;
}

void lru_free(struct lru *l) {
    if (!l)
        return;
    while (l->oldest)
        drop(l, find(l, &l->oldest->key));
    pthread_mutex_destroy(&l->lock);
    free(l);
}

void *lru_get(struct lru *l, const struct hash128 *key) {
    void *object = NULL;
    pthread_mutex_lock(&l->lock);
    struct entry *e = *find(l, key);
    if (e) {
        age_unlink(l, e);
        age_append(l, e);
        object = e->object;
        l->ref(object);
    }
    pthread_mutex_unlock(&l->lock);
    return object;
}

void lru_put(struct lru *l, const struct hash128 *key, void *object, uint64_t bytes) {
    struct entry *e = calloc(1, sizeof *e);
    if (!e)
        return;
    pthread_mutex_lock(&l->lock);
    struct entry **p = find(l, key);
    if (*p)
        drop(l, p);
    e->key = *key;
    e->object = object;
    e->bytes = bytes;
    l->ref(object);
    p = find(l, key);
    e->next = *p;
    *p = e;
    age_append(l, e);
    l->n++;
    l->bytes += bytes;
    while (l->oldest != e && (l->n > l->max_entries || l->bytes > l->max_bytes))
        drop(l, find(l, &l->oldest->key));
    pthread_mutex_unlock(&l->lock);
}

void lru_remove(struct lru *l, const struct hash128 *key) {
    pthread_mutex_lock(&l->lock);
    struct entry **p = find(l, key);
    if (*p)
        drop(l, p);
    pthread_mutex_unlock(&l->lock);
}

uint32_t lru_count(struct lru *l) {
    pthread_mutex_lock(&l->lock);
    const uint32_t n = l->n;
    pthread_mutex_unlock(&l->lock);
    return n;
}
