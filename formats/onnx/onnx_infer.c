/* SPDX-License-Identifier: Apache-2.0
 * formats/onnx/onnx_infer.c - the element type of each value of a graph, from what is declared and
 * from the operators. As the inference of onnx 1.23 (onnx/defs), shapes left out. */
#include "formats/onnx/onnx_values.h"
#include <errno.h>

enum {
    FLOAT = ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT,
    UINT8 = ONNX__TENSOR_PROTO__DATA_TYPE__UINT8,
    INT32 = ONNX__TENSOR_PROTO__DATA_TYPE__INT32,
    INT64 = ONNX__TENSOR_PROTO__DATA_TYPE__INT64,
    BOOL = ONNX__TENSOR_PROTO__DATA_TYPE__BOOL,
};

/* The type of output @output: of @input, or @type where that is not 0. Operators that are not here
 * yield the type of their first input, as their first output alone. */
enum { ALL = 255 };
static const struct {
    const char *op;
    uint8_t output, input;
    int32_t type;
} rules[] = {
    { "Shape", 0, 0, INT64 },
    { "Size", 0, 0, INT64 },
    { "NonZero", 0, 0, INT64 },
    { "ArgMax", 0, 0, INT64 },
    { "ArgMin", 0, 0, INT64 },
    { "NonMaxSuppression", 0, 0, INT64 },
    { "TopK", 1, 0, INT64 },
    { "MaxPool", 1, 0, INT64 },
    { "Unique", 1, 0, INT64 },
    { "Unique", 2, 0, INT64 },
    { "Unique", 3, 0, INT64 },
    { "Equal", 0, 0, BOOL },
    { "Greater", 0, 0, BOOL },
    { "GreaterOrEqual", 0, 0, BOOL },
    { "Less", 0, 0, BOOL },
    { "LessOrEqual", 0, 0, BOOL },
    { "IsNaN", 0, 0, BOOL },
    { "IsInf", 0, 0, BOOL },
    { "Dropout", 1, 0, BOOL },
    { "Multinomial", 0, 0, INT32 },
    { "MatMulInteger", 0, 0, INT32 },
    { "ConvInteger", 0, 0, INT32 },
    { "DynamicQuantizeLinear", 0, 0, UINT8 },
    { "DynamicQuantizeLinear", 1, 0, FLOAT },
    { "DynamicQuantizeLinear", 2, 0, UINT8 },
    { "LayerNormalization", 1, 0, FLOAT },
    { "LayerNormalization", 2, 0, FLOAT },
    { "Where", 0, 1, 0 },
    { "CastLike", 0, 1, 0 },
    { "DequantizeLinear", 0, 1, 0 },
    { "OneHot", 0, 2, 0 },
    { "QLinearMatMul", 0, 7, 0 },
    { "QLinearConv", 0, 7, 0 },
    { "Split", ALL, 0, 0 },
    { "BatchNormalization", ALL, 0, 0 },
    { "LSTM", ALL, 0, 0 },
    { "GRU", ALL, 0, 0 },
    { "RNN", ALL, 0, 0 },
};

static int32_t type_of(const struct onnx_values *v, const char *name) {
    const struct onnx_val *x = onnx_values_find(v, name);
    return x ? x->type : 0;
}

static int32_t input_type(const struct onnx_values *v, const Onnx__NodeProto *n, size_t i) {
    return i < n->n_input ? type_of(v, n->input[i]) : 0;
}

static int32_t declared(const Onnx__ValueInfoProto *x) {
    return x->type && x->type->tensor_type ? x->type->tensor_type->elem_type : 0;
}

/* Operators whose type an attribute says; @otherwise where it does not. False: no such operator. */
static bool attribute_type(const struct onnx_values *v, const Onnx__NodeProto *n, int32_t *out) {
    static const struct {
        const char *op, *attribute;
        int32_t otherwise; /* 0: the first input's */
    } makers[] = {
        { "Cast", "to", 0 },
        { "EyeLike", "dtype", 0 },
        { "Bernoulli", "dtype", 0 },
        { "RandomNormalLike", "dtype", 0 },
        { "RandomUniformLike", "dtype", 0 },
        { "RandomNormal", "dtype", FLOAT },
        { "RandomUniform", "dtype", FLOAT },
        { "ConstantOfShape", "value", FLOAT },
        { "Constant", "value", 0 },
    };
    for (size_t i = 0; i < sizeof makers / sizeof *makers; i++) {
        if (!onnx_is_op(n, makers[i].op))
            continue;
        const Onnx__AttributeProto *a = onnx_attr(n, makers[i].attribute);
        *out = a && a->t             ? a->t->data_type
               : a && a->has_i       ? (int32_t)a->i
               : makers[i].otherwise ? makers[i].otherwise
                                     : input_type(v, n, 0);
        return true;
    }
    return false;
}

static int32_t constant_type(const Onnx__NodeProto *n) {
    if (onnx_attr(n, "value_float") || onnx_attr(n, "value_floats"))
        return FLOAT;
    return onnx_attr(n, "value_int") || onnx_attr(n, "value_ints") ? INT64 : 0;
}

/* Of If, Loop and Scan: what the graph in them yields. */
static int32_t body_type(const Onnx__NodeProto *n, size_t output) {
    const bool branch = onnx_is_op(n, "If"), loop = onnx_is_op(n, "Loop");
    const Onnx__AttributeProto *a = onnx_attr(n, branch ? "then_branch" : "body");
    const size_t i = output + loop; /* a loop's body yields its condition first */
    return a && a->g && i < a->g->n_output ? declared(a->g->output[i]) : 0;
}

static int32_t output_type(const struct onnx_values *v, const Onnx__NodeProto *n, size_t output) {
    int32_t type;
    if (onnx_is_op(n, "If") || onnx_is_op(n, "Loop") || onnx_is_op(n, "Scan"))
        return body_type(n, output);
    if (output == 0 && attribute_type(v, n, &type))
        return type || !onnx_is_op(n, "Constant") ? type : constant_type(n);
    if (onnx_is_op(n, "QuantizeLinear"))
        return n->n_input > 2 && *n->input[2] ? input_type(v, n, 2) : UINT8;
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++)
        if ((rules[i].output == ALL || rules[i].output == output) && onnx_is_op(n, rules[i].op))
            return rules[i].type ? rules[i].type : input_type(v, n, rules[i].input);
    return output == 0 ? input_type(v, n, 0) : 0;
}

static int infer_node(void *user, Onnx__NodeProto *n) {
    const struct onnx_values *v = user;
    for (size_t i = 0; i < n->n_output && onnx_is_op(n, n->op_type ? n->op_type : ""); i++) {
        struct onnx_val *x = onnx_values_find(v, n->output[i]);
        if (x && !x->type)
            x->type = output_type(v, n, i);
    }
    return 0;
}

static void declare(const struct onnx_values *v, Onnx__ValueInfoProto *const *values, size_t n) {
    for (size_t i = 0; i < n; i++) {
        struct onnx_val *x = onnx_values_find(v, values[i]->name);
        if (x && !x->type)
            x->type = declared(values[i]);
    }
}

static int declare_graph(void *user, Onnx__GraphProto *g) {
    const struct onnx_values *v = user;
    for (size_t i = 0; i < g->n_initializer; i++) {
        struct onnx_val *x = onnx_values_find(v, g->initializer[i]->name);
        if (x)
            x->type = g->initializer[i]->data_type;
    }
    declare(v, g->input, g->n_input);
    declare(v, g->output, g->n_output);
    declare(v, g->value_info, g->n_value_info);
    return 0;
}

void onnx_values_infer(struct onnx_values *v) {
    for (size_t i = 0; i < v->g->n_weights; i++)
        onnx_values_find(v, v->g->weights[i]->name)->type = v->g->weights[i]->type;
    onnx_each_graph(v->g->model->graph, declare_graph, v);
    onnx_each_node(v->g->model->graph, infer_node, v);
}
