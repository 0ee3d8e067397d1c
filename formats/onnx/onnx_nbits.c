/* SPDX-License-Identifier: Apache-2.0
 * formats/onnx/onnx_nbits.c - products with constant matrices as MatMulNBits: what the
 * MatMulNBitsQuantizer of ONNX Runtime 1.32 makes (onnx_blocks.h). The matrix B [K, N] is cut along
 * K. */
#include "formats/onnx/onnx_blocks.h"
#include "formats/onnx/onnx_pass.h"
#include "formats/onnx/onnx_values.h"
#include <errno.h>

struct pass {
    struct onnx_graph *g;
    struct onnx_values values;
    const struct nbits *how;
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

/* A matrix; or one in further dimensions of 1, if what it is multiplied by has as many: else the
 * product would lack some. (There the tool adds nodes that give them back; here it stays.) */
static bool is_matrix(const struct onnx_graph *g, const struct onnx_weight *w, const char *by) {
    const bool half = w && w->type == ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT16;
    if (!w || w->n_dims < 2 || w->to != (half ? DTYPE_F16 : DTYPE_F32) ||
        (!half && w->type != ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT))
        return false;
    for (uint32_t i = 0; i < w->n_dims; i++)
        if (i + 2 < w->n_dims ? w->dims[i] != 1 : !w->dims[i])
            return false;
    return w->n_dims == 2 || onnx_declared_rank(g->model->graph, by) >= w->n_dims;
}

static int quantize_node(void *user, Onnx__NodeProto *n) {
    struct pass *p = user;
    struct onnx_graph *g = p->g;
    if (!onnx_is_op(n, "MatMul") || n->n_input != 2)
        return 0;
    struct onnx_val *b = onnx_values_find(&p->values, n->input[1]);
    if (!b || !is_matrix(g, b->weight, n->input[0]))
        return 0;
    const struct onnx_weight *w = b->weight;
    const uint64_t rows = w->dims[w->n_dims - 2], cols = w->dims[w->n_dims - 1];
    struct nbits how = *p->how;
    how.half = w->to == DTYPE_F16;
    const struct onnx_blocks parts = onnx_name_blocks(g, w->name, &how);
    if (!b->flags++) {
        const struct expr *e = turn(g->arena, w->expr, rows);
        if (!e || !onnx_add_blocks(g, &parts, e, &how))
            return err_set(p->err, -ENOTSUP, "%s: its numbers cannot be laid out in blocks",
                           w->name);
    }
    onnx_set_inputs(g, n,
                    how.asym ? ONNX_NAMES(n->input[0], parts.levels, parts.scales, parts.zeros)
                             : ONNX_NAMES(n->input[0], parts.levels, parts.scales));
    onnx_set_op(n, "com.microsoft", "MatMulNBits");
    if (n->name && *n->name)
        onnx_set_name(n, onnx_text(g, "%s_Q%u", n->name, how.bits));
    onnx_blocks_attrs(g, n, rows, cols, &how);
    return 0;
}

int onnx_to_nbits(struct onnx_graph *g, const struct nbits *how, struct err *err) {
    struct pass p = { .g = g, .how = how, .err = err };
    int rc = onnx_values_init(&p.values, g, err);
    if (rc == 0)
        rc = onnx_each_node(g->model->graph, quantize_node, &p);
    onnx_need_opset(g, "com.microsoft", 1);
    return rc < 0 ? rc : onnx_drop_unused(g, err);
}
