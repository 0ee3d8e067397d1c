/* SPDX-License-Identifier: Apache-2.0
 * formats/onnx/onnx_view.h - what the rest knows of ONNX; built without protobuf-c it refuses. */
#pragma once
#include "formats/extras.h"
#include "formats/layout.h"
#include "formats/model.h"

/* The view of @m by @x->spec, whose format is ONNX: the model file, or its data file. */
int onnx_view(struct layout *l, const struct model *m, const struct extras *x, struct err *err);
