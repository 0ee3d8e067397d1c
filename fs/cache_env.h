/* SPDX-License-Identifier: Apache-2.0
 * fs/cache_env.h - the inside of the cache, shared by cache*.c only: LMDB stays behind it. */
#pragma once
#include "fs/cache.h"
#include <lmdb.h>
#include <pthread.h>

/* chunks: key -> value (fs/chunk.h); used: stamp, key -> nothing, oldest first; stamps: key ->
 * stamp; facts: hash -> bytes. The names carry the revision of what is in them. */
enum cache_db { DB_CHUNKS, DB_USED, DB_STAMPS, DB_FACTS, DB_COUNT };

/* Keys as LMDB orders them: big-endian numbers. */
struct db_key {
    uint8_t tensor[16], index[8];
};
struct db_used {
    uint8_t stamp[8];
    struct db_key key;
};
struct db_key db_key_from(const struct chunk_key *key);

/* In front of a value's data, which is checked by pieces: who reads a page need not read all. */
enum { VALUE_PIECE = 16 << 10, VALUE_PIECES = (CHUNK_DATA + VALUE_PIECE - 1) / VALUE_PIECE };
struct value_header {
    uint32_t magic, len;
    struct db_key key;
    uint64_t checksum;             /* XXH3 of the header with 0 here */
    uint64_t pieces[VALUE_PIECES]; /* XXH3 of each piece of the data; 0 behind the last */
};
_Static_assert(sizeof(struct value_header) <= CHUNK_HEADER, "a value has room for its header");

/* Waits for the writer. */
struct pending_fact {
    struct pending_fact *next;
    struct hash128 key;
    size_t n;
    uint8_t value[];
};

enum { TOUCH_MAX = 1024, QUEUE_MAX = 96 /* chunks, 24 MiB */, BATCH_MAX = 32 };

/* What the writer has in hand. */
struct batch {
    struct chunk *chunk[BATCH_MAX];
    struct db_key touched[TOUCH_MAX];
    struct pending_fact *facts;
    unsigned n, n_put, n_touched; /* n_put: the first ones, for which there is room */
};

struct cache {
    MDB_env *env;
    MDB_dbi db[DB_COUNT];
    pthread_rwlock_t map_lock; /* read: a transaction of this process; write: the map is resized */
    char *dir;
    int mark_fd;   /* locked while this process uses the cache */
    char mark[64]; /* its file name */
    uint64_t map_bytes;
    unsigned batch_max; /* chunks a transaction: a small part of the map, as the pages that
                         * one frees can be used by the next but one at the soonest */

    pthread_mutex_t lock; /* all below */
    pthread_cond_t work, room;
    pthread_t writer;
    bool writer_runs, stop;
    struct batch *batch;            /* the writer's alone */
    struct chunk *queue[QUEUE_MAX]; /* a ring */
    unsigned head, queued;
    struct db_key touched[TOUCH_MAX];
    unsigned n_touched;
    struct pending_fact *facts;
    uint64_t evicted, dropped, corrupt;
    bool failed, disk_low;
    uint64_t retry_at; /* seconds, CLOCK_MONOTONIC */
    char error[128];
};

/* cache_env.c */
int cache_begin(struct cache *c, unsigned flags, MDB_txn **txn); /* takes map_lock for reading */
void cache_end(struct cache *c, MDB_txn *txn);                   /* abort, and release it */
int cache_commit(struct cache *c, MDB_txn *txn);
uint64_t cache_pages_used(struct cache *c, MDB_txn *txn); /* bytes */

/* cache_write.c */
void *cache_writer(void *arg);
void value_seal(struct chunk *chunk);
/* Bytes [off, off + n) of a value whose data should have @len; @len 0: of whatever it has, all. */
bool value_good(const MDB_val *value, const struct db_key *key, uint32_t len, uint32_t off,
                uint32_t n);
int cache_delete(struct cache *c, MDB_txn *txn, const struct db_key *key);
void cache_fail(struct cache *c, int rc, const char *what);
