/* SPDX-License-Identifier: Apache-2.0
 * formats/onnx/onnx_nbits.c - products with constant matrices as MatMulNBits: what the
 * MatMulNBitsQuantizer of ONNX Runtime 1.32 makes with bits=4, block_size=32, is_symmetric=True
 * (quantization/matmul_nbits_quantizer.py). The matrix B [K, N] is cut along K. */
#include "formats/onnx/onnx_pass.h"
#include "formats/onnx/onnx_values.h"
#include <errno.h>

enum { BLOCK = 32, LEVEL_BYTES = 16 };

struct pass {
    struct onnx_graph *g;
    struct onnx_values values;
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

/* The matrix with a row for each output, whole blocks in each; in the precision that it has in the
 * graph. */
static const struct expr *turned(struct arena *a, const struct onnx_weight *w) {
    const uint64_t k = w->dims[0];
    return expr_pad(a, expr_round(a, turn(a, w->expr, k), w->to), (k + BLOCK - 1) / BLOCK * BLOCK);
}

static bool is_matrix(const struct onnx_weight *w) {
    return w && w->n_dims == 2 && w->dims[0] && w->dims[1] &&
           ((w->type == ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT && w->to == DTYPE_F32) ||
            (w->type == ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT16 && w->to == DTYPE_F16));
}

static int add_weights(struct pass *p, const struct onnx_weight *w, const char *levels,
                       const char *scales) {
    const bool half = w->to == DTYPE_F16;
    const struct expr *e = turned(p->g->arena, w);
    if (!e)
        return err_set(p->err, -ENOTSUP, "%s: its numbers cannot be laid out in blocks", w->name);
    struct onnx_weight b = { .name = levels,
                             .type = ONNX__TENSOR_PROTO__DATA_TYPE__UINT8,
                             .n_dims = 3,
                             .dims = { e->rows, e->cols / BLOCK, LEVEL_BYTES },
                             .expr = e,
                             .to = half ? DTYPE_NB4_F16 : DTYPE_NB4 };
    onnx_add_weight(p->g, &b);
    b.name = scales;
    b.type = w->type;
    b.n_dims = 2;
    b.to = half ? DTYPE_NB4_F16_SCALE : DTYPE_NB4_SCALE;
    onnx_add_weight(p->g, &b);
    return 0;
}

static int quantize_node(void *user, Onnx__NodeProto *n) {
    struct pass *p = user;
    struct onnx_graph *g = p->g;
    if (!onnx_is_op(n, "MatMul") || n->n_input != 2)
        return 0;
    struct onnx_val *b = onnx_values_find(&p->values, n->input[1]);
    if (!b || !is_matrix(b->weight))
        return 0;
    const struct onnx_weight *w = b->weight;
    const char *levels = onnx_text(g, "%s_Q4", w->name),
               *scales = onnx_text(g, "%s_scales", w->name);
    if (!b->flags++) {
        int rc = add_weights(p, w, levels, scales);
        if (rc < 0)
            return rc;
    }
    onnx_set_inputs(g, n, ONNX_NAMES(n->input[0], levels, scales));
    onnx_set_op(n, "com.microsoft", "MatMulNBits");
    if (n->name && *n->name)
        onnx_set_name(n, onnx_text(g, "%s_Q4", n->name));
    onnx_attr_int(g, n, "K", (int64_t)w->dims[0]);
    onnx_attr_int(g, n, "N", (int64_t)w->dims[1]);
    onnx_attr_int(g, n, "bits", 4);
    onnx_attr_int(g, n, "block_size", BLOCK);
    return 0;
}

int onnx_to_nbits(struct onnx_graph *g, struct err *err) {
    struct pass p = { .g = g, .err = err };
    int rc = onnx_values_init(&p.values, g, err);
    if (rc == 0)
        rc = onnx_each_node(g->model->graph, quantize_node, &p);
    onnx_need_opset(g, "com.microsoft", 1);
    return rc < 0 ? rc : onnx_drop_unused(g, err);
}
