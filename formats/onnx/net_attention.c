/* SPDX-License-Identifier: Apache-2.0
 * formats/onnx/net_attention.c - attention over a KV cache. Heads that share a key are neighbours,
 * [B, heads, S, D] = [B, kv_heads, G·S, D], so that K and V are never repeated. */
#include "formats/onnx/onnx_decoder.h"

static const char *project(struct decoder *d, const char *x, const char *prefix, const char *tensor,
                           struct net_rows rows, const char *name) {
    struct net *n = &d->n;
    const char *w = onnx_text(n->g, "%s%s.weight", prefix, tensor);
    return net_linear(n, x, w, onnx_text(n->g, "%s%s.bias", prefix, tensor), rows, d->hidden, name);
}

static void project_all(struct decoder *d, struct decoder_heads *h, const char *x,
                        const char *prefix) {
    const uint64_t q = d->heads * d->dim, kv = d->kv_heads * d->dim, all = q + 2 * kv;
    if (d->family->fused) {
        h->q = project(d, x, prefix, "qkv_proj", (struct net_rows){ 0, q, all }, "q_proj");
        h->k = project(d, x, prefix, "qkv_proj", (struct net_rows){ q, kv, all }, "k_proj");
        h->v = project(d, x, prefix, "qkv_proj", (struct net_rows){ q + kv, kv, all }, "v_proj");
        return;
    }
    h->q = project(d, x, prefix, "q_proj", (struct net_rows){ 0, q, q }, "q_proj");
    h->k = project(d, x, prefix, "k_proj", (struct net_rows){ 0, kv, kv }, "k_proj");
    h->v = project(d, x, prefix, "v_proj", (struct net_rows){ 0, kv, kv }, "v_proj");
}

/* Over each head: as [B, S, heads, D]. */
static const char *norm_heads(struct decoder *d, const char *x, const char *prefix,
                              const char *name) {
    struct net *n = &d->n;
    x = NET_OP(n, "Reshape", onnx_text(n->g, "%s/Reshape", name), x, d->to4);
    return net_rms(n, x, onnx_text(n->g, "%s%s.weight", prefix, name), d->dim, d->norm, name);
}

/* [B, heads, S, D] */
static const char *split_heads(struct decoder *d, const char *x, const char *name) {
    struct net *n = &d->n;
    x = NET_OP(n, "Reshape", onnx_text(n->g, "%s/Reshape", name), x, d->to4);
    return net_transpose(n, x, onnx_text(n->g, "%s/Transpose", name), 0, 2, 1, 3);
}

static void append_cache(struct net *n, const char *past, const char *x, const char *out,
                         const char *name) {
    net_node(n, "", "Concat", name, ONNX_NAMES(past, x), ONNX_NAMES(out));
    net_int(n, "axis", 2);
}

/* Where every head has a key of its own there is nothing to group. */
static const char *regroup(struct decoder *d, const char *x, const char *name, int64_t heads,
                           int64_t rows, int64_t cols) {
    return d->heads == d->kv_heads
               ? x
               : NET_OP(&d->n, "Reshape", name, x, NET_I64(&d->n, 0, heads, rows, cols));
}

/* [B, heads, S, T] in float32. Casts stand next to operators that ORT computes in float32 anyway on
 * the CPU: there they cost neither time nor a rounding. */
static const char *scores(struct decoder *d, const struct decoder_heads *h, const char *mask) {
    struct net *n = &d->n;
    const int64_t kv = (int64_t)d->kv_heads, dim = (int64_t)d->dim;
    const char *q = NET_OP(n, "Mul", "scale/Mul", h->q, net_scalar(n, d->scale));
    q = regroup(d, q, "group/Reshape", kv, -1, dim);
    const char *kt = net_transpose(n, h->k_out, "kt/Transpose", 0, 1, 3, 2);
    const char *s = NET_OP(n, "MatMul", "scores/MatMul", q, kt);
    if (d->softcap != 0)
        s = net_softcap(n, s, d->softcap, "softcap");
    s = regroup(d, net_widen(n, s, "Softmax/Cast"), "scores/Reshape", (int64_t)d->heads, -1, 0);
    s = NET_OP(n, "Softmax", "Softmax", NET_OP(n, "Add", "mask/Add", s, mask));
    net_int(n, "axis", -1);
    return s;
}

/* Standard operators: [B, S, heads, D] in the end. */
static const char *attend(struct decoder *d, struct decoder_heads *h, const char *mask) {
    struct net *n = &d->n;
    h->q = decoder_rotate(d, split_heads(d, h->q, "q"), "q/rotary");
    h->k = decoder_rotate(d, split_heads(d, h->k, "k"), "k/rotary");
    h->v = split_heads(d, h->v, "v");
    append_cache(n, h->past_k, h->k, h->k_out, "k/Concat");
    append_cache(n, h->past_v, h->v, h->v_out, "v/Concat");
    const char *s = scores(d, h, mask);
    s = regroup(d, s, "probs/Reshape", (int64_t)d->kv_heads, -1, 0);
    s = net_narrow(n, s, "Softmax/Cast_1");
    const char *y = NET_OP(n, "MatMul", "values/MatMul", s, h->v_out);
    y = regroup(d, y, "values/Reshape", (int64_t)d->heads, -1, (int64_t)d->dim);
    return net_transpose(n, y, "values/Transpose", 0, 2, 1, 3);
}

const char *decoder_to_rows(struct decoder *d, const char *x, const char *name) {
    return NET_OP(&d->n, "Reshape", onnx_text(d->n.g, "%s/Reshape_1", name), x, d->to3);
}

/* Opset 23: one operator, [B, S, n] in and out. */
static const char *rotate23(struct decoder *d, const char *x, uint64_t heads, const char *name) {
    if (!d->inv_freq)
        return x;
    const char *y = NET_OP(&d->n, "RotaryEmbedding", name, x, d->cos, d->sin);
    net_int(&d->n, "num_heads", (int64_t)heads);
    if (d->rotated < d->dim)
        net_int(&d->n, "rotary_embedding_dim", (int64_t)d->rotated);
    return y;
}

static const char *attend23(struct decoder *d, struct decoder_heads *h, const char *mask) {
    struct net *n = &d->n;
    h->q = rotate23(d, decoder_to_rows(d, h->q, "q"), d->heads, "q/Rotary");
    h->k = rotate23(d, decoder_to_rows(d, h->k, "k"), d->kv_heads, "k/Rotary");
    h->v = decoder_to_rows(d, h->v, "v");
    const char *y = net_output(n, "Attention", 0);
    net_node(n, "", "Attention", "Attention",
             ONNX_NAMES(h->q, h->k, h->v, mask, h->past_k, h->past_v),
             ONNX_NAMES(y, h->k_out, h->v_out));
    net_int(n, "q_num_heads", (int64_t)d->heads);
    net_int(n, "kv_num_heads", (int64_t)d->kv_heads);
    net_float(n, "scale", d->scale);
    net_float(n, "softcap", d->softcap);
    return y;
}

struct decoder_heads decoder_heads(struct decoder *d, uint64_t layer) {
    struct onnx_graph *g = d->n.g;
    const unsigned i = (unsigned)layer;
    return (struct decoder_heads){ .past_k = onnx_text(g, "past_key_values.%u.key", i),
                                   .past_v = onnx_text(g, "past_key_values.%u.value", i),
                                   .k_out = onnx_text(g, "present.%u.key", i),
                                   .v_out = onnx_text(g, "present.%u.value", i) };
}

const char *decoder_attend(struct decoder *d, struct decoder_heads *h, uint64_t layer) {
    struct net *n = &d->n;
    const char *mask = d->windowed ? d->mask[d->windowed[layer]] : "";
    const char *y = n->ops == NET_OPSET23   ? attend23(d, h, mask)
                    : n->ops == NET_CONTRIB ? decoder_attend_contrib(d, h, layer)
                                            : attend(d, h, mask);
    return NET_OP(n, "Reshape", "out/Reshape", y, NET_I64(n, -1, (int64_t)(d->heads * d->dim)));
}

const char *decoder_attention(struct decoder *d, const char *x, uint64_t layer) {
    struct net *n = &d->n;
    const unsigned i = (unsigned)layer;
    const char *prefix = onnx_text(n->g, "model.layers.%u.self_attn.", i);
    struct decoder_heads h = decoder_heads(d, layer);
    net_scope(n, "/model/layers.%u/self_attn", i);
    project_all(d, &h, x, prefix);
    if (d->family->qk_norm) {
        h.q = norm_heads(d, h.q, prefix, "q_norm");
        h.k = norm_heads(d, h.k, prefix, "k_norm");
    }
    const uint64_t width = d->heads * d->dim;
    const char *y = decoder_attend(d, &h, layer);
    return net_linear(n, y, net_name(n, prefix, "o_proj.weight"),
                      net_name(n, prefix, "o_proj.bias"),
                      (struct net_rows){ 0, d->hidden, d->hidden }, width, "o_proj");
}
