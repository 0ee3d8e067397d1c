/* SPDX-License-Identifier: Apache-2.0
 * formats/onnx/onnx_int8.c - dynamic quantization: what quantize_dynamic of ONNX Runtime 1.32 makes
 * with its defaults (quantization/onnx_quantizer.py, operators/), of the main graph. Matrices and
 * kernels are int8, tables of embeddings uint8; activations are scaled when they come. */
#include "formats/onnx/onnx_int8.h"
#include "formats/onnx/onnx_scope.h"
#include <errno.h>

enum { FLOAT = ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT };

enum flag { NESTED_USE = 1 << 0 /* by a graph in an attribute */ };

/* --- products --- */

/* From the product of levels to @y: times both scales. */
static void rescale(struct int8_pass *p, const Onnx__NodeProto *n, const struct quantized *a,
                    const struct quantized *b, const char *y, const char *scaled) {
    struct onnx_graph *g = p->g;
    const bool named = n->name && *n->name;
    const char *cast = onnx_text(g, "%s_output_quantized_cast", y);
    const char *scales = named ? onnx_text(g, "%s_quant_scales_mul", n->name)
                               : onnx_text(g, "%s_%s_mul", a->scale, b->scale);
    const char *both = onnx_text(g, "%s:0", scales), *floats = onnx_text(g, "%s_output", cast);
    Onnx__NodeProto *to_float = int8_add(
        p, "Cast", cast, ONNX_NAMES(onnx_text(g, "%s_output_quantized", y)), ONNX_NAMES(floats));
    onnx_attr_int(g, to_float, "to", FLOAT);
    if (named || !onnx_values_find(&p->values, both)) {
        int8_add(p, "Mul", scales, ONNX_NAMES(a->scale, b->scale), ONNX_NAMES(both));
        onnx_values_add(&p->values, both);
    }
    int8_add(p, "Mul", named ? onnx_text(g, "%s_quant_output_scale_mul", n->name) : "",
             ONNX_NAMES(floats, both), ONNX_NAMES(scaled));
}

static Onnx__NodeProto *multiply(struct int8_pass *p, const Onnx__NodeProto *n, const char *op,
                                 const struct quantized *a, const struct quantized *b) {
    const bool named = n->name && *n->name;
    return int8_add(p, op, named ? onnx_text(p->g, "%s_quant", n->name) : "",
                    ONNX_NAMES(a->levels, b->levels, a->zero, b->zero),
                    ONNX_NAMES(onnx_text(p->g, "%s_output_quantized", n->output[0])));
}

/* An activation times a weight of @min_dims dimensions at least. */
static bool is_product(const Onnx__NodeProto *n, const struct onnx_val *x, const struct onnx_val *w,
                       uint32_t min_dims) {
    return n->n_output == 1 && x && !x->weight && !x->constant && x->type == FLOAT &&
           int8_is_weight(w) && w->weight->n_dims >= min_dims;
}

static bool quantize_matmul(struct int8_pass *p, Onnx__NodeProto *n) {
    struct onnx_val *x = int8_input(p, n, 0), *w = int8_input(p, n, 1);
    if (!is_product(n, x, w, 2))
        return false;
    const struct scales scales = int8_column_scales(p, w->weight);
    const struct quantized *a = int8_activation(p, x);
    const struct quantized *b = int8_weight(p, w, w->weight, LINEAR8_SIGNED, &scales);
    if (!a || !b)
        return true;
    multiply(p, n, "MatMulInteger", a, b);
    rescale(p, n, a, b, n->output[0], n->output[0]);
    return true;
}

/* A bias [channels] as [1, channels, 1, 1]. */
static void add_bias(struct int8_pass *p, const Onnx__NodeProto *n, uint32_t n_dims,
                     const char *scaled) {
    struct onnx_graph *g = p->g;
    const char *y = n->output[0], *reshaped = onnx_text(g, "%s_bias_reshape_output", y);
    const char *shape = onnx_text(g, "%s_bias_reshape_shape", y);
    int64_t dims[TENSOR_MAX_DIMS];
    const int64_t count = n_dims;
    for (uint32_t i = 0; i < n_dims; i++)
        dims[i] = i == 1 ? -1 : 1;
    onnx_add_constant(g, shape, ONNX__TENSOR_PROTO__DATA_TYPE__INT64, &count, 1, dims,
                      n_dims * sizeof *dims);
    int8_add(p, "Reshape", "", ONNX_NAMES(n->input[2], shape), ONNX_NAMES(reshaped));
    int8_add(p, "Add", onnx_text(g, "%s_bias_add", y), ONNX_NAMES(scaled, reshaped), ONNX_NAMES(y));
}

static bool quantize_conv(struct int8_pass *p, Onnx__NodeProto *n) {
    struct onnx_val *x = int8_input(p, n, 0), *w = int8_input(p, n, 1);
    if (!is_product(n, x, w, 3))
        return false;
    const struct quantized *a = int8_activation(p, x);
    const struct quantized *b = int8_weight(p, w, w->weight, LINEAR8_SIGNED, &one_scale);
    const bool biased = n->n_input > 2 && *n->input[2];
    const char *y = n->output[0];
    const char *scaled = biased ? onnx_text(p->g, "%squant_scaled_output", y) : y;
    Onnx__NodeProto *conv = a && b ? multiply(p, n, "ConvInteger", a, b) : NULL;
    if (!conv)
        return true;
    conv->attribute = n->attribute;
    conv->n_attribute = n->n_attribute;
    rescale(p, n, a, b, y, scaled);
    if (biased)
        add_bias(p, n, w->weight->n_dims, scaled);
    return true;
}

/* --- what only moves numbers --- */

/* @n reads and writes levels; what it writes has @q's scale. */
static void move_levels(struct int8_pass *p, Onnx__NodeProto *n, const struct quantized *q) {
    struct onnx_val *y = onnx_values_find(&p->values, n->output[0]);
    struct quantized *out = y ? int8_new(p, n->output[0]) : NULL;
    const char **inputs = arena_array(p->g->arena, const char *, n->n_input + 1);
    if (!out || !inputs) {
        p->g->failed = true;
        return;
    }
    out->scale = q->scale;
    out->zero = q->zero;
    for (size_t i = 0; i < n->n_input; i++)
        inputs[i] = i ? n->input[i] : q->levels;
    onnx_set_inputs(p->g, n, inputs);
    onnx_set_outputs(p->g, n, ONNX_NAMES(out->levels));
    onnx_list_add(p->g, &p->nodes, &p->n, &p->cap, n);
    y->user = out;
    if (y->flags & NESTED_USE)
        int8_dequantize(p, y);
}

static bool quantize_gather(struct int8_pass *p, Onnx__NodeProto *n) {
    struct onnx_val *x = int8_input(p, n, 0);
    if (!int8_is_weight(x))
        return false;
    const struct quantized *q = int8_weight(p, x, x->weight, LINEAR8_UNSIGNED, &one_scale);
    if (q)
        move_levels(p, n, q);
    return true;
}

static bool quantize_transpose(struct int8_pass *p, Onnx__NodeProto *n) {
    const struct onnx_val *x = int8_input(p, n, 0);
    const struct quantized *q = x ? x->user : NULL;
    if (!q || q->spread)
        return false;
    move_levels(p, n, q);
    return true;
}

/* --- the graph --- */

/* What is done to an operator. False: it stays as it is. */
static const struct {
    const char *domain, *op;
    bool (*change)(struct int8_pass *p, Onnx__NodeProto *n);
} changes[] = {
    { "", "MatMul", quantize_matmul },
    { "", "Conv", quantize_conv },
    { "", "Gather", quantize_gather },
    { "", "Transpose", quantize_transpose },
    { "", "LSTM", int8_lstm },
    { "com.microsoft", "Attention", int8_attention },
    { "com.microsoft", "EmbedLayerNormalization", int8_embedding },
};

static void change_node(struct int8_pass *p, Onnx__NodeProto *n) {
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++)
        if (onnx_is_op_of(n, changes[i].domain, changes[i].op) && changes[i].change(p, n))
            return;
    for (size_t i = 0; i < n->n_input; i++)
        int8_dequantize(p, int8_input(p, n, i));
    onnx_list_add(p->g, &p->nodes, &p->n, &p->cap, n);
}

static int mark_nested(void *user, Onnx__GraphProto *g) {
    struct int8_pass *p = user;
    for (size_t i = 0; g != p->g->model->graph && i < g->n_node; i++)
        for (size_t j = 0; j < g->node[i]->n_input; j++) {
            struct onnx_val *x = onnx_values_find(&p->values, g->node[i]->input[j]);
            if (x)
                x->flags |= NESTED_USE;
        }
    return 0;
}

int onnx_to_int8(struct onnx_graph *g, bool per_channel, struct err *err) {
    struct int8_pass p = { .g = g, .per_channel = per_channel, .err = err };
    Onnx__GraphProto *graph = g->model->graph;
    if (onnx_opset(g) < 11)
        return err_set(err, -ENOTSUP, "int8 needs opset 11 or a later one");
    int rc = onnx_split_gemm(g, err);
    if (rc == 0)
        rc = onnx_values_init(&p.values, g, err);
    if (rc < 0)
        return rc;
    onnx_values_infer(&p.values);
    onnx_each_graph(graph, mark_nested, &p);
    for (size_t i = 0; i < graph->n_node && !g->failed; i++)
        change_node(&p, graph->node[i]);
    for (size_t i = 0; i < graph->n_output; i++)
        int8_dequantize(&p, onnx_values_find(&p.values, graph->output[i]->name));
    if (g->failed)
        return err_set(err, -ENOMEM, "no memory for the graph");
    graph->node = p.nodes;
    graph->n_node = p.n;
    g->cap.nodes = p.cap;
    return onnx_drop_unused(g, err);
}
