/* SPDX-License-Identifier: Apache-2.0
 * formats/onnx/onnx_keep_io.c - float32 at the ends of a graph in float16, as keep_io_types=True of
 * ONNX Runtime's converter has it: Casts behind its inputs and before its outputs, with the names
 * that it gives them. */
#include "formats/onnx/onnx_pass.h"
#include "formats/onnx/onnx_values.h"
#include <errno.h>

enum {
    FLOAT = ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT,
    FLOAT16 = ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT16,
};

/* protobuf-c does not write through the texts of a message. */
static char *text(const char *s) {
    return (char *)(uintptr_t)s;
}

/* By what find_new has put beside each value: its new name. */
static int rename_uses(void *user, Onnx__NodeProto *n) {
    const struct onnx_values *values = user;
    const struct onnx_val *x;
    for (size_t i = 0; i < n->n_input; i++)
        if ((x = onnx_values_find(values, n->input[i])) && x->user)
            n->input[i] = x->user;
    for (size_t i = 0; i < n->n_output; i++)
        if ((x = onnx_values_find(values, n->output[i])) && x->user)
            n->output[i] = x->user;
    return 0;
}

static const char **hide_ends(struct onnx_values *v, Onnx__ValueInfoProto *const *ends, size_t n,
                              int32_t type, const char *what) {
    const char **own = arena_array(v->g->arena, const char *, n + 1);
    for (size_t i = 0; own && i < n; i++) {
        const Onnx__TypeProto__Tensor *t = ends[i]->type ? ends[i]->type->tensor_type : NULL;
        struct onnx_val *x = ends[i]->name ? onnx_values_add(v, ends[i]->name) : NULL;
        own[i] = NULL;
        if (!x || !t || t->elem_type != type)
            continue;
        own[i] = ends[i]->name;
        ends[i]->name = text(onnx_text(v->g, "graph_%s_cast_%zu", what, i));
        x->user = ends[i]->name;
    }
    return own;
}

int onnx_hide_ends(struct onnx_graph *g, int32_t type, struct onnx_ends *ends, struct err *err) {
    Onnx__GraphProto *graph = g->model->graph;
    struct onnx_values values;
    int rc = onnx_values_init(&values, g, err);
    if (rc < 0)
        return rc;
    ends->in = hide_ends(&values, graph->input, graph->n_input, type, "input");
    ends->out = hide_ends(&values, graph->output, graph->n_output, type, "output");
    if (!ends->in || !ends->out || g->failed)
        return err_set(err, -ENOMEM, "no memory for the graph");
    return onnx_each_node(graph, rename_uses, &values);
}

static void show(struct onnx_graph *g, Onnx__ValueInfoProto *value, const char *own,
                 const char *node, bool input) {
    const char *inner = value->name;
    value->name = text(own);
    value->type->tensor_type->elem_type = FLOAT;
    Onnx__NodeProto *cast = onnx_add_node(g, "", "Cast", node, ONNX_NAMES(input ? own : inner),
                                          ONNX_NAMES(input ? inner : own));
    onnx_attr_int(g, cast, "to", input ? FLOAT16 : FLOAT);
}

int onnx_show_ends(struct onnx_graph *g, const struct onnx_ends *ends, struct err *err) {
    Onnx__GraphProto *graph = g->model->graph;
    Onnx__NodeProto **const nodes = graph->node;
    const size_t n = graph->n_node;
    graph->node = NULL; /* the Casts of inputs come first */
    graph->n_node = g->cap.nodes = 0;
    for (size_t i = 0; i < graph->n_input; i++)
        if (ends->in[i])
            show(g, graph->input[i], ends->in[i], onnx_text(g, "graph_input_cast%zu", i), true);
    for (size_t i = 0; i < n; i++)
        onnx_list_add(g, &graph->node, &graph->n_node, &g->cap.nodes, nodes[i]);
    for (size_t i = 0; i < graph->n_output; i++)
        if (ends->out[i])
            show(g, graph->output[i], ends->out[i], onnx_text(g, "graph_output_cast%zu", i), false);
    return g->failed ? err_set(err, -ENOMEM, "no memory for the graph") : 0;
}
