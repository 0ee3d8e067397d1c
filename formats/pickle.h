/* SPDX-License-Identifier: Apache-2.0
 * formats/pickle.h - a pickle as the tree of values that it describes. Nothing is called: where
 * Python would call something, the tree has what would be called, and with what. What may stand
 * there is a list of the caller's, all else is refused by its name. */
#pragma once
#include "formats/arena.h"
#include "formats/err.h"
#include <stdint.h>

enum pickle_type {
    PICKLE_NONE,
    PICKLE_BOOL,
    PICKLE_INT,
    PICKLE_LONG, /* an integer of more than 64 bits: its bytes, little-endian, in `text` */
    PICKLE_FLOAT,
    PICKLE_TEXT, /* bytes of Python 2 too */
    PICKLE_LIST,
    PICKLE_TUPLE,
    PICKLE_SET,
    PICKLE_DICT,   /* items: key, value, key, value ...; a key may occur twice, the last counts */
    PICKLE_GLOBAL, /* `text`: "module.name" */
    PICKLE_CALL,   /* call.callee (args...): REDUCE, NEWOBJ */
    PICKLE_STORED, /* items[0]: what the file keeps elsewhere, by its persistent id */
};

struct pickle {
    enum pickle_type type;
    uint32_t n, cap; /* of items */
    union {
        bool truth;
        int64_t integer;
        double real;
        struct str text;
        struct pickle **items;
        struct {
            struct pickle *callee, *args;
        } call;
    };
    struct pickle *state; /* what BUILD gave to a call or a dict, the last time; else NULL */
};

enum {
    PICKLE_MAX_BYTES = 64 << 20,   /* of one pickle */
    PICKLE_MAX_MEMORY = 256 << 20, /* bytes of the arena of values */
};

/* May a pickle name @module and @name? */
typedef bool pickle_allows(struct str module, struct str name);

struct pickle_file {
    struct pickle *root;
    struct pickle **stored; /* all PICKLE_STORED, in the order in which they were met */
    uint32_t n_stored;
    uint64_t bytes; /* length of the pickle */
};

/* Read one pickle at the beginning of @bytes. The values live in @a; texts point into @bytes.
 * -ENODATA when @bytes end before it does, -EACCES for a global that is
 * not allowed, -ENOTSUP for an opcode that is not, -EBADMSG, -EFBIG. A value may occur at several
 * places of the tree, even below itself: who walks it must count steps. */
int pickle_read(struct pickle_file *out, struct arena *a, struct str bytes, pickle_allows *allows,
                struct err *err);

/* NULL and wrong types are fine. */
bool pickle_is_text(const struct pickle *p, const char *z);
bool pickle_is_call(const struct pickle *p, const char *global);        /* of "module.name" */
const struct pickle *pickle_arg(const struct pickle *call, uint32_t i); /* NULL: not so many */
const struct pickle *pickle_item(const struct pickle *seq, uint32_t i); /* of a list or tuple */
const struct pickle *pickle_get(const struct pickle *dict, const char *key);
/* Is @args one list of pairs, tuples or lists of two? */
bool pickle_pairs(const struct pickle *args);
/* A number from 0 up. */
bool pickle_u64(const struct pickle *p, uint64_t *out);
