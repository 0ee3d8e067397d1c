/* SPDX-License-Identifier: Apache-2.0
 * formats/onnx/onnx_gemm.c - Gemm as MatMul and Add, where it is no more than that: as
 * replace_gemm_with_matmul of ONNX Runtime 1.32 (quantization/onnx_model.py). */
#include "formats/onnx/onnx_pass.h"
#include "formats/onnx/onnx_scope.h"
#include "formats/checked.h"
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

/* A constant [rows, cols] as [cols, rows]; NULL: of a kind that is not read here. */
static Onnx__TensorProto *turn_constant(struct pass *p, const Onnx__TensorProto *t,
                                        const char *name) {
    const size_t size = onnx_type_bits(t->data_type) / 8;
    const int64_t rows = t->dims[0], cols = t->dims[1], turned[] = { cols, rows };
    uint64_t elems, bytes;
    if (!t->has_raw_data || rows < 0 || cols < 0 || onnx_type_bits(t->data_type) % 8 ||
        !checked_mul((uint64_t)rows, (uint64_t)cols, &elems) || !checked_mul(elems, size, &bytes) ||
        !bytes || bytes != t->raw_data.len)
        return NULL;
    Onnx__TensorProto *out =
        onnx_make_constant(p->g, name, t->data_type, turned, 2, NULL, t->raw_data.len);
    for (int64_t r = 0; out && r < rows; r++)
        for (int64_t c = 0; c < cols; c++)
            memcpy(out->raw_data.data + (size_t)(c * rows + r) * size,
                   t->raw_data.data + (size_t)(r * cols + c) * size, size);
    return out;
}

static bool turn_weight(struct pass *p, const struct onnx_weight *from, const char *name) {
    struct onnx_weight w = *from;
    w.name = name;
    w.dims[0] = from->dims[1];
    w.dims[1] = from->dims[0];
    w.expr = expr_transpose(p->g->arena, w.expr, from->dims[0]);
    w.same = NULL;
    return w.expr && onnx_add_weight(p->g, &w);
}

/* The matrix turned over: a weight or constant of its own, or a node. */
static const char *turn(struct pass *p, const Onnx__NodeProto *n) {
    struct onnx_val *b = onnx_values_find(&p->values, n->input[1]);
    const Onnx__TensorProto *t = b && b->scope ? b->constant : NULL;
    const char *name = onnx_text(p->g, "%s_Transposed", n->input[1]);
    Onnx__TensorProto *turned = NULL;
    if (b && b->user)
        return b->user;
    const bool of_node = !(b && b->weight && b->weight->n_dims == 2) && !(t && t->n_dims == 2);
    for (unsigned i = 1; !of_node && onnx_values_find(&p->values, name); i++)
        name = onnx_text(p->g, "%s_Transposed_%u", n->input[1], i);
    if (!of_node && t)
        turned = turn_constant(p, t, name);
    if (of_node || (t && !turned)) {
        add(p, "Transpose", derived(p->g, n->name, "Transpose"), ONNX_NAMES(n->input[1]), name);
        return name;
    }
    b->user = (void *)(uintptr_t)name;
    onnx_values_add(&p->values, name);
    if (t)
        onnx_scope_add(p->g, b->scope, turned);
    else if (!turn_weight(p, b->weight, name))
        p->g->failed = true;
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

static int split_graph(void *user, Onnx__GraphProto *graph) {
    struct pass *p = user;
    p->nodes = NULL;
    p->n = p->cap = 0;
    for (size_t i = 0; i < graph->n_node; i++) {
        if (is_plain(graph->node[i]))
            split(p, graph->node[i]);
        else
            onnx_list_add(p->g, &p->nodes, &p->n, &p->cap, graph->node[i]);
    }
    if (p->g->failed)
        return -ENOMEM;
    graph->node = p->nodes;
    graph->n_node = p->n;
    if (graph == p->g->model->graph)
        p->g->cap.nodes = p->cap;
    return 0;
}

int onnx_split_gemm(struct onnx_graph *g, struct err *err) {
    struct pass p = { .g = g };
    int rc = onnx_values_init(&p.values, g, err);
    if (rc < 0)
        return rc;
    rc = onnx_each_scope(&p.values, split_graph, &p);
    return rc < 0 || g->failed ? err_set(err, -ENOMEM, "no memory for the graph") : 0;
}
