/* SPDX-License-Identifier: Apache-2.0
 * formats/onnx/onnx_int8.c - dynamic quantization: what quantize_dynamic of ONNX Runtime 1.32 makes
 * with its defaults (quantization/onnx_quantizer.py, operators/), of the main graph. Matrices and
 * kernels are int8, tables of Gather uint8; activations are scaled when they come. LSTM and the
 * fused operators of com.microsoft stay as they are. */
#include "formats/onnx/onnx_pass.h"
#include "formats/onnx/onnx_values.h"
#include <errno.h>

enum { FLOAT = ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT };

enum flag { NESTED_USE = 1 << 0 /* by a graph in an attribute */ };

/* A value in 8 bits, beside its name in floats. */
struct quantized {
    const char *levels, *scale, *zero;
    bool dequantized; /* the floats exist */
};

struct pass {
    struct onnx_graph *g;
    struct onnx_values values;
    bool per_channel;
    Onnx__NodeProto **nodes; /* the graph's, as they will be */
    size_t n, cap;
    struct err *err;
};

static Onnx__NodeProto *add(struct pass *p, const char *op, const char *name,
                            const char *const *inputs, const char *const *outputs) {
    Onnx__NodeProto *n = onnx_make_node(p->g, "", op, name, inputs, outputs);
    onnx_list_add(p->g, &p->nodes, &p->n, &p->cap, n);
    return n;
}

static struct quantized *new_quantized(struct pass *p, const char *name, const char *levels) {
    struct quantized *q = arena_new(p->g->arena, struct quantized);
    if (!q) {
        p->g->failed = true;
        return NULL;
    }
    q->levels = levels ? levels : onnx_text(p->g, "%s_quantized", name);
    q->scale = onnx_text(p->g, "%s_scale", name);
    q->zero = onnx_text(p->g, "%s_zero_point", name);
    return q;
}

/* --- weights --- */

static bool is_float_weight(const struct onnx_val *x) {
    return x && x->weight && x->weight->type == FLOAT && x->weight->expr && !x->weight->scaling;
}

static void add_part(struct pass *p, const struct onnx_weight *w, const char *name,
                     struct scaling *s, enum scaling_part part) {
    struct onnx_weight out = { .name = name, .expr = w->expr, .scaling = s, .part = part };
    out.type = part == SCALING_SCALE       ? FLOAT
               : s->kind == LINEAR8_SIGNED ? ONNX__TENSOR_PROTO__DATA_TYPE__INT8
                                           : ONNX__TENSOR_PROTO__DATA_TYPE__UINT8;
    if (part == SCALING_LEVELS) {
        out.n_dims = w->n_dims;
        memcpy(out.dims, w->dims, sizeof out.dims);
    } else if (p->per_channel && s->channels == w->dims[w->n_dims ? w->n_dims - 1 : 0] &&
               s->kind == LINEAR8_SIGNED && w->n_dims == 2) {
        out.n_dims = 1;
        out.dims[0] = s->channels;
    }
    onnx_add_weight(p->g, &out);
}

/* Once a weight, whoever uses it. */
static struct quantized *quantize_weight(struct pass *p, struct onnx_val *x, enum linear8 kind,
                                         bool per_column) {
    if (x->user)
        return x->user;
    const struct onnx_weight *w = x->weight;
    struct quantized *q = new_quantized(p, w->name, NULL);
    struct scaling *s = scaling_new(p->g->arena, w->expr, kind, per_column);
    if (!q || !s) {
        p->g->failed = true;
        return NULL;
    }
    add_part(p, w, q->scale, s, SCALING_SCALE);
    add_part(p, w, q->zero, s, SCALING_ZERO);
    add_part(p, w, q->levels, s, SCALING_LEVELS);
    q->dequantized = true;
    return x->user = q;
}

/* --- activations --- */

static struct quantized *quantize_activation(struct pass *p, struct onnx_val *x) {
    if (x->user)
        return x->user;
    struct quantized *q = new_quantized(p, x->name, NULL);
    if (!q)
        return NULL;
    add(p, "DynamicQuantizeLinear", onnx_text(p->g, "%s_QuantizeLinear", x->name),
        ONNX_NAMES(x->name), ONNX_NAMES(q->levels, q->scale, q->zero));
    q->dequantized = true;
    return x->user = q;
}

/* The floats of a value that so far has levels only. */
static void dequantize(struct pass *p, const struct onnx_val *x) {
    struct quantized *q = x ? x->user : NULL;
    if (!q || q->dequantized)
        return;
    add(p, "DequantizeLinear", onnx_text(p->g, "%s_DequantizeLinear", x->name),
        ONNX_NAMES(q->levels, q->scale, q->zero), ONNX_NAMES(x->name));
    q->dequantized = true;
}

/* --- products --- */

/* From the product of levels to @y: times both scales. */
static void rescale(struct pass *p, const Onnx__NodeProto *n, const struct quantized *a,
                    const struct quantized *b, const char *y, const char *scaled) {
    struct onnx_graph *g = p->g;
    const bool named = n->name && *n->name;
    const char *cast = onnx_text(g, "%s_output_quantized_cast", y);
    const char *scales = named ? onnx_text(g, "%s_quant_scales_mul", n->name)
                               : onnx_text(g, "%s_%s_mul", a->scale, b->scale);
    const char *both = onnx_text(g, "%s:0", scales), *floats = onnx_text(g, "%s_output", cast);
    Onnx__NodeProto *to_float = add(
        p, "Cast", cast, ONNX_NAMES(onnx_text(g, "%s_output_quantized", y)), ONNX_NAMES(floats));
    onnx_attr_int(g, to_float, "to", FLOAT);
    if (named || !onnx_values_find(&p->values, both)) {
        add(p, "Mul", scales, ONNX_NAMES(a->scale, b->scale), ONNX_NAMES(both));
        onnx_values_add(&p->values, both);
    }
    add(p, "Mul", named ? onnx_text(g, "%s_quant_output_scale_mul", n->name) : "",
        ONNX_NAMES(floats, both), ONNX_NAMES(scaled));
}

static Onnx__NodeProto *multiply(struct pass *p, const Onnx__NodeProto *n, const char *op,
                                 const struct quantized *a, const struct quantized *b) {
    const bool named = n->name && *n->name;
    return add(p, op, named ? onnx_text(p->g, "%s_quant", n->name) : "",
               ONNX_NAMES(a->levels, b->levels, a->zero, b->zero),
               ONNX_NAMES(onnx_text(p->g, "%s_output_quantized", n->output[0])));
}

static void quantize_matmul(struct pass *p, const Onnx__NodeProto *n, struct onnx_val *x,
                            struct onnx_val *w) {
    const struct quantized *a = quantize_activation(p, x);
    const struct quantized *b =
        quantize_weight(p, w, LINEAR8_SIGNED, p->per_channel && w->weight->n_dims == 2);
    if (!a || !b)
        return;
    multiply(p, n, "MatMulInteger", a, b);
    rescale(p, n, a, b, n->output[0], n->output[0]);
}

/* A bias [channels] as [1, channels, 1, 1]. */
static void add_bias(struct pass *p, const Onnx__NodeProto *n, uint32_t n_dims,
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
    add(p, "Reshape", "", ONNX_NAMES(n->input[2], shape), ONNX_NAMES(reshaped));
    add(p, "Add", onnx_text(g, "%s_bias_add", y), ONNX_NAMES(scaled, reshaped), ONNX_NAMES(y));
}

static void quantize_conv(struct pass *p, const Onnx__NodeProto *n, struct onnx_val *x,
                          struct onnx_val *w) {
    const struct quantized *a = quantize_activation(p, x);
    const struct quantized *b = quantize_weight(p, w, LINEAR8_SIGNED, false);
    const bool biased = n->n_input > 2 && *n->input[2];
    const char *y = n->output[0];
    const char *scaled = biased ? onnx_text(p->g, "%squant_scaled_output", y) : y;
    Onnx__NodeProto *conv = a && b ? multiply(p, n, "ConvInteger", a, b) : NULL;
    if (!conv)
        return;
    conv->attribute = n->attribute;
    conv->n_attribute = n->n_attribute;
    rescale(p, n, a, b, y, scaled);
    if (biased)
        add_bias(p, n, w->weight->n_dims, scaled);
}

/* --- what only moves numbers --- */

/* @n reads and writes levels; what it writes has @q's scale. */
static void move_levels(struct pass *p, Onnx__NodeProto *n, const struct quantized *q) {
    struct onnx_val *y = onnx_values_find(&p->values, n->output[0]);
    struct quantized *out = y ? new_quantized(p, n->output[0], NULL) : NULL;
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
        dequantize(p, y);
}

/* --- the graph --- */

static bool is_product(const Onnx__NodeProto *n, const char *op, const struct onnx_val *x,
                       const struct onnx_val *w, uint32_t min_dims) {
    return onnx_is_op(n, op) && n->n_output == 1 && x && !x->weight && !x->constant &&
           x->type == FLOAT && is_float_weight(w) && w->weight->n_dims >= min_dims;
}

static void change_node(struct pass *p, Onnx__NodeProto *n) {
    struct onnx_val *x = n->n_input > 0 ? onnx_values_find(&p->values, n->input[0]) : NULL;
    struct onnx_val *w = n->n_input > 1 ? onnx_values_find(&p->values, n->input[1]) : NULL;
    if (is_product(n, "MatMul", x, w, 2)) {
        quantize_matmul(p, n, x, w);
    } else if (is_product(n, "Conv", x, w, 3)) {
        quantize_conv(p, n, x, w);
    } else if (onnx_is_op(n, "Gather") && is_float_weight(x)) {
        const struct quantized *q = quantize_weight(p, x, LINEAR8_UNSIGNED, false);
        if (q)
            move_levels(p, n, q);
    } else if (onnx_is_op(n, "Transpose") && x && x->user && !x->weight) {
        move_levels(p, n, x->user);
    } else {
        for (size_t i = 0; i < n->n_input; i++)
            dequantize(p, onnx_values_find(&p->values, n->input[i]));
        onnx_list_add(p->g, &p->nodes, &p->n, &p->cap, n);
    }
}

static int mark_nested(void *user, Onnx__GraphProto *g) {
    struct pass *p = user;
    for (size_t i = 0; g != p->g->model->graph && i < g->n_node; i++)
        for (size_t j = 0; j < g->node[i]->n_input; j++) {
            struct onnx_val *x = onnx_values_find(&p->values, g->node[i]->input[j]);
            if (x)
                x->flags |= NESTED_USE;
        }
    return 0;
}

int onnx_to_int8(struct onnx_graph *g, bool per_channel, struct err *err) {
    struct pass p = { .g = g, .per_channel = per_channel, .err = err };
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
        dequantize(&p, onnx_values_find(&p.values, graph->output[i]->name));
    if (g->failed)
        return err_set(err, -ENOMEM, "no memory for the graph");
    graph->node = p.nodes;
    graph->n_node = p.n;
    g->cap.nodes = p.cap;
    return onnx_drop_unused(g, err);
}
