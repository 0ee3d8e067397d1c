/* SPDX-License-Identifier: Apache-2.0
 * formats/onnx/net_linear.c - products with weights, and tables. */
#include "formats/onnx/net.h"

/* Rows [first, first + out) of @t under a name of their own, or all of it. */
static const struct expr *take_rows(struct net *n, const struct target *t, struct net_rows rows) {
    return rows.out == rows.total ? t->expr
                                  : expr_slice(n->g->arena, t->expr, rows.first, rows.out);
}

static const char *label_rows(struct net *n, const char *name, struct net_rows rows) {
    return rows.out == rows.total
               ? name
               : onnx_text(n->g, "%s.%llu", name, (unsigned long long)rows.first);
}

static bool has_weight(const struct net *n, const char *label) {
    for (size_t i = 0; i < n->g->n_weights; i++)
        if (strcmp(n->g->weights[i]->name, label) == 0)
            return true;
    return false;
}

/* NULL: there is none. */
static const char *add_bias(struct net *n, const char *bias, struct net_rows rows) {
    if (!bias || !hf_source_has(n->src, bias))
        return NULL;
    const struct target *t = net_tensor(n, bias, rows.total, 0);
    if (!t)
        return "";
    if (rows.out == rows.total)
        return net_vector(n, bias, rows.total);
    /* a vector is one row: its numbers as rows of one */
    const struct tensor *whole = expr_identity(t->expr);
    const struct expr *column = whole ? expr_tensor_as(n->g->arena, whole, 1) : NULL;
    return net_weight(n, label_rows(n, bias, rows),
                      expr_slice(n->g->arena, column, rows.first, rows.out), 1, rows.out, 0);
}

static const char *matmul(struct net *n, const char *x, const struct target *t, const char *label,
                          struct net_rows rows, uint64_t in, const char *bias, const char *name) {
    const char *w = onnx_text(n->g, "%s_t", label);
    if (!has_weight(n, w))
        net_weight(n, w, expr_transpose(n->g->arena, take_rows(n, t, rows), rows.out), 2, in,
                   rows.out);
    const char *y = NET_OP(n, "MatMul", onnx_text(n->g, "%s/MatMul", name), x, w);
    return bias ? NET_OP(n, "Add", onnx_text(n->g, "%s/Add", name), y, bias) : y;
}

static bool is_stored(const struct expr *e, enum dtype type) {
    return expr_copies(e) == type && !expr_unpacks(e);
}

/* W [out, in] in blocks along its rows. */
static const char *nbits(struct net *n, const char *x, const char *label, const struct expr *e,
                         const char *bias, const char *name) {
    struct nbits how = n->blocks;
    if (n->linear == NET_BLOCKS)
        how = (struct nbits){ is_stored(e, DTYPE_Q8_0) ? 8 : 4, 32, false, n->half };
    const struct onnx_blocks parts = onnx_name_blocks(n->g, label, &how);
    if (!n->g->failed && !has_weight(n, parts.levels))
        n->g->failed |= !onnx_add_blocks(n->g, &parts, e, &how);
    const char *op = onnx_text(n->g, "%s/MatMulNBits", name), *y = net_output(n, op, 0);
    net_node(n, NET_MS, "MatMulNBits", op,
             bias       ? ONNX_NAMES(x, parts.levels, parts.scales, parts.zeros, "", bias)
             : how.asym ? ONNX_NAMES(x, parts.levels, parts.scales, parts.zeros)
                        : ONNX_NAMES(x, parts.levels, parts.scales),
             ONNX_NAMES(y));
    onnx_blocks_attrs(n->g, n->last, e->cols, e->rows, &how);
    return y;
}

static bool in_blocks(const struct net *n, const struct expr *e) {
    return n->linear == NET_NBITS ||
           (n->linear == NET_BLOCKS && (is_stored(e, DTYPE_Q4_0) || is_stored(e, DTYPE_Q8_0)));
}

static const char *gemm(struct net *n, const char *x, const char *w, const char *bias,
                        const char *name) {
    const char *op = onnx_text(n->g, "%s/Gemm", name);
    return bias ? NET_OP(n, "Gemm", op, x, w, bias) : NET_OP(n, "Gemm", op, x, w);
}

const char *net_linear(struct net *n, const char *x, const char *weight, const char *bias,
                       struct net_rows rows, uint64_t in, const char *name) {
    const struct target *t = net_tensor(n, weight, rows.total, in);
    const char *label = label_rows(n, weight, rows), *b = add_bias(n, bias, rows);
    if (!t)
        return "";
    if (n->linear == NET_MATMUL)
        return matmul(n, x, t, label, rows, in, b, name);
    const struct expr *part = take_rows(n, t, rows);
    if (part && in_blocks(n, part))
        return nbits(n, x, label, part, b, name);
    if (!has_weight(n, label))
        net_weight(n, label, part, 2, rows.out, in);
    const char *y = gemm(n, x, label, b, name);
    net_int(n, "transB", 1);
    return y;
}

const char *net_conv1d(struct net *n, const char *x, const char *prefix, uint64_t in, uint64_t out,
                       const char *name) {
    const char *weight = net_name(n, prefix, ".weight");
    const char *b = net_vector(n, net_name(n, prefix, ".bias"), out);
    if (n->linear == NET_NBITS) {
        const struct target *t = net_tensor(n, weight, in, out);
        const struct expr *e = !t ? NULL
                               : t->expr->op == EXPR_TRANSPOSE
                                   ? t->expr->transpose.in
                                   : expr_transpose(n->g->arena, t->expr, in);
        n->g->failed |= t && !e;
        return e ? nbits(n, x, weight, e, b, name) : "";
    }
    const char *w = net_matrix(n, weight, in, out);
    if (n->linear != NET_MATMUL)
        return gemm(n, x, w, b, name);
    const char *y = NET_OP(n, "MatMul", onnx_text(n->g, "%s/MatMul", name), x, w);
    return NET_OP(n, "Add", onnx_text(n->g, "%s/Add", name), y, b);
}

const char *net_gather(struct net *n, const char *table, uint64_t rows, uint64_t cols,
                       const char *ids, const char *name) {
    const char *y = NET_OP(n, "Gather", name, net_matrix(n, table, rows, cols), ids);
    net_int(n, "axis", 0);
    return y;
}
