/* SPDX-License-Identifier: Apache-2.0
 * fs/lru.h - counted objects by a 128-bit key, the one used longest ago forgotten first.
 * Thread-safe; `ref` and `unref` are called under its lock and must not come back to it. */
#pragma once
#include "formats/hash.h"

struct lru;

struct lru *lru_new(uint32_t max_entries, uint64_t max_bytes, void (*ref)(void *),
                    void (*unref)(void *)); /* NULL: no memory */
void lru_free(struct lru *l);

/* The object with a reference for the caller, or NULL. */
void *lru_get(struct lru *l, const struct hash128 *key);

/* Keep @object under @key, in the place of one that is there; the table takes a reference of its
 * own, or none when memory is short. @bytes: what counts towards max_bytes. */
void lru_put(struct lru *l, const struct hash128 *key, void *object, uint64_t bytes);
void lru_remove(struct lru *l, const struct hash128 *key);
uint32_t lru_count(struct lru *l);
