/* SPDX-License-Identifier: Apache-2.0
 * fs/cache.c - looking things up in the cache, and handing them to its writer. */
#include "fs/cache_env.h"
#include "fs/log.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static void touch(struct cache *c, const struct db_key *key) {
    pthread_mutex_lock(&c->lock);
    if (c->n_touched < TOUCH_MAX) /* else this use is not remembered: the order is approximate */
        c->touched[c->n_touched++] = *key;
    pthread_mutex_unlock(&c->lock);
}

/* A damaged value is counted here, and replaced when the chunk has been made again. */
static void count_corrupt(struct cache *c) {
    pthread_mutex_lock(&c->lock);
    const bool first = c->corrupt++ == 0;
    pthread_mutex_unlock(&c->lock);
    if (first)
        log_warning("cache %s: a chunk is damaged; it is made again (weightfs cache verify "
                    "checks all of them)",
                    c->dir);
}

bool cache_get(struct cache *c, const struct chunk_key *key, uint32_t chunk_len, uint32_t off,
               uint32_t len, void *dst) {
    MDB_txn *txn;
    if (!c || cache_begin(c, MDB_RDONLY, &txn))
        return false;
    const struct db_key dk = db_key_from(key);
    MDB_val k = { sizeof dk, (void *)&dk }, v;
    bool found = mdb_get(txn, c->db[DB_CHUNKS], &k, &v) == 0, good = false;
    if (found) {
        good = value_good(&v, &dk, chunk_len, off, len);
        if (good)
            memcpy(dst, (const char *)v.mv_data + CHUNK_HEADER + off, len);
    }
    cache_end(c, txn);
    if (good)
        touch(c, &dk);
    else if (found)
        count_corrupt(c);
    return good;
}

bool cache_has(struct cache *c, const struct chunk_key *key) {
    MDB_txn *txn;
    if (!c || cache_begin(c, MDB_RDONLY, &txn))
        return false;
    const struct db_key dk = db_key_from(key);
    MDB_val k = { sizeof dk, (void *)&dk }, v;
    const bool found = mdb_get(txn, c->db[DB_STAMPS], &k, &v) == 0;
    cache_end(c, txn);
    return found;
}

static uint64_t monotonic_s(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec;
}

void cache_put(struct cache *c, struct chunk *chunk) {
    if (!c)
        return;
    pthread_mutex_lock(&c->lock);
    while (c->queued == QUEUE_MAX && !c->failed)
        pthread_cond_wait(&c->room, &c->lock);
    if (c->queued == QUEUE_MAX || (c->failed && monotonic_s() < c->retry_at)) {
        c->dropped++;
    } else {
        c->queue[(c->head + c->queued++) % QUEUE_MAX] = chunk_ref(chunk);
        pthread_cond_signal(&c->work);
    }
    pthread_mutex_unlock(&c->lock);
}

uint64_t cache_count(struct cache *c, const struct hash128 *tensor) {
    MDB_txn *txn;
    MDB_cursor *cur;
    uint64_t n = 0;
    if (!c || cache_begin(c, MDB_RDONLY, &txn))
        return 0;
    if (mdb_cursor_open(txn, c->db[DB_STAMPS], &cur) == 0) {
        MDB_val k = { sizeof tensor->b, (void *)tensor->b }, v;
        int rc = mdb_cursor_get(cur, &k, &v, MDB_SET_RANGE);
        while (rc == 0 && k.mv_size == sizeof(struct db_key) &&
               memcmp(k.mv_data, tensor->b, sizeof tensor->b) == 0) {
            n++;
            rc = mdb_cursor_get(cur, &k, &v, MDB_NEXT);
        }
        mdb_cursor_close(cur);
    }
    cache_end(c, txn);
    return n;
}

int cache_fact_get(struct cache *c, const struct hash128 *key, void *buf, size_t size) {
    MDB_txn *txn;
    int n = -1;
    if (!c || cache_begin(c, MDB_RDONLY, &txn))
        return n;
    MDB_val k = { sizeof key->b, (void *)key->b }, v;
    if (mdb_get(txn, c->db[DB_FACTS], &k, &v) == 0 && v.mv_size <= size) {
        memcpy(buf, v.mv_data, v.mv_size);
        n = (int)v.mv_size;
    }
    cache_end(c, txn);
    return n;
}

void cache_fact_put(struct cache *c, const struct hash128 *key, const void *value, size_t n) {
    if (!c)
        return;
    struct pending_fact *f = malloc(sizeof *f + n);
    if (!f)
        return; /* it will be found out again */
    f->key = *key;
    f->n = n;
    memcpy(f->value, value, n);
    pthread_mutex_lock(&c->lock);
    f->next = c->facts;
    c->facts = f;
    pthread_cond_signal(&c->work);
    pthread_mutex_unlock(&c->lock);
}

void cache_stat(struct cache *c, struct cache_stat *st) {
    MDB_txn *txn;
    MDB_stat ms;
    *st = (struct cache_stat){ 0 };
    if (!c)
        return;
    if (!cache_begin(c, MDB_RDONLY, &txn)) {
        st->used_bytes = cache_pages_used(c, txn);
        if (!mdb_stat(txn, c->db[DB_CHUNKS], &ms))
            st->chunks = ms.ms_entries;
        if (!mdb_stat(txn, c->db[DB_FACTS], &ms))
            st->facts = ms.ms_entries;
        cache_end(c, txn);
    }
    st->map_bytes = c->map_bytes;
    pthread_mutex_lock(&c->lock);
    st->evicted = c->evicted;
    st->dropped = c->dropped;
    st->corrupt = c->corrupt;
    st->failed = c->failed;
    st->disk_low = c->disk_low;
    memcpy(st->error, c->error, sizeof st->error);
    pthread_mutex_unlock(&c->lock);
}

/* --- checking and emptying --- */

static int remove_one(struct cache *c, const struct db_key *key) {
    MDB_txn *txn;
    int rc = cache_begin(c, 0, &txn);
    if (rc)
        return rc;
    rc = cache_delete(c, txn, key);
    if (!rc)
        return cache_commit(c, txn);
    cache_end(c, txn);
    return rc;
}

/* The first key after @key (in place) and whether its value is good. A transaction for each, so
 * that a walk of a large cache keeps no old pages alive. */
static int next_value(struct cache *c, struct db_key *key, bool first, bool *good) {
    MDB_txn *txn;
    MDB_cursor *cur;
    int rc = cache_begin(c, MDB_RDONLY, &txn);
    if (rc)
        return rc;
    rc = mdb_cursor_open(txn, c->db[DB_CHUNKS], &cur);
    if (!rc) {
        MDB_val k = { sizeof *key, key }, v;
        rc = mdb_cursor_get(cur, &k, &v, first ? MDB_FIRST : MDB_SET_RANGE);
        if (!rc && !first && k.mv_size == sizeof *key && !memcmp(k.mv_data, key, sizeof *key))
            rc = mdb_cursor_get(cur, &k, &v, MDB_NEXT);
        if (!rc && k.mv_size == sizeof *key) {
            memcpy(key, k.mv_data, sizeof *key);
            *good = value_good(&v, key, 0, 0, 0);
        }
        mdb_cursor_close(cur);
    }
    cache_end(c, txn);
    return rc;
}

int64_t cache_verify(struct cache *c, void (*progress)(uint64_t, uint64_t, void *), void *user) {
    struct cache_stat st;
    cache_stat(c, &st);
    struct db_key key;
    int64_t bad = 0;
    for (uint64_t done = 0;; done++) {
        bool good = false;
        int rc = next_value(c, &key, done == 0, &good);
        if (rc == MDB_NOTFOUND)
            return bad;
        if (!rc && !good)
            rc = remove_one(c, &key);
        if (rc)
            return rc > 0 ? -rc : -EIO;
        bad += !good;
        if (progress)
            progress(done + 1, st.chunks, user);
    }
}

int cache_clear(struct cache *c, struct err *err) {
    MDB_txn *txn;
    int rc = cache_begin(c, 0, &txn);
    if (!rc) {
        for (int i = 0; i < DB_COUNT && !rc; i++)
            rc = mdb_drop(txn, c->db[i], 0);
        if (rc)
            cache_end(c, txn);
        else
            rc = cache_commit(c, txn);
    }
    return rc ? err_set(err, rc > 0 ? -rc : -EIO, "cache %s: %s", c->dir, mdb_strerror(rc)) : 0;
}
