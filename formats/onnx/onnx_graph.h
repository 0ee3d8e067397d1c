/* SPDX-License-Identifier: Apache-2.0
 * formats/onnx/onnx_graph.h - an ONNX model that is being built or changed: its graph as protobuf-c
 * has it, and beside it the weights, as expressions over the tensors of a source.
 *
 * Everything lives in one arena. Texts that are handed in are kept, not copied, and must live as
 * long. A lack of memory is remembered in `failed`, as struct buffer does: build everything, test
 * once; NULL for a node is fine then. */
#pragma once
#include "formats/err.h"
#include "formats/expr.h"
#include "formats/scaling.h"
#include "formats/onnx/onnx.pb-c.h"

/* An initializer whose bytes are made when they are read. */
struct onnx_weight {
    const char *name;
    int32_t type; /* Onnx__TensorProto__DataType */
    uint32_t n_dims;
    uint64_t dims[TENSOR_MAX_DIMS]; /* as ONNX lists them: the slowest first */
    const struct expr *expr;        /* the numbers */
    enum dtype to;                  /* how they are written: as many bytes as type and dims say */
    struct scaling *scaling;        /* instead of @expr and @to: the weight is its */
    enum scaling_part part;         /* ... part */
    const struct onnx_weight *same; /* has the same bytes: they share a place in the data file */
};

struct onnx_graph {
    struct arena *arena;
    Onnx__ModelProto *model; /* model->graph->initializer: small constants, with raw_data */
    struct onnx_weight **weights;
    size_t n_weights;
    bool external; /* the weights go to a data file, whatever their size */
    bool failed;   /* no memory: nothing of it may be used */
    struct {
        size_t nodes, constants, inputs, outputs, values, weights; /* room */
    } cap;
};

/* An empty model; standard operators of @opset, and those of com.microsoft where @contrib. */
void onnx_graph_init(struct onnx_graph *g, struct arena *a, int64_t ir_version, int64_t opset,
                     bool contrib);

/* Names for a node: a list that a NULL ends. "" stands for an input or output that is left out. */
#define ONNX_NAMES(...) ((const char *const[]){ __VA_ARGS__, NULL })

/* Append @item to *@list, an array of pointers with @n items and room for @cap; what was unpacked
 * has no more room than it needs. */
void onnx_list_add(struct onnx_graph *g, void *list, size_t *n, size_t *cap, void *item);

/* A node that is in no graph yet, and one appended to the graph. @domain: "" for standard
 * operators. */
Onnx__NodeProto *onnx_make_node(struct onnx_graph *g, const char *domain, const char *op,
                                const char *name, const char *const *inputs,
                                const char *const *outputs);
Onnx__NodeProto *onnx_add_node(struct onnx_graph *g, const char *domain, const char *op,
                               const char *name, const char *const *inputs,
                               const char *const *outputs);
void onnx_attr_int(struct onnx_graph *g, Onnx__NodeProto *n, const char *name, int64_t v);
/* A tensor of one number; @bytes NULL: it is zero. */
void onnx_attr_number(struct onnx_graph *g, Onnx__NodeProto *n, const char *name, int32_t type,
                      const void *bytes, size_t n_bytes);
void onnx_attr_float(struct onnx_graph *g, Onnx__NodeProto *n, const char *name, float v);
void onnx_attr_ints(struct onnx_graph *g, Onnx__NodeProto *n, const char *name, const int64_t *v,
                    size_t count);
void onnx_attr_string(struct onnx_graph *g, Onnx__NodeProto *n, const char *name, const char *v);
/* @domain: "" for the standard one, as of the second. */
bool onnx_is_op_of(const Onnx__NodeProto *n, const char *domain, const char *op);
bool onnx_is_op(const Onnx__NodeProto *n, const char *op);
void onnx_set_op(Onnx__NodeProto *n, const char *domain, const char *op);
void onnx_set_name(Onnx__NodeProto *n, const char *name);
void onnx_set_inputs(struct onnx_graph *g, Onnx__NodeProto *n, const char *const *inputs);
void onnx_set_outputs(struct onnx_graph *g, Onnx__NodeProto *n, const char *const *outputs);

/* Import the operators of a domain, at @version if they are not yet imported. */
int64_t onnx_opset(const struct onnx_graph *g); /* of the standard operators; 0: none */
void onnx_need_opset(struct onnx_graph *g, const char *domain, int64_t version);

const Onnx__AttributeProto *onnx_attr(const Onnx__NodeProto *n, const char *name); /* or NULL */

/* A tensor of no graph yet, and one appended to the graph's constants. @bytes: little-endian,
 * copied; NULL: zeros. dims NULL: a scalar. */
Onnx__TensorProto *onnx_make_constant(struct onnx_graph *g, const char *name, int32_t type,
                                      const int64_t *dims, size_t n_dims, const void *bytes,
                                      size_t n);
void onnx_add_constant(struct onnx_graph *g, const char *name, int32_t type, const int64_t *dims,
                       size_t n_dims, const void *bytes, size_t n);

/* An input, output or other value of the graph. */
struct onnx_dim {
    const char *param; /* a name for a size that may vary; NULL: value */
    int64_t value;
};
enum onnx_value { ONNX_INPUT, ONNX_OUTPUT, ONNX_VALUE };
void onnx_add_value(struct onnx_graph *g, enum onnx_value kind, const char *name, int32_t type,
                    const struct onnx_dim *dims, size_t n_dims);

/* Append a weight: *w is copied. Its place in the arena, for `same`; NULL: no memory. */
struct onnx_weight *onnx_add_weight(struct onnx_graph *g, const struct onnx_weight *w);

/* A text in the arena; "" where memory fails. */
const char *onnx_text(struct onnx_graph *g, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* Bits of an element of a type; 0 for strings and what is not known. */
uint32_t onnx_type_bits(int32_t type);
const char *onnx_type_name(int32_t type); /* "float16" */
