/* SPDX-License-Identifier: Apache-2.0
 * formats/onnx/net_positions.c - what the layers of a decoder share: shapes, angles, masks. */
#include "formats/onnx/onnx_decoder.h"

enum {
    FLOAT = ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT,
    BOOL = ONNX__TENSOR_PROTO__DATA_TYPE__BOOL,
    INT32 = ONNX__TENSOR_PROTO__DATA_TYPE__INT32,
};

/* One dimension of a value's shape, as [1]. */
static const char *size_of(struct net *n, const char *value, int64_t dim, const char *name) {
    const char *y = NET_OP(n, "Shape", name, value);
    net_int(n, "start", dim);
    net_int(n, "end", dim + 1);
    return y;
}

static void add_shapes(struct decoder *d) {
    struct net *n = &d->n;
    net_scope(n, "/model/shapes");
    d->batch = size_of(n, "input_ids", 0, "B");
    d->seq = size_of(n, "input_ids", 1, "S");
    d->total = size_of(n, "attention_mask", 1, "T");
    if (n->ops == NET_STANDARD || d->family->qk_norm) {
        d->to4 = NET_OP(n, "Concat", "to4", d->batch, d->seq, NET_I64(n, -1),
                        NET_I64(n, (int64_t)d->dim));
        net_int(n, "axis", 0);
    }
    if (n->ops != NET_STANDARD) {
        d->to3 = NET_OP(n, "Concat", "to3", d->batch, d->seq, NET_I64(n, -1));
        net_int(n, "axis", 0);
    }
}

static const char *frequencies(struct decoder *d, const char *name, const float *v) {
    onnx_add_constant(d->n.g, name, FLOAT, (const int64_t[]){ 1, 1, (int64_t)(d->rotated / 2) }, 3,
                      v, d->rotated / 2 * sizeof *v);
    return name;
}

const char *decoder_is_long(struct decoder *d) {
    struct net *n = &d->n;
    const char *last = NET_OP(n, "ReduceMax", "ReduceMax", "position_ids");
    net_int(n, "keepdims", 0);
    return NET_OP(n, "GreaterOrEqual", "GreaterOrEqual", last,
                  net_i64_scalar(n, (int64_t)d->rope_context));
}

/* Multiplied before anything is rotated, as transformers does it: keys in the cache are its keys,
 * and scores are rounded as there. */
static const char *wave(struct decoder *d, const char *op, const char *angle) {
    struct net *n = &d->n;
    const char *y = NET_OP(n, op, op, angle);
    if (d->rope_scale != 1)
        y = NET_OP(n, "Mul", onnx_text(n->g, "%s/scale", op), y, net_f32(n, d->rope_scale));
    return net_narrow(n, y, onnx_text(n->g, "%s_1", op));
}

/* Angles in float32, once for all layers: [B, S, rotated/2]. No table, so no limit of length. */
static void add_angles(struct decoder *d) {
    struct net *n = &d->n;
    net_scope(n, "/model/rotary_emb");
    const char *p = net_cast(n, "position_ids", FLOAT, "Cast");
    p = NET_OP(n, "Unsqueeze", "Unsqueeze", p, NET_I64(n, 2));
    const char *freq = frequencies(d, "inv_freq", d->inv_freq);
    if (d->inv_freq_long)
        freq = NET_OP(n, "Where", "Where", decoder_is_long(d),
                      frequencies(d, "inv_freq_long", d->inv_freq_long), freq);
    const char *angle = NET_OP(n, "Mul", "Mul", p, freq);
    if (n->ops == NET_STANDARD)
        angle = NET_OP(n, "Unsqueeze", "Mul_1", angle, NET_I64(n, 1));
    d->cos = wave(d, "Cos", angle);
    d->sin = wave(d, "Sin", angle);
}

/* 0 where a key is seen, else the lowest number: -inf would make NaN of rows of padding. What is
 * added to a score in float16 is half of the lowest, so that the sum is finite. */
static const char *as_bias(struct decoder *d, const char *seen, const char *name) {
    struct net *n = &d->n;
    const bool wide = n->ops == NET_STANDARD || !n->half;
    const char *zero = wide ? net_f32(n, 0) : net_scalar(n, 0);
    const char *low = wide ? net_f32(n, -3.40282346638528859812e38f) : net_scalar(n, -32752);
    return NET_OP(n, "Where", onnx_text(n->g, "%s/Where", name), seen, zero, low);
}

/* Which keys a query sees, by place in the buffer (not by position_ids): [B, 1, S, T]. */
static void add_masks(struct decoder *d) {
    struct net *n = &d->n;
    net_scope(n, "/model/attn_mask");
    const char *first = NET_I64(n, 0), *one = net_i64_scalar(n, 1), *zero = net_i64_scalar(n, 0);
    const char *total = NET_OP(n, "Squeeze", "T0", d->total, first);
    const char *past =
        NET_OP(n, "Squeeze", "past0", NET_OP(n, "Sub", "past", d->total, d->seq), first);
    const char *k = NET_OP(n, "Range", "k", zero, total, one);
    const char *q =
        NET_OP(n, "Unsqueeze", "q1", NET_OP(n, "Range", "q", past, total, one), NET_I64(n, 1));
    const char *delta = NET_OP(n, "Sub", "q_minus_k", q, k);
    const char *valid = NET_OP(n, "Unsqueeze", "pad", net_cast(n, "attention_mask", BOOL, "Cast"),
                               NET_I64(n, 1, 2));
    bool wanted[2] = { false, false };
    for (uint64_t i = 0; i < d->layers; i++)
        wanted[d->windowed[i]] = true;
    const char *causal = NET_OP(n, "GreaterOrEqual", "causal", delta, zero);
    if (wanted[0])
        d->mask[0] = as_bias(d, NET_OP(n, "And", "causal/pad", causal, valid), "causal");
    if (wanted[1]) {
        const char *near =
            NET_OP(n, "Less", "window/Less", delta, net_i64_scalar(n, (int64_t)d->window));
        const char *seen = NET_OP(n, "And", "window/And", causal, near);
        d->mask[1] = as_bias(d, NET_OP(n, "And", "window/pad", seen, valid), "window");
    }
}

void decoder_preamble(struct decoder *d) {
    add_shapes(d);
    if (d->n.ops == NET_CONTRIB)
        decoder_preamble_contrib(d);
    else if (d->inv_freq)
        add_angles(d);
    if (d->windowed && !d->seqlens)
        add_masks(d);
}

const char *decoder_rotate(struct decoder *d, const char *x, const char *name) {
    struct net *n = &d->n;
    const char *const scope = n->scope;
    if (!d->inv_freq)
        return x;
    net_scope(n, "%s/%s", scope, name);
    const int64_t half = (int64_t)(d->rotated / 2), rest = (int64_t)(d->dim - d->rotated);
    const char *a = net_output(n, "Split", 0), *b = net_output(n, "Split", 1);
    const char *c = net_output(n, "Split", 2);
    if (rest)
        net_node(n, "", "Split", "Split", ONNX_NAMES(x, NET_I64(n, half, half, rest)),
                 ONNX_NAMES(a, b, c));
    else
        net_node(n, "", "Split", "Split", ONNX_NAMES(x), ONNX_NAMES(a, b));
    net_int(n, "axis", -1);
    const char *lo = NET_OP(n, "Sub", "Sub", NET_OP(n, "Mul", "Mul_0", a, d->cos),
                            NET_OP(n, "Mul", "Mul_1", b, d->sin));
    const char *hi = NET_OP(n, "Add", "Add", NET_OP(n, "Mul", "Mul_2", b, d->cos),
                            NET_OP(n, "Mul", "Mul_3", a, d->sin));
    const char *y =
        rest ? NET_OP(n, "Concat", "Concat", lo, hi, c) : NET_OP(n, "Concat", "Concat", lo, hi);
    net_int(n, "axis", -1);
    n->scope = scope;
    return y;
}
