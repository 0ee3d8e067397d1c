/* SPDX-License-Identifier: Apache-2.0
 * formats/strided.h - tensors whose elements do not lie in order, as PyTorch can save them: turned
 * over, slices of columns, every third element. */
#pragma once
#include "formats/expr.h"

/* Such a tensor as a gather of rows, which may then be turned over: what there is in expr.h. */
struct strided {
    uint64_t rows, cols; /* of the tensor's place in the file, as a matrix */
    struct row_map map;
    uint64_t turn; /* rows of each group that is transposed; 0: none is */
};

/* From dims and strides of @t (elems > 0). False for what takes more than a row_map's digits. */
bool strided_map(const struct tensor *t, struct strided *out);

/* The expression of a tensor with strides; NULL: no memory. */
const struct expr *strided_expr(struct arena *a, const struct tensor *t);
