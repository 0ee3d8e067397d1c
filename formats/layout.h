/* SPDX-License-Identifier: Apache-2.0
 * formats/layout.h - the whole view as a list of extents, known before any weight is read. */
#pragma once
#include "formats/arena.h"
#include "formats/err.h"
#include "formats/expr.h"
#include "formats/importance.h"
#include "formats/kv.h"
#include "formats/scaling.h"

/* One tensor that has to be converted. Its bytes are cached under @key, in chunks. */
struct conversion {
    struct str name; /* of the tensor in the view, for messages */
    const struct expr *expr;
    enum dtype to;
    uint64_t elems, bytes;               /* of the whole tensor in @to */
    const struct importance *importance; /* NULL: every number counts alike */
    bool strict;                         /* struct layout_how */
    struct scaling *scaling; /* NULL, or what the type's numbers depend on: this is its */
    enum scaling_part part;  /* ... part */
    bool cached;             /* false where making the bytes costs no more than finding them */
    const struct conversion *beside; /* a smaller one behind it that turns the same matrix over: the
                                      * scales of levels; or NULL */
    struct hash128 key;      /* filled by layout_hash */
};

enum extent_kind { EXTENT_ZERO, EXTENT_LITERAL, EXTENT_COPY, EXTENT_CONVERT, EXTENT_CRC32 };

struct extent {
    uint64_t off, len; /* bytes in the view */
    enum extent_kind kind;
    union {
        const uint8_t *literal; /* @len bytes, in the layout's arena */
        struct {
            uint32_t src;
            uint64_t off;
        } copy;                     /* model source and place in it */
        struct conversion *convert; /* the whole tensor: len == bytes */
        struct {
            uint64_t off, len;
        } crc32; /* bytes of the view that lie before it */
    };
};

/* Extents are sorted, touch each other and cover [0, size). */
struct layout {
    struct arena *arena;
    struct extent *extents;
    uint32_t n, cap;
    uint64_t size;        /* bytes */
    uint64_t convert;     /* bytes in CONVERT extents that are cached */
    struct kv_list pairs; /* of a GGUF that is written: those of its header */
};

/* Append at the end; nothing is appended for a length of zero. 0, -ENOMEM or -EFBIG. */
int layout_zero(struct layout *l, uint64_t len, struct err *err);
int layout_literal(struct layout *l, const void *bytes, uint64_t len, struct err *err);
int layout_copy(struct layout *l, uint32_t src, uint64_t off, uint64_t len, struct err *err);
/* How numbers are written. Zeros: as they are. */
struct layout_how {
    const struct importance *importance; /* for what is quantized; may be NULL */
    bool strict; /* one that is not finite, or that the type cannot hold, fails the read: also where
                  * the bytes are only copied */
};

/* The expression's numbers in type @to: a COPY where those bytes lie in the source as they are and
 * need no look, else a CONVERT. @how may be NULL. */
int layout_tensor(struct layout *l, struct str name, const struct expr *e, enum dtype to,
                  const struct layout_how *how, struct err *err);

/* A part of a tensor in 8 bits: bytes, or floats of a scale. */
int layout_scaled(struct layout *l, struct str name, struct scaling *s, enum scaling_part part,
                  struct err *err);

/* Four bytes: the CRC-32 of [off, off + len) of the view, computed when they are read. */
int layout_crc32(struct layout *l, uint64_t off, uint64_t len, struct err *err);

/* The extent that holds byte @off (< size). */
const struct extent *layout_find(const struct layout *l, uint64_t off);

/* Give each conversion its cache key. @source_hash: model_source_hashes. */
int layout_hash(struct layout *l, const struct hash128 *source_hash, struct err *err);
