/* SPDX-License-Identifier: Apache-2.0
 * formats/onnx/onnx_plan.h - a graph with its weights as the bytes of files: one, or a model file
 * and a data file that it names. Both files are views of one plan. */
#pragma once
#include "formats/layout.h"
#include "formats/onnx/onnx_graph.h"

enum onnx_file { ONNX_FILE_MODEL, ONNX_FILE_DATA };

/* Lay @g out as the file @which. Weights lie in the model file, each as raw_data, while that has
 * less than 2 GiB (what protobuf allows) and the graph does not ask for a data file; else they lie
 * in the data file, which the model calls @location (a name in its own folder). There those of
 * 64 KiB and more begin at a multiple of 4096 bytes, others of 64; those below 1 KiB stay in the
 * model file, unless a pass over a tensor has to be made for them. -ENOTSUP: the data file of a
 * model that has none; a weight whose dims and bytes do not agree. The layout keeps nothing of @g
 * but its expressions and the names of weights. */
int onnx_plan(struct layout *l, const struct onnx_graph *g, const char *location,
              enum onnx_file which, struct err *err);
