/* SPDX-License-Identifier: Apache-2.0
 * formats/onnx/net_norm.c - RMSNorm and LayerNorm. */
#include "formats/onnx/net.h"

static const char *rms_weight(struct net *n, const char *name, uint64_t size, float plus) {
    if (plus == 0)
        return net_vector(n, name, size);
    const struct target *t = net_tensor(n, name, size, 0);
    return t ? net_weight(n, name, expr_add(n->g->arena, t->expr, plus), 1, size, 0) : "";
}

/* The six plain nodes: ORT makes SimplifiedLayerNormalization of them. */
static const char *rms_plain(struct net *n, const char *x, const char *w, double eps,
                             const char *name) {
    const char *const scope = n->scope;
    net_scope(n, "%s/%s", scope, name);
    x = net_widen(n, x, "Cast");
    const char *m =
        NET_OP(n, "ReduceMean", "ReduceMean", NET_OP(n, "Pow", "Pow", x, net_f32(n, 2)));
    net_ints(n, "axes", 1, (const int64_t[]){ -1 });
    net_int(n, "keepdims", 1);
    const char *s = NET_OP(n, "Sqrt", "Sqrt", NET_OP(n, "Add", "Add", m, net_f32(n, (float)eps)));
    const char *y = net_narrow(n, NET_OP(n, "Div", "Div", x, s), "Cast_1");
    y = NET_OP(n, "Mul", "Mul", y, w);
    n->scope = scope;
    return y;
}

const char *net_rms(struct net *n, const char *x, const char *weight, uint64_t size,
                    struct net_norm how, const char *name) {
    const char *w = rms_weight(n, weight, size, how.plus);
    if (n->ops != NET_OPSET23)
        return rms_plain(n, x, w, how.eps, name);
    const char *y = NET_OP(n, "RMSNormalization", onnx_text(n->g, "%s/Norm", name), x, w);
    net_int(n, "axis", -1);
    net_float(n, "epsilon", how.eps);
    net_int(n, "stash_type", 1);
    return y;
}

const char *net_add_rms(struct net *n, const char *x, const char *skip, const char *weight,
                        uint64_t size, struct net_norm how, const char *name, const char **sum) {
    if (n->ops != NET_CONTRIB) {
        const char *r = NET_OP(n, "Add", onnx_text(n->g, "%s/residual/Add", name), x, skip);
        if (sum)
            *sum = r;
        return net_rms(n, r, weight, size, how, name);
    }
    const char *op = onnx_text(n->g, "%s/SkipNorm", name);
    const char *y = net_output(n, op, 0), *r = net_output(n, op, 3);
    const char *const *outputs = sum ? ONNX_NAMES(y, "", "", r) : ONNX_NAMES(y);
    net_node(n, NET_MS, "SkipSimplifiedLayerNormalization", op,
             ONNX_NAMES(x, skip, rms_weight(n, weight, size, how.plus)), outputs);
    net_float(n, "epsilon", how.eps);
    if (sum)
        *sum = r;
    return y;
}

const char *net_layer_norm(struct net *n, const char *x, const char *prefix, uint64_t size,
                           double eps, const char *name) {
    const char *w = net_vector(n, net_name(n, prefix, ".weight"), size);
    const char *b = net_vector(n, net_name(n, prefix, ".bias"), size);
    const char *y = NET_OP(n, "LayerNormalization", onnx_text(n->g, "%s/LayerNorm", name), x, w, b);
    net_int(n, "axis", -1);
    net_float(n, "epsilon", eps);
    return y;
}
