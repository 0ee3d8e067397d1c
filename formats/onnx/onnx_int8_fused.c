/* SPDX-License-Identifier: Apache-2.0
 * formats/onnx/onnx_int8_fused.c - recurrent and fused operators in 8 bits: operators/lstm.py,
 * attention.py and embed_layernorm.py of the quantization tool of ONNX Runtime 1.32. */
#include "formats/onnx/onnx_int8.h"

/* A node's input, "" where it has none. */
static const char *input_name(const Onnx__NodeProto *n, size_t i) {
    return i < n->n_input ? n->input[i] : "";
}

/* @n becomes @op of com.microsoft over @inputs. */
static void fuse(struct int8_pass *p, Onnx__NodeProto *n, const char *op,
                 const char *const *inputs) {
    onnx_set_inputs(p->g, n, inputs);
    onnx_set_op(n, "com.microsoft", op);
    if (n->name && *n->name)
        onnx_set_name(n, onnx_text(p->g, "%s_quant", n->name));
    onnx_need_opset(p->g, "com.microsoft", 1);
    onnx_list_add(p->g, &p->nodes, &p->n, &p->cap, n);
}

/* A weight [directions, gates, inputs] as [directions, inputs, gates]; scales are a direction's. */
static struct quantized *quantize_gates(struct int8_pass *p, struct onnx_val *x) {
    struct onnx_weight w = *x->weight;
    const uint64_t directions = w.dims[0], gates = w.dims[1];
    w.expr = expr_transpose(p->g->arena, w.expr, gates);
    w.dims[1] = w.dims[2];
    w.dims[2] = gates;
    const struct scales scales = { .groups = directions,
                                   .per_column = p->per_channel,
                                   .n_dims = p->per_channel ? 2 : 1,
                                   .dims = { directions, p->per_channel ? gates : 0 } };
    return int8_weight(p, x, &w, LINEAR8_SIGNED, &scales);
}

static void drop_attr(Onnx__NodeProto *n, const Onnx__AttributeProto *a) {
    size_t kept = 0;
    for (size_t i = 0; i < n->n_attribute; i++)
        if (n->attribute[i] != a)
            n->attribute[kept++] = n->attribute[i];
    n->n_attribute = kept;
}

/* One whose batch comes first (layout 1) stays: the operator in 8 bits has no such attribute. */
bool int8_lstm(struct int8_pass *p, Onnx__NodeProto *n) {
    struct onnx_val *w = int8_input(p, n, 1), *r = int8_input(p, n, 2);
    const Onnx__AttributeProto *layout = onnx_attr(n, "layout");
    if (!int8_is_weight(w) || !int8_is_weight(r) || w->weight->n_dims != 3 ||
        r->weight->n_dims != 3 || (layout && layout->i))
        return false;
    const struct quantized *a = quantize_gates(p, w), *b = quantize_gates(p, r);
    int8_dequantize(p, int8_input(p, n, 0));
    drop_attr(n, layout);
    if (a && b)
        fuse(p, n, "DynamicQuantizeLSTM",
             ONNX_NAMES(n->input[0], a->levels, b->levels, input_name(n, 3), input_name(n, 4),
                        input_name(n, 5), input_name(n, 6), input_name(n, 7), a->scale, a->zero,
                        b->scale, b->zero));
    return true;
}

/* With heads of one size. */
bool int8_attention(struct int8_pass *p, Onnx__NodeProto *n) {
    struct onnx_val *x = int8_input(p, n, 0), *w = int8_input(p, n, 1);
    if (!x || x->weight || x->constant || !int8_is_weight(w) || w->weight->n_dims != 2 ||
        n->n_input < 3 || onnx_attr(n, "qkv_hidden_sizes"))
        return false;
    const struct scales scales = int8_column_scales(p, w->weight);
    const struct quantized *a = int8_activation(p, x);
    const struct quantized *b = int8_weight(p, w, w->weight, LINEAR8_SIGNED, &scales);
    if (a && b)
        fuse(p, n, "QAttention",
             ONNX_NAMES(a->levels, b->levels, n->input[2], a->scale, b->scale, input_name(n, 3),
                        a->zero, b->zero, input_name(n, 4)));
    return true;
}

/* Three tables, and the norm after their sum. */
bool int8_embedding(struct int8_pass *p, Onnx__NodeProto *n) {
    enum { FIRST = 2, COUNT = 5 };
    const struct quantized *q[COUNT];
    for (size_t i = 0; i < COUNT; i++)
        if (n->n_output > 2 || !int8_is_weight(int8_input(p, n, FIRST + i)))
            return false;
    for (size_t i = 0; i < COUNT; i++) {
        struct onnx_val *w = int8_input(p, n, FIRST + i);
        q[i] = int8_weight(p, w, w->weight, LINEAR8_UNSIGNED, &one_scale);
        if (!q[i])
            return true;
    }
    fuse(p, n, "QEmbedLayerNormalization",
         ONNX_NAMES(n->input[0], n->input[1], q[0]->levels, q[1]->levels, q[2]->levels,
                    q[3]->levels, q[4]->levels, input_name(n, 7), q[0]->scale, q[1]->scale,
                    q[2]->scale, q[3]->scale, q[4]->scale, q[0]->zero, q[1]->zero, q[2]->zero,
                    q[3]->zero, q[4]->zero));
    return true;
}
