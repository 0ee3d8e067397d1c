/* SPDX-License-Identifier: Apache-2.0
 * fs/render.h - (view, offset, length) -> bytes. What lies ready is copied by the caller's thread;
 * conversions are done by the workers, each chunk by one of them whoever waits for it. */
#pragma once
#include "formats/err.h"
#include "fs/flight.h"
#include "fs/view.h"
#include "fs/worker.h"

struct interest; /* fs/chunk_make.h */

struct render {
    struct view *view; /* borrowed: stays open until `done` was called */
    uint64_t off;      /* in the view, bytes */
    size_t len;        /* off + len <= size of the view */
    uint8_t *buf;      /* @len bytes to fill */
    /* Called once, by the thread which finished; rc 0 or a negative errno with err filled. The
     * struct may be freed in it. */
    void (*done)(struct render *r, int rc);
    void *user;
    bool here_and_there;  /* a reader who does: of small reads only what is asked for is made */
    struct interest *who; /* in chunks that are made besides; borrowed; NULL: none are */

    /* private */
    struct err err;
    size_t filled;
    struct job job;
    struct waiter waiter;
    atomic_bool cancelled;
};

/* Begin; the fields above `private` are set, the rest zero. `done` may be called before this
 * returns (everything was ready) or later by a worker. The source's identity is checked before
 * and after: -ESTALE, and bytes of two versions never mix. */
void render_start(struct render *r);

/* The reader went away: `done` comes soon, with -EINTR if bytes are missing. */
void render_cancel(struct render *r);

/* The same, waiting. */
int render_read(struct view *v, void *buf, size_t len, uint64_t off, struct err *err);

/* Convert what lies in [off, off + len) ahead of a sequential reader, when nobody needs the
 * workers for more, as long as @who is interested; returns how far that was asked. */
uint64_t render_ahead(struct view *v, uint64_t off, uint64_t len, struct interest *who);
