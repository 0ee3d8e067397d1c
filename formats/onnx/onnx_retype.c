/* SPDX-License-Identifier: Apache-2.0
 * formats/onnx/onnx_retype.c - small floats back to float32: declared types, constants, and the
 * operators that say a type. */
#include "formats/onnx/onnx_pass.h"
#include "formats/onnx/onnx_types.h"
#include "formats/onnx/onnx_values.h"
#include <errno.h>

enum { FLOAT = ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT };

static bool is_small(int64_t type) {
    return type == ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT16 ||
           type == ONNX__TENSOR_PROTO__DATA_TYPE__BFLOAT16;
}

static void widen_values(Onnx__ValueInfoProto **values, size_t n) {
    for (size_t i = 0; i < n; i++) {
        Onnx__TypeProto__Tensor *t = values[i]->type ? values[i]->type->tensor_type : NULL;
        if (t && is_small(t->elem_type))
            t->elem_type = FLOAT;
    }
}

static int widen_tensor(struct onnx_graph *g, Onnx__TensorProto *t) {
    return t && is_small(t->data_type) ? onnx_tensor_convert(g, t, FLOAT) : 0;
}

static int widen_node(struct onnx_graph *g, Onnx__NodeProto *n) {
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < n->n_attribute; i++) {
        Onnx__AttributeProto *a = n->attribute[i];
        if (onnx_says_type(n, a) && is_small(a->i))
            a->i = FLOAT;
        rc = widen_tensor(g, a->t);
        for (size_t j = 0; rc == 0 && j < a->n_tensors; j++)
            rc = widen_tensor(g, a->tensors[j]);
    }
    return rc;
}

static int widen_graph(void *user, Onnx__GraphProto *graph) {
    struct onnx_graph *g = user;
    int rc = 0;
    widen_values(graph->input, graph->n_input);
    widen_values(graph->output, graph->n_output);
    widen_values(graph->value_info, graph->n_value_info);
    for (size_t i = 0; rc == 0 && i < graph->n_initializer; i++)
        rc = widen_tensor(g, graph->initializer[i]);
    for (size_t i = 0; rc == 0 && i < graph->n_node; i++)
        rc = widen_node(g, graph->node[i]);
    return rc;
}

int onnx_to_fp32(struct onnx_graph *g, struct err *err) {
    for (size_t i = 0; i < g->n_weights; i++)
        if (is_small(g->weights[i]->type)) {
            g->weights[i]->type = FLOAT;
            g->weights[i]->to = DTYPE_F32;
        }
    const int rc = onnx_each_graph(g->model->graph, widen_graph, g);
    return rc < 0 ? err_set(err, rc, "a constant of the graph cannot be converted") : 0;
}
