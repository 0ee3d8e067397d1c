/* SPDX-License-Identifier: Apache-2.0
 * formats/onnx/onnx_nbits_shape.h - the shape of a product with a matrix of shape [1, ..., K, N],
 * which MatMulNBits takes as [K, N]: the nodes and names of ONNX Runtime 1.32
 * (quantization/matmul_nbits_quantizer.py, _build_nbits_output_reshape). */
#pragma once
#include "formats/onnx/onnx_scope.h"

struct onnx_reshape {
    const char *x;            /* what is multiplied */
    const char *from;         /* the product, with as many dimensions as x */
    const char *to;           /* with ones before them, @rank in all if it has fewer */
    const char *prefix;       /* of the names of values and nodes */
    int64_t rank, cols;       /* of the matrix */
    struct onnx_scope *scope; /* whose constant it is; NULL: the main graph's */
};

/* Appends the nodes to *@nodes (onnx_list_add), and constants to that graph. */
void onnx_restore_shape(struct onnx_graph *g, const struct onnx_reshape *r,
                        Onnx__NodeProto ***nodes, size_t *n, size_t *cap);
