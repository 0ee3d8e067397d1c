/* SPDX-License-Identifier: Apache-2.0
 * formats/onnx/onnx_nbits.c - products with constant matrices as MatMulNBits: what the
 * MatMulNBitsQuantizer of ONNX Runtime 1.32 makes (onnx_blocks.h). The matrix B [K, N] is cut along
 * K. */
#include "formats/onnx/onnx_blocks.h"
#include "formats/onnx/onnx_nbits_shape.h"
#include "formats/onnx/onnx_pass.h"
#include "formats/onnx/onnx_scope.h"
#include "formats/onnx/onnx_types.h"
#include <errno.h>

struct pass {
    struct onnx_graph *g;
    struct onnx_values values;
    const struct nbits *how;
    Onnx__NodeProto **nodes; /* of the graph, as they will be */
    size_t n, cap;
    struct err *err;
};

/* @e [k, n] as [n, k]. One that is turned over already is turned back by leaving that out; what
 * changes numbers one by one stays outside. */
static const struct expr *turn(struct arena *a, const struct expr *e, uint64_t k) {
    if (e->op == EXPR_CLAMP)
        return expr_clamp(a, turn(a, e->clamp.in, k), e->clamp.least, e->clamp.most);
    if (e->op == EXPR_TRANSPOSE && e->rows == k && e->transpose.in->cols == k)
        return e->transpose.in;
    return expr_transpose(a, e, k);
}

/* One matrix [k, n], whatever ones its shape begins with. */
struct matrix {
    uint32_t n_dims;
    uint64_t k, n;
    bool half;
};

static bool is_matrix(struct matrix *out, const uint64_t *dims, uint32_t n_dims, int32_t type) {
    if (n_dims < 2 || (type != ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT &&
                       type != ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT16))
        return false;
    for (uint32_t i = 0; i + 2 < n_dims; i++)
        if (dims[i] != 1)
            return false;
    *out = (struct matrix){ .n_dims = n_dims,
                            .k = dims[n_dims - 2],
                            .n = dims[n_dims - 1],
                            .half = type == ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT16 };
    return out->k && out->n;
}

static bool find_matrix(const struct onnx_val *x, struct matrix *out) {
    uint64_t dims[TENSOR_MAX_DIMS];
    if (!x)
        return false;
    if (x->weight)
        return is_matrix(out, x->weight->dims, x->weight->n_dims, x->weight->type) &&
               x->weight->to == (out->half ? DTYPE_F16 : DTYPE_F32);
    const Onnx__TensorProto *t = x->scope ? x->constant : NULL;
    if (!t || t->n_external_data || t->n_dims > TENSOR_MAX_DIMS)
        return false;
    for (size_t i = 0; i < t->n_dims; i++)
        dims[i] = t->dims[i] < 0 ? 0 : (uint64_t)t->dims[i];
    return is_matrix(out, dims, (uint32_t)t->n_dims, t->data_type);
}

static int add_blocks(struct pass *p, struct onnx_val *b, const struct matrix *m,
                      const struct onnx_blocks *parts, const struct nbits *how) {
    bool ok;
    if (b->flags++)
        return 0;
    if (b->weight) {
        const struct expr *e = turn(p->g->arena, b->weight->expr, m->k);
        ok = e && onnx_add_blocks(p->g, parts, e, how);
    } else {
        float *x;
        uint64_t count;
        const int rc = onnx_tensor_floats(p->g, b->constant, &x, &count);
        ok = rc == 0 && onnx_add_inner_blocks(p->g, b->scope, parts, x, m->k, m->n, how);
    }
    return ok ? 0
              : err_set(p->err, -ENOTSUP, "%.80s: its numbers cannot be laid out in blocks",
                        b->name);
}

/* A product of MatMulNBits has as many dimensions as what is multiplied; that with a matrix of more
 * has as many as the matrix. */
static void keep_rank(struct pass *p, Onnx__NodeProto *n, const struct onnx_val *b,
                      const struct matrix *m, const char *prefix) {
    const struct onnx_val *x = onnx_values_find(&p->values, n->input[0]);
    if (m->n_dims == 2 || (x && x->rank > m->n_dims))
        return;
    const struct onnx_reshape r = { .x = n->input[0],
                                    .from = onnx_text(p->g, "%s_pre_reshape", n->output[0]),
                                    .to = n->output[0],
                                    .prefix = onnx_text(p->g, "%s_%s", prefix, n->output[0]),
                                    .rank = m->n_dims,
                                    .cols = (int64_t)m->n,
                                    .scope = b->scope };
    onnx_set_outputs(p->g, n, ONNX_NAMES(r.from));
    onnx_restore_shape(p->g, &r, &p->nodes, &p->n, &p->cap);
}

static int quantize_node(struct pass *p, Onnx__NodeProto *n) {
    struct onnx_graph *g = p->g;
    struct matrix m;
    onnx_list_add(g, &p->nodes, &p->n, &p->cap, n);
    if (!onnx_is_op(n, "MatMul") || n->n_input != 2 || n->n_output != 1)
        return 0;
    struct onnx_val *b = onnx_values_find(&p->values, n->input[1]);
    if (!find_matrix(b, &m))
        return 0;
    struct nbits how = *p->how;
    how.half = m.half;
    const struct onnx_blocks parts = onnx_name_blocks(g, b->name, &how);
    const bool named = n->name && *n->name;
    const char *name = onnx_text(g, "%s_Q%u", named ? n->name : b->name, how.bits);
    int rc = add_blocks(p, b, &m, &parts, &how);
    if (rc < 0)
        return rc;
    const char *x = n->input[0];
    onnx_set_inputs(g, n,
                    how.asym ? ONNX_NAMES(x, parts.levels, parts.scales, parts.zeros)
                             : ONNX_NAMES(x, parts.levels, parts.scales));
    onnx_set_op(n, "com.microsoft", "MatMulNBits");
    if (named)
        onnx_set_name(n, name);
    onnx_blocks_attrs(g, n, m.k, m.n, &how);
    keep_rank(p, n, b, &m, name);
    return 0;
}

static int quantize_graph(void *user, Onnx__GraphProto *graph) {
    struct pass *p = user;
    int rc = 0;
    p->nodes = NULL;
    p->n = p->cap = 0;
    for (size_t i = 0; rc == 0 && i < graph->n_node; i++)
        rc = quantize_node(p, graph->node[i]);
    if (rc < 0 || p->g->failed)
        return rc < 0 ? rc : err_set(p->err, -ENOMEM, "no memory for the graph");
    graph->node = p->nodes;
    graph->n_node = p->n;
    if (graph == p->g->model->graph)
        p->g->cap.nodes = p->cap;
    return 0;
}

int onnx_to_nbits(struct onnx_graph *g, const struct nbits *how, struct err *err) {
    struct pass p = { .g = g, .how = how, .err = err };
    int rc = onnx_values_init(&p.values, g, err);
    if (rc == 0) {
        onnx_values_rank(&p.values, how->half);
        rc = onnx_each_scope(&p.values, quantize_graph, &p);
    }
    onnx_need_opset(g, "com.microsoft", 1);
    return rc < 0 ? rc : onnx_drop_unused(g, err);
}
