/* SPDX-License-Identifier: Apache-2.0
 * formats/onnx/onnx_model.h - what is kept of an ONNX file that was read (model->onnx), and the
 * parts of its reader. Format: onnx/onnx.proto and docs/ExternalData.md of onnx 1.23. */
#pragma once
#include "formats/model.h"
#include "formats/onnx/onnx.pb-c.h"
#include "formats/onnx/onnx_scan.h"

/* An initializer, or the value of a node Constant, whose numbers are a tensor of the model. */
struct onnx_init {
    uint32_t graph;              /* as struct onnx_payload has it */
    bool in_node;                /* of the node at @index; else of the initializer at @index */
    uint32_t index;              /* of that graph, as the file has them */
    int32_t type;                /* Onnx__TensorProto__DataType */
    const struct tensor *tensor; /* as it is stored, under the name that the graph uses; of two in
                                  * attributes with one name the second is "graph_NUMBER/NAME" */
};

struct onnx_model {
    struct str skeleton; /* a ModelProto; of the main graph's tensors in `inits` it may
                          * lack the numbers */
    const struct onnx_init *inits;
    uint32_t n_inits;
    const struct tensor *stored; /* n_inits of them */
    bool external;               /* some lie in other files than the model's */
};

/* The skeleton with everything that protobuf-c makes of it, in @a. */
int onnx_unpack(Onnx__ModelProto **out, struct arena *a, struct str skeleton, struct err *err);

#define ONNX_UNPACKED UINT32_MAX /* src of a tensor whose numbers are in memory */

/* One tensor, as @t says, with its numbers at @at: *out, in the sources of @m (the first is the
 * model file, others are added), or appended to @unpacked. False in *is_weight: one that stays in
 * the skeleton: of texts, or small and of a kind that has no dtype. */
int onnx_tensor_read(struct tensor *out, bool *is_weight, struct model *m, struct root *root,
                     const Onnx__TensorProto *t, const struct onnx_payload *at,
                     struct buffer *unpacked, struct err *err);

/* Names and shapes of m->tensors, which are those of the graph so far, as the module had them that
 * was exported. onnx_names.c. */
int onnx_name_tensors(struct model *m, const Onnx__ModelProto *p, struct err *err);

/* What the module calls a weight that node @n uses under @name, if that is a number: a name in @a.
 */
struct str onnx_module_name(struct arena *a, const Onnx__NodeProto *n, struct str name);

/* Weights in small integers as floats, in m->tensors, which are those of the graph so far. Their
 * scales and zero points are marked in *dropped, by tensor. onnx_packed.c. */
int onnx_unpack_weights(struct model *m, const Onnx__ModelProto *p, bool **dropped,
                        struct err *err);

/* m->kvs: opsets, producer, inputs and outputs. onnx_describe.c. */
int onnx_describe(struct model *m, const Onnx__ModelProto *p, struct err *err);
