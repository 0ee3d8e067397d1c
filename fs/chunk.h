/* SPDX-License-Identifier: Apache-2.0
 * fs/chunk.h - the unit of conversion and of the cache: a run of whole blocks of one converted
 * tensor. */
#pragma once
#include "formats/layout.h"
#include <stdatomic.h>

/* A value of the cache fills 64 pages of LMDB to the last byte (4096 n - 16); one size of values
 * keeps the free list healthy. What the value says about itself comes first. */
enum { CHUNK_VALUE = 64 * 4096 - 16, CHUNK_HEADER = 176, CHUNK_DATA = CHUNK_VALUE - CHUNK_HEADER };

struct chunk_key {
    struct hash128 tensor; /* conversion.key */
    uint64_t index;
};

/* Counted; immutable once it is finished. The value is what the cache stores. */
struct chunk {
    _Atomic uint32_t refs;
    struct chunk_key key;
    uint32_t len;               /* bytes of data */
    uint8_t value[CHUNK_VALUE]; /* header (fs/cache.c), then data */
};
static inline uint8_t *chunk_data(struct chunk *c) {
    return c->value + CHUNK_HEADER;
}

struct chunk *chunk_new(const struct chunk_key *key, uint32_t len); /* NULL: no memory */
struct chunk *chunk_ref(struct chunk *c);
void chunk_unref(struct chunk *c); /* NULL is fine */

/* Bytes of every chunk of @c but the last. */
static inline uint64_t chunk_stride(const struct conversion *c) {
    const uint32_t block = dtype_info[c->to].block_bytes;
    return CHUNK_DATA / block * block;
}
static inline uint64_t chunk_count(const struct conversion *c) {
    return (c->bytes + chunk_stride(c) - 1) / chunk_stride(c);
}
/* Bytes of chunk @index. */
static inline uint32_t chunk_bytes(const struct conversion *c, uint64_t index) {
    const uint64_t off = index * chunk_stride(c), left = c->bytes - off;
    return (uint32_t)(left < chunk_stride(c) ? left : chunk_stride(c));
}
