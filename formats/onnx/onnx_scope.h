/* SPDX-License-Identifier: Apache-2.0
 * formats/onnx/onnx_scope.h - graphs in attributes with constants of their own: their numbers stand
 * in the graph, and branches side by side may call theirs the same. */
#pragma once
#include "formats/onnx/onnx_values.h"

/* A graph in an attribute, while a walk is in it. */
struct onnx_scope {
    Onnx__GraphProto *graph;
    struct onnx_outside *outside; /* what its names mean outside */
    size_t n_outside;
    size_t cap; /* room for initializers */
};

/* Call @use for each graph, the main one first, with the values that it sees: `constant` of a value
 * is that graph's own or one's around it, and `scope` says whose; NULL: it is not of a graph in an
 * attribute. Of Constants those with two dimensions or more count, as weights do.
 * Nonzero ends the walk, and is returned. */
int onnx_each_scope(struct onnx_values *v, onnx_use_graph *use, void *user);

/* A constant (onnx_make_constant) of that graph; @s NULL: of the main one. */
void onnx_scope_add(struct onnx_graph *g, struct onnx_scope *s, Onnx__TensorProto *t);

/* Drop the initializers and weights that no node uses, or a node yields now; of graphs in
 * attributes such Constants too. */
int onnx_drop_unused(struct onnx_graph *g, struct err *err);
