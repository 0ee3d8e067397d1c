/* SPDX-License-Identifier: Apache-2.0
 * fs/cache.h - converted chunks and facts on disk; the door to LMDB. Thread-safe. Whatever goes
 * wrong with it, readers get their bytes: it is then as if nothing were cached. docs/cache.md. */
#pragma once
#include "formats/err.h"
#include "fs/chunk.h"
#include <stdbool.h>

struct cache;

/* @dir is made where it is absent. @bytes: what the file may grow to; 0: the smaller of 20 GiB
 * and a fifth of what is free. A damaged cache is emptied. -EROFS, -EACCES, -ENOSPC ...: go on
 * without. Call before any thread of the process touches LMDB, and not before a fork. */
int cache_open(struct cache **out, const char *dir, uint64_t bytes, struct err *err);
void cache_close(struct cache *c); /* writes what is queued; NULL is fine */

/* Copy bytes [off, off + len) of the chunk's data; false when it is not there (NULL cache too), or
 * its checksum is wrong. @chunk_len: what the chunk must have. */
bool cache_get(struct cache *c, const struct chunk_key *key, uint32_t chunk_len, uint32_t off,
               uint32_t len, void *dst);
bool cache_has(struct cache *c, const struct chunk_key *key);

/* Hand a finished chunk to the writer; it takes a reference of its own. Waits while the queue is
 * full, so that a sequential read leaves all of the view in the cache. */
void cache_put(struct cache *c, struct chunk *chunk);

/* How many chunks of a tensor are there. */
uint64_t cache_count(struct cache *c, const struct hash128 *tensor);

/* Small facts (sizes of views, and the like), never evicted by chunks. Get: the length, or -1. */
int cache_fact_get(struct cache *c, const struct hash128 *key, void *buf, size_t size);
void cache_fact_put(struct cache *c, const struct hash128 *key, const void *value, size_t n);

struct cache_stat {
    uint64_t map_bytes, used_bytes; /* its limit; pages in use */
    uint64_t chunks, facts;
    uint64_t evicted, dropped, corrupt; /* since it was opened */
    bool failed;                        /* a write failed: nothing is added any more */
    bool disk_low;                      /* new chunks only take the place of old ones */
    char error[128];                    /* why */
};
void cache_stat(struct cache *c, struct cache_stat *st);

/* Walk everything and check each value: the number that is damaged (they are removed), or a
 * negative errno. @progress may be NULL. */
int64_t cache_verify(struct cache *c, void (*progress)(uint64_t done, uint64_t all, void *user),
                     void *user);
/* Remove everything. */
int cache_clear(struct cache *c, struct err *err);
