/* SPDX-License-Identifier: Apache-2.0
 * formats/onnx/onnx_types.h - types that stand in the graph itself: in constants and attributes. */
#pragma once
#include "formats/onnx/onnx_graph.h"

/* The numbers of a constant of float32, float16 or bfloat16, *n of them in @g's arena. -ENOTSUP for
 * others, and for what lies in another file or does not fill its shape; -ENOMEM. */
int onnx_tensor_floats(struct onnx_graph *g, const Onnx__TensorProto *t, float **out, uint64_t *n);

/* A constant of float32, float16 or bfloat16 in another of them, with ONNX Runtime's limits for
 * float16: what is not zero stays so, what is finite too. -ENOTSUP, -ENOMEM. */
int onnx_tensor_convert(struct onnx_graph *g, Onnx__TensorProto *t, int32_t type);

/* The magnitudes that a float16 is made of: formats/expr.h, expr_clamp. */
#define ONNX_F16_LEAST 5.96e-08f
#define ONNX_F16_MOST  65504.0f

/* Does the attribute of @n name the type of what it yields? */
bool onnx_says_type(const Onnx__NodeProto *n, const Onnx__AttributeProto *a);
