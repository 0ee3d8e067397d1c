/* SPDX-License-Identifier: Apache-2.0
 * formats/imatrix.h - importance matrices, as llama-imatrix writes them: GGUF, and the older .dat.
 */
#pragma once
#include "formats/arena.h"
#include "formats/importance.h"

struct imatrix_entry {
    struct str name;              /* of the tensor */
    struct importance importance; /* cols and rows are the tensor's: imatrix_find sets them */
};

struct imatrix {
    struct arena arena;
    struct source *source;
    struct str file;               /* its name, without the folder */
    struct str dataset;            /* the first that it was made from; p NULL: not told */
    uint32_t chunks;               /* of text; 0: not told */
    struct imatrix_entry *entries; /* sorted by name */
    uint32_t n;
};

enum { IMATRIX_MAX_ENTRIES = 1 << 20 };

/* Reads headers, counts and names; no values. -EBADMSG with the reason for what is no imatrix. */
int imatrix_open(struct imatrix **out, struct root *root, const char *path, struct err *err);
void imatrix_close(struct imatrix *x); /* NULL is fine */

/* NULL when there is none. */
const struct imatrix_entry *imatrix_find(const struct imatrix *x, struct str name);
