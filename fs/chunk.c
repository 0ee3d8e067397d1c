/* SPDX-License-Identifier: Apache-2.0
 * fs/chunk.c - chunks in memory are counted. */
#include "fs/chunk.h"
#include <stdlib.h>

struct chunk *chunk_new(const struct chunk_key *key, uint32_t len) {
    struct chunk *c = malloc(sizeof *c);
    if (!c)
        return NULL;
    c->refs = 1;
    c->key = *key;
    c->len = len;
    /* The value goes to the cache whole: nothing of the heap may go with it. */
    memset(c->value, 0, CHUNK_HEADER);
    memset(chunk_data(c) + len, 0, CHUNK_DATA - len);
    return c;
}

struct chunk *chunk_ref(struct chunk *c) {
    c->refs++;
    return c;
}

void chunk_unref(struct chunk *c) {
    if (c && --c->refs == 0)
        free(c);
}
