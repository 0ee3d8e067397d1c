/* SPDX-License-Identifier: Apache-2.0
 * formats/importance.h - how much each column of a tensor matters when it is quantized: one value a
 * column, for the experts of a layer one a column and expert. Known from an imatrix file's headers;
 * the values are read when a chunk needs them, as those of a large mixture of experts fill a GiB.
 */
#pragma once
#include "formats/source.h"

struct importance {
    struct source *source; /* where the sums lie, f32; borrowed from the imatrix */
    uint64_t off;          /* of the first in it, bytes */
    uint64_t values;       /* cols * slices */
    uint64_t cols;         /* a slice: the elements of a row of the tensor */
    uint64_t rows;         /* of the tensor that share a slice */
    const float *divisor;  /* value i is sum i / divisor[i / group]; where that is 0, 1 */
    uint64_t n_divisors, group;
};

/* What it depends on. */
void importance_hash(const struct importance *w, struct hasher *h);

/* The @cols values of a slice. -EDOM when one is a NaN or an infinity, -ESTALE when the file is no
 * longer the one that was opened, else what the read said. */
int importance_read(const struct importance *w, uint64_t slice, float *dst, struct err *err);
