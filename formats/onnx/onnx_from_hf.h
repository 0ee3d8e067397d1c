/* SPDX-License-Identifier: Apache-2.0
 * formats/onnx/onnx_from_hf.h - a model that is no graph, as one. */
#pragma once
#include "formats/extras.h"
#include "formats/model.h"
#include "formats/onnx/onnx_graph.h"

/* Fill @g, whose arena is set, by @x->spec. -ENOTSUP for an architecture that is not written, with
 * its name. */
int onnx_from_hf(struct onnx_graph *g, const struct model *m, const struct extras *x,
                 struct err *err);
