/* SPDX-License-Identifier: Apache-2.0
 * fs/convert_impl.h - the inside of a conversion, shared by convert*.c only. */
#pragma once
#include "fs/convert.h"
#include "fs/gpu_batch.h"
#include "fs/reader.h"

enum {
    TILE_ELEMS = 4096,       /* 16 KiB of floats; a multiple of every block */
    PIECE_BYTES = 256 << 10, /* read at once: stays in the second-level cache */
    MAX_BLOCK_ELEMS = 256,
    MAX_BLOCK_BYTES = 1024,
    MAX_ROW_ELEMS = 16 << 20, /* of a row that must be seen as a whole: 64 MiB of floats */
};

/* What one conversion has at hand; the tensors it reads may lie in several files. */
struct convert {
    const struct kernels *k;
    struct reader reader;
    const struct conversion *c;
    struct err *err;
    const struct demand *demand;
    uint64_t end;      /* elements of the target: what is wanted goes that far */
    const void *owner; /* of strips that are kept: the view; or NULL */
    struct strips *strips;
    struct strip *strip; /* the last one that was used; or NULL */
    uint64_t reach;      /* elements of the run's leaf: so far it is wanted */
    uint8_t *piece;      /* PIECE_BYTES */
    const uint8_t *at;   /* in the piece or the strip: what was read last */
    float *tile;         /* tile_elems */
    uint64_t tile_elems; /* TILE_ELEMS, or a row where importance data asks for it */
    float *weights;      /* of the columns: c->importance, one slice; or NULL */
    uint64_t slice;      /* which; UINT64_MAX: none yet */
    struct gpu *gpu;
    struct gpu_queue *queue; /* whose input is the tile; NULL: the CPU does it */
};

/* @code, with the tensor's name and why. */
int convert_fail(struct convert *cv, int code, const char *why);

/* convert_read.c. Bytes of a tensor, stored or not. */
int convert_source(struct convert *cv, const struct tensor *t, uint64_t off, uint64_t len,
                   void *dst);

/* The next piece of a run: cv->at gets it, *first is its first element (a block's). Returns the
 * number of the run's elements from @elem on that it holds. */
int64_t convert_piece(struct convert *cv, const struct expr_run *run, uint64_t elem, uint64_t count,
                      uint64_t *first);

/* Elements [elem, elem + n) of a run's leaf as floats; what was read begins with element @first.
 * n: up to TILE_ELEMS. */
int convert_decode(struct convert *cv, const struct expr_run *run, uint64_t first, uint64_t elem,
                   uint64_t n, float *dst);

/* convert_turn.c. A piece of a transpose, from its element @elem on. */
int64_t convert_strip(struct convert *cv, const struct expr *leaf, uint64_t elem, uint64_t count);

/* convert_check.c. All of @x below 2: then each is finite, and so is every scale that a type may
 * make of them. True of nearly all weights, and found by looking at one bit. */
bool convert_are_small(const float *x, uint64_t n);
/* Blocks of a type that a strict conversion has written, or moved. The tile is overwritten. */
int convert_check(struct convert *cv, const uint8_t *src, uint64_t elems);

/* convert_move.c. Whole blocks, from element @elem of the target on, where its bytes are the
 * source's; where they are its blocks in another layout, one for one; where they are those of a
 * transpose whose numbers keep their type. */
int convert_move(struct convert *cv, uint64_t elem, uint64_t count, uint8_t *dst);
int convert_repack(struct convert *cv, uint64_t elem, uint64_t count, uint8_t *dst);
int convert_move_strips(struct convert *cv, uint64_t elem, uint64_t count, uint8_t *dst);
