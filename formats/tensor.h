/* SPDX-License-Identifier: Apache-2.0
 * formats/tensor.h - one tensor as a source stores it. */
#pragma once
#include "formats/str.h"
#include "quant/dtype.h"
#include <stdint.h>

enum { TENSOR_MAX_DIMS = 8, TENSOR_MAX_NAME = 4096 };

struct packed; /* formats/packed.h */
struct merged; /* formats/merge.h */
struct joined; /* formats/joined.h */

struct tensor {
    struct str name;
    enum dtype dtype;
    uint32_t n_dims;                /* 0: a scalar */
    uint64_t dims[TENSOR_MAX_DIMS]; /* slowest first (GGUF files list the fastest first) */
    uint64_t elems;                 /* product of dims */
    uint32_t src;                   /* index into the model's sources */
    const uint64_t *strides;        /* elements, one a dim; NULL: they lie in order. Only of single
                                     * files of PyTorch; @bytes is then from the first to the last */
    uint64_t off, bytes;            /* place in that source; checked against its size */
    const struct packed *packed;    /* it has no place: what its numbers are made of; else NULL */
    const struct merged *merged;    /* likewise, with adapters */
    const struct joined *joined;    /* likewise, of parts in several files; @bytes: of all */
};

/* Are its numbers made when they are read? */
static inline bool tensor_is_made(const struct tensor *t) {
    return t->packed || t->merged || t->joined;
}

/* The fastest dimension: elements a row. 1 for a scalar. */
static inline uint64_t tensor_row(const uint64_t *dims, uint32_t n_dims) {
    return n_dims ? dims[n_dims - 1] : 1;
}
