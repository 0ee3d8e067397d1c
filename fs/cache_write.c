/* SPDX-License-Identifier: Apache-2.0
 * fs/cache_write.c - the one thread that writes: puts in batches, times of last use, evictions. */
#include "fs/cache_env.h"
#include "fs/log.h"
#include <endian.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/statvfs.h>
#include <time.h>

enum {
    VALUE_MAGIC = 0x32434657, /* "WFC2" */
    TOUCH_EVERY_S = 60,       /* a use sooner after the last one is not written down */
    RETRY_AFTER_S = 30,       /* after a write that failed */
    FLUSH_TOUCHES_S = 5,
    TREE_PAGES = 64, /* more than a batch copies of the trees of a large cache */
    RESERVE_BYTES = 1 << 30,
};

static uint64_t clock_s(clockid_t id) {
    struct timespec t;
    clock_gettime(id, &t);
    return (uint64_t)t.tv_sec;
}

/* --- values --- */

struct db_key db_key_from(const struct chunk_key *key) {
    struct db_key k;
    const uint64_t index = htobe64(key->index);
    memcpy(k.tensor, key->tensor.b, sizeof k.tensor);
    memcpy(k.index, &index, sizeof k.index);
    return k;
}

static uint64_t checksum(const struct value_header *h) {
    struct value_header zeroed = *h;
    zeroed.checksum = 0;
    return hash64(&zeroed, sizeof zeroed);
}

static uint64_t piece_checksum(const struct value_header *h, const uint8_t *data, uint32_t piece) {
    const uint32_t off = piece * VALUE_PIECE, left = h->len - off;
    return hash64(data + off, left < VALUE_PIECE ? left : VALUE_PIECE);
}

void value_seal(struct chunk *chunk) {
    struct value_header h = { .magic = VALUE_MAGIC,
                              .len = chunk->len,
                              .key = db_key_from(&chunk->key) };
    for (uint32_t i = 0; i * VALUE_PIECE < h.len; i++)
        h.pieces[i] = piece_checksum(&h, chunk_data(chunk), i);
    h.checksum = checksum(&h);
    memcpy(chunk->value, &h, sizeof h);
}

bool value_good(const MDB_val *value, const struct db_key *key, uint32_t len, uint32_t off,
                uint32_t n) {
    struct value_header h;
    if (value->mv_size != CHUNK_VALUE)
        return false;
    memcpy(&h, value->mv_data, sizeof h);
    if (h.magic != VALUE_MAGIC || h.len > CHUNK_DATA || memcmp(&h.key, key, sizeof *key) != 0 ||
        checksum(&h) != h.checksum)
        return false;
    if (len == 0) {
        off = 0;
        n = h.len;
    } else if (h.len != len || (uint64_t)off + n > len) {
        return false;
    }
    const uint8_t *data = (const uint8_t *)value->mv_data + CHUNK_HEADER;
    for (uint32_t i = off / VALUE_PIECE; i * VALUE_PIECE < off + n; i++)
        if (piece_checksum(&h, data, i) != h.pieces[i])
            return false;
    return true;
}

/* --- stamps --- */

static int put(MDB_txn *txn, MDB_dbi db, const void *k, size_t kn, const void *v, size_t vn) {
    MDB_val key = { kn, (void *)k }, value = { vn, (void *)v };
    return mdb_put(txn, db, &key, &value, 0);
}

static int set_stamp(struct cache *c, MDB_txn *txn, const struct db_key *key, uint64_t now) {
    struct db_used used = { .key = *key };
    MDB_val k = { sizeof *key, (void *)key }, v;
    int rc = mdb_get(txn, c->db[DB_STAMPS], &k, &v);
    if (rc == 0 && v.mv_size == sizeof used.stamp) {
        uint64_t last;
        memcpy(&last, v.mv_data, sizeof last);
        if (now < be64toh(last) + TOUCH_EVERY_S && now >= be64toh(last))
            return 0;
        memcpy(used.stamp, &last, sizeof last);
        MDB_val old = { sizeof used, &used };
        rc = mdb_del(txn, c->db[DB_USED], &old, NULL);
    }
    if (rc && rc != MDB_NOTFOUND)
        return rc;
    const uint64_t be = htobe64(now);
    memcpy(used.stamp, &be, sizeof be);
    rc = put(txn, c->db[DB_USED], &used, sizeof used, "", 0);
    return rc ? rc : put(txn, c->db[DB_STAMPS], key, sizeof *key, &be, sizeof be);
}

int cache_delete(struct cache *c, MDB_txn *txn, const struct db_key *key) {
    struct db_used used = { .key = *key };
    MDB_val k = { sizeof *key, (void *)key }, v;
    if (mdb_get(txn, c->db[DB_STAMPS], &k, &v) == 0 && v.mv_size == sizeof used.stamp) {
        memcpy(used.stamp, v.mv_data, sizeof used.stamp);
        MDB_val old = { sizeof used, &used };
        mdb_del(txn, c->db[DB_USED], &old, NULL);
        mdb_del(txn, c->db[DB_STAMPS], &k, NULL);
    }
    int rc = mdb_del(txn, c->db[DB_CHUNKS], &k, NULL);
    return rc == MDB_NOTFOUND ? 0 : rc;
}

/* --- room --- */

/* Delete the @n chunks that were used longest ago. */
static int evict(struct cache *c, MDB_txn *txn, unsigned n) {
    MDB_cursor *cur;
    int rc = mdb_cursor_open(txn, c->db[DB_USED], &cur);
    unsigned gone = 0;
    while (!rc && gone < n) {
        MDB_val k, v;
        rc = mdb_cursor_get(cur, &k, &v, MDB_FIRST);
        if (rc || k.mv_size != sizeof(struct db_used))
            break;
        struct db_used used;
        memcpy(&used, k.mv_data, sizeof used);
        rc = cache_delete(c, txn, &used.key);
        gone++;
    }
    mdb_cursor_close(cur);
    pthread_mutex_lock(&c->lock);
    c->evicted += gone;
    pthread_mutex_unlock(&c->lock);
    return rc == MDB_NOTFOUND ? 0 : rc;
}

/* 5 % of the disk stays free for others, but no more than RESERVE_BYTES: a large disk which is 95 %
 * full has room for a cache. */
static bool disk_is_low(struct cache *c) {
    struct statvfs vfs;
    if (statvfs(c->dir, &vfs) < 0)
        return false;
    const uint64_t part = (uint64_t)vfs.f_blocks / 20 * vfs.f_frsize,
                   reserve = part < RESERVE_BYTES ? part : RESERVE_BYTES;
    const bool low = (uint64_t)vfs.f_bavail * vfs.f_frsize < reserve;
    pthread_mutex_lock(&c->lock);
    const bool news = low && !c->disk_low;
    c->disk_low = low;
    pthread_mutex_unlock(&c->lock);
    if (news)
        log_warning("cache %s: less than %" PRIu64 " MiB are free on its disk: it does not grow "
                    "until there are more (or use cache=DIR on another)",
                    c->dir, reserve >> 20);
    return low;
}

/* How many chunks the file can take without growing: its free pages, but for what the trees need
 * for copies of their own pages. */
static uint64_t file_room(struct cache *c, MDB_txn *txn) {
    MDB_envinfo info;
    MDB_stat st;
    if (mdb_env_info(c->env, &info) || mdb_env_stat(c->env, &st))
        return 0;
    const uint64_t all = (info.me_last_pgno + 1) * (uint64_t)st.ms_psize,
                   taken = cache_pages_used(c, txn) + TREE_PAGES * (uint64_t)st.ms_psize;
    return all > taken ? (all - taken) / (CHUNK_VALUE + 16) : 0;
}

/* Delete @n chunks so that the next transaction has their pages. LMDB gives what one frees to the
 * next but one, so another, which changes nothing, comes between. */
static int free_pages(struct cache *c, unsigned n) {
    MDB_txn *txn;
    int rc = cache_begin(c, 0, &txn);
    if (rc)
        return rc;
    rc = evict(c, txn, n);
    if (rc) {
        cache_end(c, txn);
        return rc;
    }
    rc = cache_commit(c, txn);
    if (rc || (rc = cache_begin(c, 0, &txn)))
        return rc;
    static const struct hash128 none; /* a fact that comes and goes */
    MDB_val k = { sizeof none.b, (void *)none.b };
    rc = put(txn, c->db[DB_FACTS], none.b, sizeof none.b, "", 0);
    if (!rc)
        rc = mdb_del(txn, c->db[DB_FACTS], &k, NULL);
    if (!rc)
        return cache_commit(c, txn);
    cache_end(c, txn);
    return rc;
}

/* On a disk that is nearly full the file stays as large as it is: new chunks take the place of the
 * oldest. No more than an eighth of all goes for one batch, since its write may yet fail. */
static int make_room_in_file(struct cache *c, unsigned *n) {
    MDB_txn *txn;
    MDB_stat st;
    int rc = cache_begin(c, MDB_RDONLY, &txn);
    if (rc)
        return rc;
    const uint64_t room = file_room(c, txn);
    rc = mdb_stat(txn, c->db[DB_CHUNKS], &st);
    cache_end(c, txn);
    if (rc || room >= *n)
        return rc;
    const uint64_t most = st.ms_entries / 8;
    if (*n > most)
        *n = (unsigned)most;
    return *n ? free_pages(c, *n + 1) : 0; /* one more for the trees' own pages */
}

/* Before a batch of *n chunks, which is lowered to what may be added. */
static int make_room(struct cache *c, unsigned *n) {
    if (disk_is_low(c))
        return make_room_in_file(c, n);
    MDB_txn *txn;
    int rc = cache_begin(c, 0, &txn);
    if (rc)
        return rc;
    const uint64_t need = (uint64_t)*n * (CHUNK_VALUE + 16), used = cache_pages_used(c, txn);
    if (used + need <= c->map_bytes / 5 * 4) {
        cache_end(c, txn);
        return 0;
    }
    rc = evict(c, txn, *n);
    if (!rc)
        return cache_commit(c, txn);
    cache_end(c, txn);
    return rc;
}

/* --- the writer --- */

void cache_fail(struct cache *c, int rc, const char *what) {
    pthread_mutex_lock(&c->lock);
    const bool first = !c->failed;
    c->failed = true;
    c->retry_at = clock_s(CLOCK_MONOTONIC) + RETRY_AFTER_S;
    snprintf(c->error, sizeof c->error, "%s: %s", what, mdb_strerror(rc));
    pthread_cond_broadcast(&c->room);
    pthread_mutex_unlock(&c->lock);
    if (first)
        log_warning("cache %s: %s: %s; views are read without it", c->dir, what, mdb_strerror(rc));
}

static int write_batch(struct cache *c, const struct batch *b) {
    const uint64_t now = clock_s(CLOCK_REALTIME);
    MDB_txn *txn;
    int rc = cache_begin(c, 0, &txn);
    if (rc)
        return rc;
    for (unsigned i = 0; i < b->n_put && !rc; i++) {
        const struct db_key key = db_key_from(&b->chunk[i]->key);
        value_seal(b->chunk[i]);
        rc = put(txn, c->db[DB_CHUNKS], &key, sizeof key, b->chunk[i]->value, CHUNK_VALUE);
        if (!rc)
            rc = set_stamp(c, txn, &key, now);
    }
    for (unsigned i = 0; i < b->n_touched && !rc; i++) {
        MDB_val k = { sizeof b->touched[i], (void *)&b->touched[i] }, v;
        if (mdb_get(txn, c->db[DB_STAMPS], &k, &v) == 0) /* else it was evicted since */
            rc = set_stamp(c, txn, &b->touched[i], now);
    }
    for (const struct pending_fact *f = b->facts; f && !rc; f = f->next)
        rc = put(txn, c->db[DB_FACTS], f->key.b, sizeof f->key.b, f->value, f->n);
    if (!rc)
        return cache_commit(c, txn);
    cache_end(c, txn);
    return rc;
}

/* Wait for work and take it; false: the cache is being closed and all is written. */
static bool take_batch(struct cache *c, struct batch *b) {
    pthread_mutex_lock(&c->lock);
    while (!c->queued && !c->facts && !c->stop) {
        struct timespec until;
        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_sec += FLUSH_TOUCHES_S;
        if (pthread_cond_timedwait(&c->work, &c->lock, &until) == ETIMEDOUT && c->n_touched)
            break;
    }
    b->n = c->queued < c->batch_max ? c->queued : c->batch_max;
    for (unsigned i = 0; i < b->n; i++)
        b->chunk[i] = c->queue[(c->head + i) % QUEUE_MAX];
    b->n_touched = c->n_touched;
    memcpy(b->touched, c->touched, c->n_touched * sizeof *c->touched);
    c->n_touched = 0;
    b->facts = c->facts;
    c->facts = NULL;
    const bool more = b->n || b->n_touched || b->facts || !c->stop;
    pthread_mutex_unlock(&c->lock);
    return more;
}

/* Chunks stay visible in the queue until they are on their way to the disk for good. */
static void drop_batch(struct cache *c, struct batch *b, int rc) {
    pthread_mutex_lock(&c->lock);
    c->head = (c->head + b->n) % QUEUE_MAX;
    c->queued -= b->n;
    if (rc)
        b->n_put = 0;
    else if (b->n_put)
        c->failed = false;
    c->dropped += b->n - b->n_put;
    pthread_cond_broadcast(&c->room);
    pthread_mutex_unlock(&c->lock);
    for (unsigned i = 0; i < b->n; i++)
        chunk_unref(b->chunk[i]);
    while (b->facts) {
        struct pending_fact *next = b->facts->next;
        free(b->facts);
        b->facts = next;
    }
}

/* Nothing is evicted for chunks that could not be written a moment ago. */
static bool waits_to_retry(struct cache *c) {
    pthread_mutex_lock(&c->lock);
    const bool waits = c->failed && clock_s(CLOCK_MONOTONIC) < c->retry_at;
    pthread_mutex_unlock(&c->lock);
    return waits;
}

void *cache_writer(void *arg) {
    struct cache *c = arg;
    struct batch *b = c->batch;
    while (take_batch(c, b)) {
        b->n_put = waits_to_retry(c) ? 0 : b->n;
        int rc = b->n_put ? make_room(c, &b->n_put) : 0;
        if (!rc)
            rc = write_batch(c, b);
        /* A full map although a fifth should be free: another process added, or the free list is
         * cut up. */
        if (rc == MDB_MAP_FULL && free_pages(c, 4 * c->batch_max) == 0)
            rc = write_batch(c, b);
        if (rc)
            cache_fail(c, rc, "cannot be written");
        drop_batch(c, b, rc);
    }
    return NULL;
}
