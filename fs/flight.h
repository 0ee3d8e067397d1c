/* SPDX-License-Identifier: Apache-2.0
 * fs/flight.h - chunks in memory: each is converted once however many want it, and kept for a
 * while, so that the reader's next request and the cache's writer find it. No lock is held while
 * a conversion runs, and nobody waits on anything but the chunk that he needs. */
#pragma once
#include "fs/chunk.h"
#include <stdbool.h>

struct flight;

/* Somebody who wants a chunk that is under way. `wake` is called once, by the thread that landed
 * it, without a lock; `chunk` is then a reference of the waiter's own, or NULL with the error in
 * `rc`. */
struct waiter {
    struct waiter *next;
    void (*wake)(struct waiter *w);
    const atomic_bool *cancelled; /* it has gone, but is woken all the same; NULL: it stays */
    struct chunk *chunk;
    int rc;
    const char *why; /* with rc < 0, while it is woken */
};

enum flight_state {
    FLIGHT_READY, /* here it is */
    FLIGHT_MINE,  /* nobody has it: the caller must make it and call flight_land; w->wake comes */
    FLIGHT_WAIT,  /* another makes it: w->wake comes */
    FLIGHT_NO_MEMORY /* no wake comes */
};

struct flight *flight_new(uint64_t keep_bytes); /* of finished chunks; NULL: no memory */
void flight_free(struct flight *f);

/* READY: *out is a new reference. @w NULL: nobody is woken, WAIT is only an answer. */
enum flight_state flight_join(struct flight *f, const struct chunk_key *key, struct waiter *w,
                              struct chunk **out);
/* The chunk if it is in memory and finished, else NULL; never claims it. */
struct chunk *flight_peek(struct flight *f, const struct chunk_key *key);
/* Does anybody wait for it who has not gone? */
bool flight_wanted(struct flight *f, const struct chunk_key *key);
/* Was this chunk asked for in part a short while ago? Remembers that it is now. */
bool flight_asked_before(struct flight *f, const struct chunk_key *key);
/* After MINE: the chunk, or NULL and why. The caller keeps its own reference. */
void flight_land(struct flight *f, const struct chunk_key *key, struct chunk *chunk, int rc,
                 const char *why);
uint64_t flight_bytes(struct flight *f); /* in memory */
