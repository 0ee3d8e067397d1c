/* SPDX-License-Identifier: Apache-2.0
 * formats/onnx/onnx_pass.h - changes of a graph from one type to another, each as a tool of ONNX
 * Runtime 1.32 does it: the same nodes, and the same numbers in the weights. */
#pragma once
#include "formats/onnx/onnx_graph.h"

/* Weights of products in blocks; scales have the weight's type (onnx_nbits.c). */
int onnx_to_nbits(struct onnx_graph *g, const struct nbits *how, struct err *err);

/* Products and convolutions in 8 bits, their activations scaled as they come; tables of 8 bits
 * (onnx_int8.c). @per_channel: a scale for each output of a product. */
int onnx_to_int8(struct onnx_graph *g, bool per_channel, struct err *err);

/* General products as plain ones and sums (onnx_gemm.c). */
int onnx_split_gemm(struct onnx_graph *g, struct err *err);

/* Float16 wherever operators have it (onnx_half.c). @keep_io: but inputs and outputs. */
int onnx_to_fp16(struct onnx_graph *g, bool keep_io, struct err *err);

/* Ends of a graph that stay float32 while what lies between becomes, or is, float16
 * (onnx_keep_io.c). Hide: inputs and outputs of @type get other names, here and in all nodes. Show:
 * they have their own names again, with Casts to and from those. */
struct onnx_ends {
    const char **in, **out; /* by input, by output: its own name; NULL: it is not hidden */
};
int onnx_hide_ends(struct onnx_graph *g, int32_t type, struct onnx_ends *ends, struct err *err);
int onnx_show_ends(struct onnx_graph *g, const struct onnx_ends *ends, struct err *err);

/* All of float16 and bfloat16 in float32 (onnx_retype.c). */
int onnx_to_fp32(struct onnx_graph *g, struct err *err);
