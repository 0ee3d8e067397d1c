/* SPDX-License-Identifier: Apache-2.0
 * formats/onnx/net_act.c - activations (transformers/activations.py). */
#include "formats/onnx/net.h"
#include <errno.h>
#include <math.h>

static const char *silu(struct net *n, const char *x) {
    return NET_OP(n, "Mul", "Mul", x, NET_OP(n, "Sigmoid", "Sigmoid", x));
}

/* 0.5 x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) */
static const char *gelu_tanh(struct net *n, const char *x) {
    const char *x3 = NET_OP(n, "Mul", "Mul_1", NET_OP(n, "Mul", "Mul_0", x, x), x);
    const char *u =
        NET_OP(n, "Add", "Add", x, NET_OP(n, "Mul", "Mul_2", x3, net_scalar(n, 0.044715)));
    const char *t =
        NET_OP(n, "Tanh", "Tanh", NET_OP(n, "Mul", "Mul_3", u, net_scalar(n, sqrt(2 / M_PI))));
    const char *one = NET_OP(n, "Add", "Add_1", t, net_scalar(n, 1));
    return NET_OP(n, "Mul", "Mul_5", x, NET_OP(n, "Mul", "Mul_4", one, net_scalar(n, 0.5)));
}

/* 0.5 x (1 + erf(x / sqrt(2))), as ORT finds it to make one kernel of it */
static const char *gelu_erf(struct net *n, const char *x) {
    const char *e = NET_OP(n, "Erf", "Erf", NET_OP(n, "Div", "Div", x, net_scalar(n, M_SQRT2)));
    const char *y = NET_OP(n, "Mul", "Mul", x, NET_OP(n, "Add", "Add", e, net_scalar(n, 1)));
    return NET_OP(n, "Mul", "Mul_1", y, net_scalar(n, 0.5));
}

static const char *relu(struct net *n, const char *x) {
    return NET_OP(n, "Relu", "Relu", x);
}

static const char *tanh_act(struct net *n, const char *x) {
    return NET_OP(n, "Tanh", "Tanh", x);
}

static const struct {
    const char *name;
    const char *(*add)(struct net *n, const char *x);
} acts[] = {
    { "silu", silu },
    { "swish", silu },
    { "gelu", gelu_erf },
    { "gelu_new", gelu_tanh },
    { "gelu_pytorch_tanh", gelu_tanh },
    { "relu", relu },
    { "tanh", tanh_act },
};

const char *net_act(struct net *n, struct str act, const char *x, const char *name) {
    for (size_t i = 0; i < sizeof acts / sizeof *acts; i++) {
        if (!str_is(act, acts[i].name))
            continue;
        const char *const scope = n->scope;
        net_scope(n, "%s/%s", scope, name);
        const char *y = acts[i].add(n, x);
        n->scope = scope;
        return y;
    }
    net_fail(n, -ENOTSUP, "config.json: the activation \"%.*s\" is not written", STR_ARG(act));
    return "";
}

const char *net_softcap(struct net *n, const char *x, double cap, const char *name) {
    const char *t = NET_OP(n, "Div", onnx_text(n->g, "%s/Div", name), x, net_scalar(n, cap));
    t = NET_OP(n, "Tanh", onnx_text(n->g, "%s/Tanh", name), t);
    return NET_OP(n, "Mul", onnx_text(n->g, "%s/Mul", name), t, net_scalar(n, cap));
}
