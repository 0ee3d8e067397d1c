/* SPDX-License-Identifier: Apache-2.0
 * formats/onnx/onnx_values.h - the values of a graph by name: who uses them, of what type they are.
 * A graph in an attribute sees the values of the one around it; here all share one table, as names
 * may not hide others. */
#pragma once
#include "formats/onnx/onnx_graph.h"

struct onnx_val {
    const char *name;
    int32_t type;                /* of its elements; UNDEFINED: not known, or no tensor */
    uint32_t rank;               /* dimensions, and one; 0: not known, as of the next */
    uint64_t length;             /* numbers of a vector, and one */
    uint32_t uses;               /* counted by onnx_drop_unused */
    Onnx__NodeProto *producer;   /* NULL: an input, or a constant */
    struct onnx_weight *weight;  /* of the main graph; or NULL */
    Onnx__TensorProto *constant; /* an initializer with its numbers; or NULL */
    struct onnx_scope *scope;    /* whose constant it is, during a walk: onnx_scope.h */
    uint32_t flags;              /* the caller's, as the next */
    void *user;
};

struct onnx_values {
    struct onnx_graph *g;
    struct onnx_val **slots; /* a hash table, at most half full; a power of two */
    size_t n, cap;
};

/* All values of @g. Types are not looked at yet. -ENOMEM. */
int onnx_values_init(struct onnx_values *v, struct onnx_graph *g, struct err *err);

/* By name; NULL: there is none. */
struct onnx_val *onnx_values_find(const struct onnx_values *v, const char *name);

/* By name, added if there is none. NULL: no memory, which g->failed says too. */
struct onnx_val *onnx_values_add(struct onnx_values *v, const char *name);

/* Call @use for each node of the main graph and of those in its attributes, a node before the
 * graphs in it. A node may be changed, but none added. Nonzero ends the walk, and is returned. */
typedef int onnx_use_node(void *user, Onnx__NodeProto *n);
int onnx_each_node(Onnx__GraphProto *g, onnx_use_node *use, void *user);

/* Likewise each graph, the main one first. */
typedef int onnx_use_graph(void *user, Onnx__GraphProto *g);
int onnx_each_graph(Onnx__GraphProto *g, onnx_use_graph *use, void *user);

/* Fill in the types: what graphs declare, and what operators yield (of the standard domain). As the
 * type inference of onnx 1.23, which ONNX Runtime's tools build on. onnx_infer.c. */
void onnx_values_infer(struct onnx_values *v);

/* Fill in the ranks: what graphs declare, and with @infer what follows for other values (of the
 * standard domain's most common operators). onnx_rank.c. */
void onnx_values_rank(struct onnx_values *v, bool infer);
