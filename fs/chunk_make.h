/* SPDX-License-Identifier: Apache-2.0
 * fs/chunk_make.h - making a chunk on the workers, in turns: a type may need seconds for one, and
 * others wait for the same cores. */
#pragma once
#include "fs/flight.h"
#include "fs/view.h"

/* Somebody for whom chunks are made before they are asked for. Counted. */
struct interest {
    _Atomic uint32_t refs;
    atomic_bool ended; /* nobody wants them any more */
};
struct interest *interest_new(void); /* NULL: no memory */
struct interest *interest_ref(struct interest *i);
void interest_unref(struct interest *i); /* NULL is fine */

/* Do parts of a chunk cost no more than the whole? Not where rows, or strips of a transpose, are
 * made at once. */
bool chunk_in_pieces(const struct conversion *c);

/* Make the chunk that the caller has claimed (FLIGHT_MINE), beginning on this thread, which is a
 * worker's. It lands when it is finished or has failed, or with -EINTR as soon as nobody wants it:
 * no waiter, and no @interest (NULL: none). Those behind it may be made too, @most with
 * it. */
void chunk_make(struct view *v, const struct conversion *c, uint64_t index, uint64_t most,
                struct interest *interest);

/* The same as a job that runs when no read is there, unless the chunk is there by then. False: too
 * many wait already, or no memory. */
bool chunk_make_ahead(struct view *v, const struct conversion *c, uint64_t index,
                      struct interest *interest);
