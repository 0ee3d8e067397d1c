/* SPDX-License-Identifier: Apache-2.0
 * formats/joined.h - a tensor that was cut for several devices: its parts lie in as many files, one
 * below the other or side by side. */
#pragma once
#include "formats/expr.h"

struct joined {
    const struct tensor *const *parts; /* of one type and shape, in order */
    uint32_t n;
    bool columns; /* side by side: each has columns of all rows; else rows */
};

/* @t: that of the whole, with @j, from the first part; its parts must be alike, of one dimension or
 * two. False: they are not. */
bool joined_tensor(struct tensor *t, const struct joined *j);

/* The expression of a tensor with t->joined; NULL: no memory. */
const struct expr *joined_expr(struct arena *a, const struct tensor *t);
