/* SPDX-License-Identifier: Apache-2.0
 * formats/onnx/onnx_gemm.c - Gemm as MatMul and Add, where it is no more than that: as
 * replace_gemm_with_matmul of ONNX Runtime 1.32 (quantization/onnx_model.py). */
#include "formats/onnx/onnx_pass.h"
#include "formats/onnx/onnx_values.h"
#include <errno.h>

struct pass {
    struct onnx_graph *g;
    struct onnx_values values;
    Onnx__NodeProto **nodes; /* the graph's, as they will be */
    size_t n, cap;
};

static bool is_plain(const Onnx__NodeProto *n) {
    const Onnx__AttributeProto *alpha = onnx_attr(n, "alpha"), *beta = onnx_attr(n, "beta");
    const Onnx__AttributeProto *trans = onnx_attr(n, "transA");
    return onnx_is_op(n, "Gemm") && n->n_input >= 2 && n->n_output == 1 &&
           (!alpha || alpha->f == 1.0f) && (!beta || beta->f == 1.0f) && (!trans || trans->i == 0);
}

/* "NAME_SUFFIX"; a node without a name has none after it either. */
static const char *derived(struct onnx_graph *g, const char *name, const char *suffix) {
    return name && *name ? onnx_text(g, "%s_%s", name, suffix) : "";
}

static void add(struct pass *p, const char *op, const char *name, const char *const *inputs,
                const char *output) {
    onnx_list_add(p->g, &p->nodes, &p->n, &p->cap,
                  onnx_make_node(p->g, "", op, name, inputs, ONNX_NAMES(output)));
}

/* The matrix turned over: a weight of its own, or a node. */
static const char *turn(struct pass *p, const Onnx__NodeProto *n) {
    struct onnx_val *b = onnx_values_find(&p->values, n->input[1]);
    const char *name = onnx_text(p->g, "%s_Transposed", n->input[1]);
    if (!b || !b->weight || b->weight->n_dims != 2) {
        add(p, "Transpose", derived(p->g, n->name, "Transpose"), ONNX_NAMES(n->input[1]), name);
        return name;
    }
    for (unsigned i = 1; !b->flags && onnx_values_find(&p->values, name); i++)
        name = onnx_text(p->g, "%s_Transposed_%u", n->input[1], i);
    if (b->flags++)
        return b->user;
    struct onnx_weight w = *b->weight;
    const uint64_t rows = w.dims[0];
    w.name = name;
    w.dims[0] = w.dims[1];
    w.dims[1] = rows;
    w.expr = expr_transpose(p->g->arena, w.expr, rows);
    w.same = NULL;
    b->user = (void *)(uintptr_t)name;
    if (!w.expr)
        p->g->failed = true;
    else
        onnx_add_weight(p->g, &w);
    return name;
}

static void split(struct pass *p, const Onnx__NodeProto *n) {
    struct onnx_graph *g = p->g;
    const Onnx__AttributeProto *trans = onnx_attr(n, "transB");
    const bool biased = n->n_input > 2 && *n->input[2];
    const char *b = trans && trans->i ? turn(p, n) : n->input[1], *y = n->output[0];
    const char *product = biased ? onnx_text(g, "%s_MatMul", y) : y;
    add(p, "MatMul", derived(g, n->name, "MatMul"), ONNX_NAMES(n->input[0], b), product);
    if (biased)
        add(p, "Add", derived(g, n->name, "Add"), ONNX_NAMES(product, n->input[2]), y);
}

int onnx_split_gemm(struct onnx_graph *g, struct err *err) {
    struct pass p = { .g = g };
    Onnx__GraphProto *graph = g->model->graph;
    int rc = onnx_values_init(&p.values, g, err);
    if (rc < 0)
        return rc;
    for (size_t i = 0; i < graph->n_node; i++) {
        if (is_plain(graph->node[i]))
            split(&p, graph->node[i]);
        else
            onnx_list_add(g, &p.nodes, &p.n, &p.cap, graph->node[i]);
    }
    if (g->failed)
        return err_set(err, -ENOMEM, "no memory for the graph");
    graph->node = p.nodes;
    graph->n_node = p.n;
    g->cap.nodes = p.cap;
    return 0;
}
