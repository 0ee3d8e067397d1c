/* SPDX-License-Identifier: Apache-2.0
 * formats/onnx/onnx_blocks.h - the weights and attributes of a MatMulNBits, named and numbered as
 * ONNX Runtime's MatMulNBitsQuantizer does it (quantization/matmul_nbits_quantizer.py, 1.32). */
#pragma once
#include "formats/onnx/onnx_scope.h"
#include "formats/spec.h"

/* Are weights of products written in blocks, and in which? */
bool onnx_blocks_of(const struct spec *s, struct nbits *out);

struct onnx_blocks {
    const char *levels, *scales, *zeros; /* names of weights; zeros "": none */
};

struct onnx_blocks onnx_name_blocks(struct onnx_graph *g, const char *weight,
                                    const struct nbits *how);

/* Adds the weights: @e [N, K] in blocks along its rows. Blocks of ggml of the same shape keep their
 * levels and scales; others are made of the numbers in the graph's type. False: no memory, or they
 * cannot be laid out so. */
bool onnx_add_blocks(struct onnx_graph *g, const struct onnx_blocks *names, const struct expr *e,
                     const struct nbits *how);

/* The same of numbers that are at hand, as constants of @s: @x [K, N], turned over here. */
bool onnx_add_inner_blocks(struct onnx_graph *g, struct onnx_scope *s,
                           const struct onnx_blocks *names, const float *x, uint64_t k, uint64_t n,
                           const struct nbits *how);

void onnx_blocks_attrs(struct onnx_graph *g, Onnx__NodeProto *n, uint64_t k, uint64_t rows,
                       const struct nbits *how);
