/* SPDX-License-Identifier: Apache-2.0
 * formats/tokenizer/memo.c - see memo.h. */
#include "formats/tokenizer/memo.h"
#include "formats/folder.h"
#include <stdlib.h>

enum {
    STORE_MAX = 32,
    STORE_BYTES = 24 << 20,
    CANDIDATES = 4 /* of one key: other files, or the same ones rewritten */
};

struct tokenizer_store {
    pthread_mutex_t lock;
    struct tokenizer_memo *memos[STORE_MAX]; /* the one used last comes first */
    unsigned n;
};

struct tokenizer_memo *tokenizer_memo_new(void) {
    struct tokenizer_memo *m = calloc(1, sizeof *m);
    if (m) {
        m->refs = 1;
        m->seen.arena = &m->arena;
    }
    return m;
}

struct tokenizer_memo *tokenizer_memo_ref(struct tokenizer_memo *m) {
    m->refs++;
    return m;
}

void tokenizer_memo_unref(struct tokenizer_memo *m) {
    if (!m || --m->refs > 0)
        return;
    arena_fini(&m->arena);
    free(m);
}

struct tokenizer_store *tokenizer_store_new(void) {
    struct tokenizer_store *s = calloc(1, sizeof *s);
    if (s)
        pthread_mutex_init(&s->lock, NULL);
    return s;
}

void tokenizer_store_free(struct tokenizer_store *s) {
    if (!s)
        return;
    for (unsigned i = 0; i < s->n; i++)
        tokenizer_memo_unref(s->memos[i]);
    pthread_mutex_destroy(&s->lock);
    free(s);
}

/* Put in front what is in the list at @i. Call with the lock held. */
static void move_to_front(struct tokenizer_store *s, unsigned i) {
    struct tokenizer_memo *m = s->memos[i];
    memmove(s->memos + 1, s->memos, i * sizeof *s->memos);
    s->memos[0] = m;
}

static void used(struct tokenizer_store *s, const struct tokenizer_memo *m) {
    pthread_mutex_lock(&s->lock);
    for (unsigned i = 0; i < s->n; i++)
        if (s->memos[i] == m)
            move_to_front(s, i);
    pthread_mutex_unlock(&s->lock);
}

struct tokenizer_memo *tokenizer_store_find(struct tokenizer_store *s, const struct hash128 *key,
                                            const struct folder *f) {
    struct tokenizer_memo *candidates[CANDIDATES], *found = NULL;
    unsigned n = 0;
    if (!s)
        return NULL;
    pthread_mutex_lock(&s->lock);
    for (unsigned i = 0; i < s->n && n < CANDIDATES; i++)
        if (memcmp(&s->memos[i]->key, key, sizeof *key) == 0)
            candidates[n++] = tokenizer_memo_ref(s->memos[i]);
    pthread_mutex_unlock(&s->lock);
    for (unsigned i = 0; i < n; i++)
        if (!found && folder_trace_holds(&candidates[i]->seen, f))
            found = candidates[i];
        else
            tokenizer_memo_unref(candidates[i]);
    if (found)
        used(s, found);
    return found;
}

void tokenizer_store_add(struct tokenizer_store *s, struct tokenizer_memo *m) {
    if (!s || m->seen.failed || m->arena.held > STORE_BYTES / 2)
        return;
    struct tokenizer_memo *gone[STORE_MAX];
    unsigned n_gone = 0;
    uint64_t bytes = m->arena.held;
    pthread_mutex_lock(&s->lock);
    for (unsigned i = 0; i < s->n; i++) {
        bytes += s->memos[i]->arena.held;
        if (bytes > STORE_BYTES || i == STORE_MAX - 1) {
            while (s->n > i)
                gone[n_gone++] = s->memos[--s->n];
            break;
        }
    }
    s->memos[s->n] = tokenizer_memo_ref(m);
    move_to_front(s, s->n++);
    pthread_mutex_unlock(&s->lock);
    while (n_gone)
        tokenizer_memo_unref(gone[--n_gone]);
}
