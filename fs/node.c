/* SPDX-License-Identifier: Apache-2.0
 * fs/node.c - the table of inodes. An inode's number is its address: the kernel only asks for
 * those that it was given and has not forgotten. */
#include "fs/node.h"
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

struct nodes {
    pthread_mutex_t lock;
    struct node **slots;
    uint64_t n_slots, n; /* n_slots is a power of two */
    struct node root;
};

enum { FIRST_SLOTS = 1024 };

int nodes_new(struct nodes **out, const struct mount *m) {
    struct nodes *t = calloc(1, sizeof *t);
    if (!t)
        return -ENOMEM;
    pthread_mutex_init(&t->lock, NULL);
    t->n_slots = FIRST_SLOTS;
    t->slots = calloc(t->n_slots, sizeof *t->slots);
    t->root.kind = m->o->names.layout == LAYOUT_SOURCE ? NODE_REAL : NODE_SHELF;
    t->root.path = strdup("");
    if (!t->slots || !t->root.path) {
        nodes_free(t);
        return -ENOMEM;
    }
    *out = t;
    return 0;
}

static void free_node(struct node *n) {
    free(n->path);
    free(n);
}

void nodes_free(struct nodes *t) {
    if (!t)
        return;
    for (uint64_t i = 0; t->slots && i < t->n_slots; i++) {
        for (struct node *n = t->slots[i], *next; n; n = next) {
            next = n->next;
            free_node(n);
        }
    }
    free(t->slots);
    free(t->root.path);
    pthread_mutex_destroy(&t->lock);
    free(t);
}

static bool is_like(const struct node *a, const struct node *b) {
    if (a->hash != b->hash || a->kind != b->kind || strcmp(a->path, b->path) != 0)
        return false;
    if (a->kind == NODE_REAL)
        return a->dev == b->dev && a->ino == b->ino;
    return a->kind == NODE_SHELF ||
           (memcmp(&a->info.id, &b->info.id, sizeof a->info.id) == 0 &&
            a->info.error.code == b->info.error.code && a->info.size == b->info.size);
}

static uint64_t hash_of(const struct node *n) {
    uint64_t h = hash64(n->path, strlen(n->path)) + n->kind, id;
    memcpy(&id, &n->info.id, sizeof id);
    return h ^ (n->kind == NODE_REAL ? n->ino * 0x9e3779b97f4a7c15u : id);
}

/* Under the lock. Without memory the chains just get longer. */
static void grow(struct nodes *t) {
    const uint64_t n_slots = 2 * t->n_slots;
    struct node **slots = calloc(n_slots, sizeof *slots);
    if (!slots)
        return;
    for (uint64_t i = 0; i < t->n_slots; i++) {
        for (struct node *n = t->slots[i], *next; n; n = next) {
            struct node **slot = &slots[n->hash & (n_slots - 1)];
            next = n->next;
            n->next = *slot;
            *slot = n;
        }
    }
    free(t->slots);
    t->slots = slots;
    t->n_slots = n_slots;
}

static struct node *copy_of(const struct node *like) {
    struct node *n = malloc(sizeof *n);
    if (!n)
        return NULL;
    *n = *like;
    n->path = strdup(like->path);
    if (!n->path) {
        free(n);
        return NULL;
    }
    return n;
}

struct node *nodes_get(struct nodes *t, const struct node *like) {
    struct node key = *like;
    key.hash = hash_of(like);
    pthread_mutex_lock(&t->lock);
    if (t->n > t->n_slots)
        grow(t);
    struct node **slot = &t->slots[key.hash & (t->n_slots - 1)], *n = *slot;
    while (n && !is_like(n, &key))
        n = n->next;
    if (!n && (n = copy_of(&key))) {
        n->next = *slot;
        n->lookups = 0;
        *slot = n;
        t->n++;
    }
    if (n)
        n->lookups++;
    pthread_mutex_unlock(&t->lock);
    return n;
}

void nodes_forget(struct nodes *t, struct node *n, uint64_t lookups) {
    if (n == &t->root)
        return;
    pthread_mutex_lock(&t->lock);
    n->lookups -= lookups < n->lookups ? lookups : n->lookups;
    const bool gone = n->lookups == 0;
    if (gone) {
        struct node **p = &t->slots[n->hash & (t->n_slots - 1)];
        while (*p != n)
            p = &(*p)->next;
        *p = n->next;
        t->n--;
    }
    pthread_mutex_unlock(&t->lock);
    if (gone)
        free_node(n);
}

struct node *nodes_root(struct nodes *t) {
    return &t->root;
}

uint64_t nodes_count(struct nodes *t) {
    pthread_mutex_lock(&t->lock);
    const uint64_t n = t->n;
    pthread_mutex_unlock(&t->lock);
    return n;
}

bool nodes_same_content(struct nodes *t, struct node *n, const struct ident *now) {
    pthread_mutex_lock(&t->lock);
    const bool same = ident_eq(&n->cached, now);
    n->cached = *now;
    pthread_mutex_unlock(&t->lock);
    return same;
}
