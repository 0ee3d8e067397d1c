/* SPDX-License-Identifier: Apache-2.0
 * formats/onnx/onnx_from_onnx.h - an ONNX model in another type. */
#pragma once
#include "formats/extras.h"
#include "formats/model.h"
#include "formats/onnx/onnx_graph.h"

/* Fill @g, whose arena is set, with the graph of @m, in the type of @x->spec. The weights lie in a
 * data file if they do in the source. -ENOTSUP for what cannot be made. */
int onnx_from_onnx(struct onnx_graph *g, const struct model *m, const struct extras *x,
                   struct err *err);
