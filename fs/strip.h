/* SPDX-License-Identifier: Apache-2.0
 * fs/strip.h - parts of transposes that are turned over already, kept in bounded memory: the chunks
 * that lie in one are made from it one by one, by whoever has time. A strip is filled by all
 * threads that want it, block by block of the rows of what is turned over. */
#pragma once
#include "formats/expr.h"
#include <stdbool.h>

struct strips;

/* A rectangle of one group of a TRANSPOSE. A line is a column of what is turned over. */
struct strip_place {
    const void *owner;       /* the view whose expression it is; NULL: nobody's, it is not kept */
    const struct expr *leaf; /* the TRANSPOSE */
    uint64_t line, lines;    /* rows of the TRANSPOSE, within one group */
    uint64_t row, rows;      /* elements of each of them */
    uint64_t step;           /* bytes from a line to the next */
    uint32_t elem_bytes;
    uint32_t block_rows; /* that are filled at once */
};

/* Counted by who uses it; the numbers do not change once it is full. */
struct strip {
    struct strip_place place;
    uint8_t *data; /* lines of rows elements, step apart */
    struct strip *older, *newer;
    uint64_t bytes;                /* of data, or more */
    uint32_t users, begun, filled; /* the last two are blocks */
    int rc;                        /* of a block that failed */
    bool kept;
};

struct strips *strips_new(uint64_t bytes); /* most that is kept; NULL: no memory */
void strips_free(struct strips *p);        /* NULL is fine */

bool strip_holds(const struct strip *s, const void *owner, const struct expr *leaf, uint64_t line,
                 uint64_t row);

/* The one that holds element @row of line @line, full or not; NULL: there is none. */
struct strip *strip_find(struct strips *p, const void *owner, const struct expr *leaf,
                         uint64_t line, uint64_t row);

/* A strip for @place, or another that has come meanwhile, with that element in it. It is kept if
 * others that nobody uses make room for it: else NULL where @must is not set. NULL also: no memory.
 */
struct strip *strip_new(struct strips *p, const struct strip_place *place, uint64_t line,
                        uint64_t row, bool must);
void strip_put(struct strips *p, struct strip *s); /* NULL is fine */
/* @s for later, or NULL: one that is not kept is put, as nothing bounds how many there are. */
struct strip *strip_hold(struct strips *p, struct strip *s);

/* Fill it, with others. @fill makes rows [row, row + rows) of the place, both counted from its
 * first, and returns 0 or an errno, which ends it for all; @wanted is asked before each block, and
 * ends it for the caller, with -EINTR. */
struct strip_filler {
    int (*fill)(void *user, struct strip *s, uint64_t row, uint64_t rows);
    bool (*wanted)(const void *user);
    void *user;
};
int strip_fill(struct strips *p, struct strip *s, const struct strip_filler *f);

/* Its expressions are about to go. */
void strips_forget(struct strips *p, const void *owner);
