/* SPDX-License-Identifier: Apache-2.0
 * formats/onnx/onnx_rank.c - how many dimensions each value of a graph has, and how many numbers a
 * vector has, as those are what a shape is made of. As the inference of onnx 1.23 (onnx/defs),
 * sizes left out; of operators that are not here nothing is known. */
#include "formats/onnx/onnx_values.h"
#include <errno.h>

enum { MAX_RANK = 64, NOT_KNOWN = -1 };

/* A shape: @length where @rank is 1. */
struct shape {
    int64_t rank, length;
};
static const struct shape unknown = { NOT_KNOWN, NOT_KNOWN };

static struct shape shape_of(const struct onnx_values *v, const Onnx__NodeProto *n, size_t i) {
    const struct onnx_val *x = i < n->n_input ? onnx_values_find(v, n->input[i]) : NULL;
    return x ? (struct shape){ (int64_t)x->rank - 1, (int64_t)x->length - 1 } : unknown;
}

static void set_shape(struct onnx_val *x, struct shape s) {
    if (!x || x->rank || s.rank < 0 || s.rank > MAX_RANK)
        return;
    x->rank = (uint32_t)s.rank + 1;
    x->length = s.rank == 1 && s.length >= 0 ? (uint64_t)s.length + 1 : 0;
}

static struct shape of_rank(int64_t rank) {
    return (struct shape){ rank, NOT_KNOWN };
}

static struct shape vector(int64_t length) {
    return (struct shape){ 1, length };
}

static bool is_given(const Onnx__NodeProto *n, size_t i) {
    return i < n->n_input && *n->input[i];
}

static int64_t int_attr(const Onnx__NodeProto *n, const char *name, int64_t otherwise) {
    const Onnx__AttributeProto *a = onnx_attr(n, name);
    return a && a->has_i ? a->i : otherwise;
}

/* --- operators --- */

typedef struct shape rule_fn(const struct onnx_values *v, const Onnx__NodeProto *n);

static struct shape same(const struct onnx_values *v, const Onnx__NodeProto *n) {
    return shape_of(v, n, 0);
}

/* Dimensions along which something is cut or set off are as many as before, of other sizes. */
static struct shape same_rank(const struct onnx_values *v, const Onnx__NodeProto *n) {
    return of_rank(shape_of(v, n, 0).rank);
}

static struct shape second_rank(const struct onnx_values *v, const Onnx__NodeProto *n) {
    return of_rank(shape_of(v, n, 1).rank);
}

static struct shape broadcast(const struct onnx_values *v, const Onnx__NodeProto *n) {
    struct shape out = { 0, NOT_KNOWN };
    for (size_t i = 0; i < n->n_input; i++) {
        const struct shape s = shape_of(v, n, i);
        if (s.rank < 0)
            return unknown;
        out.rank = s.rank > out.rank ? s.rank : out.rank;
        out.length = s.length > out.length ? s.length : out.length;
    }
    return out;
}

static struct shape matmul(const struct onnx_values *v, const Onnx__NodeProto *n) {
    const int64_t a = shape_of(v, n, 0).rank, b = shape_of(v, n, 1).rank;
    if (a < 1 || b < 1)
        return unknown;
    if (a == 1 || b == 1)
        return of_rank(a + b - 2);
    return of_rank(a > b ? a : b);
}

static struct shape two(const struct onnx_values *v, const Onnx__NodeProto *n) {
    return of_rank(shape_of(v, n, 0).rank < 0 ? NOT_KNOWN : 2);
}

static struct shape recurrent(const struct onnx_values *v, const Onnx__NodeProto *n) {
    return of_rank(shape_of(v, n, 0).rank < 0 ? NOT_KNOWN : 4);
}

static struct shape gather(const struct onnx_values *v, const Onnx__NodeProto *n) {
    const struct shape x = shape_of(v, n, 0), at = shape_of(v, n, 1);
    if (x.rank < 1 || at.rank < 0)
        return unknown;
    return (struct shape){ x.rank - 1 + at.rank, x.rank == 1 ? at.length : NOT_KNOWN };
}

static struct shape concat(const struct onnx_values *v, const Onnx__NodeProto *n) {
    int64_t length = 0;
    for (size_t i = 0; i < n->n_input; i++) {
        const int64_t more = shape_of(v, n, i).length;
        length = more < 0 || length < 0 || more > INT32_MAX ? NOT_KNOWN : length + more;
    }
    return (struct shape){ shape_of(v, n, 0).rank, length };
}

static struct shape shape(const struct onnx_values *v, const Onnx__NodeProto *n) {
    const int64_t rank = shape_of(v, n, 0).rank;
    int64_t start = int_attr(n, "start", 0), end = int_attr(n, "end", INT32_MAX);
    if (rank < 0)
        return vector(NOT_KNOWN);
    start += start < 0 ? rank : 0;
    end += end < 0 ? rank : 0;
    start = start < 0 ? 0 : start;
    end = end > rank ? rank : end;
    return vector(end > start ? end - start : 0);
}

static struct shape scalar(const struct onnx_values *v, const Onnx__NodeProto *n) {
    (void)v, (void)n;
    return of_rank(0);
}

static struct shape any_vector(const struct onnx_values *v, const Onnx__NodeProto *n) {
    (void)v, (void)n;
    return vector(NOT_KNOWN);
}

/* What a vector of sizes says. */
static struct shape reshape(const struct onnx_values *v, const Onnx__NodeProto *n) {
    return of_rank(shape_of(v, n, 1).length);
}

static struct shape filled(const struct onnx_values *v, const Onnx__NodeProto *n) {
    return of_rank(shape_of(v, n, 0).length);
}

static struct shape expand(const struct onnx_values *v, const Onnx__NodeProto *n) {
    const int64_t x = shape_of(v, n, 0).rank, to = shape_of(v, n, 1).length;
    return x < 0 || to < 0 ? unknown : of_rank(x > to ? x : to);
}

/* Axes are an attribute of older operators, an input of newer ones. */
static int64_t count_axes(const struct onnx_values *v, const Onnx__NodeProto *n) {
    const Onnx__AttributeProto *a = onnx_attr(n, "axes");
    return a ? (int64_t)a->n_ints : is_given(n, 1) ? shape_of(v, n, 1).length : 0;
}

static struct shape unsqueeze(const struct onnx_values *v, const Onnx__NodeProto *n) {
    const int64_t x = shape_of(v, n, 0).rank, axes = count_axes(v, n);
    if (x < 0 || axes < 1)
        return unknown;
    return (struct shape){ x + axes, x ? NOT_KNOWN : 1 };
}

/* Without axes it depends on sizes. */
static struct shape squeeze(const struct onnx_values *v, const Onnx__NodeProto *n) {
    const int64_t x = shape_of(v, n, 0).rank, axes = count_axes(v, n);
    return of_rank(x < 0 || axes < 1 ? NOT_KNOWN : x - axes);
}

static struct shape reduce(const struct onnx_values *v, const Onnx__NodeProto *n) {
    const int64_t x = shape_of(v, n, 0).rank, axes = count_axes(v, n);
    if (x < 0 || int_attr(n, "keepdims", 1))
        return of_rank(x);
    return of_rank(axes < 0 ? NOT_KNOWN : axes ? x - axes : 0);
}

static struct shape arg(const struct onnx_values *v, const Onnx__NodeProto *n) {
    return of_rank(shape_of(v, n, 0).rank - !int_attr(n, "keepdims", 1));
}

static struct shape constant(const struct onnx_values *v, const Onnx__NodeProto *n) {
    const Onnx__AttributeProto *a = n->n_attribute == 1 ? n->attribute[0] : NULL;
    (void)v;
    if (a && a->t)
        return (struct shape){ (int64_t)a->t->n_dims, a->t->n_dims == 1 ? a->t->dims[0] : -1 };
    if (a && (a->n_ints || a->n_floats))
        return vector((int64_t)(a->n_ints + a->n_floats));
    return of_rank(a && (a->has_i || a->has_f) ? 0 : NOT_KNOWN);
}

/* Of If: what both branches yield. */
static struct shape branch(const struct onnx_values *v, const Onnx__NodeProto *n) {
    const char *const names[] = { "then_branch", "else_branch" };
    int64_t rank[2];
    for (int i = 0; i < 2; i++) {
        const Onnx__AttributeProto *a = onnx_attr(n, names[i]);
        const struct onnx_val *x =
            a && a->g && a->g->n_output ? onnx_values_find(v, a->g->output[0]->name) : NULL;
        rank[i] = x ? (int64_t)x->rank - 1 : NOT_KNOWN;
    }
    return of_rank(rank[0] == rank[1] ? rank[0] : NOT_KNOWN);
}

/* Of the first output; @all: of all. */
static const struct rule {
    rule_fn *shape;
    bool all;
    const char *ops[32];
} rules[] = {
    { same, false, { "Abs",       "Cast",       "CastLike",    "Ceil",    "Clip",  "Cos",  "Elu",
                     "Erf",       "Exp",        "Floor",       "Gelu",    "Log",   "Neg",  "Not",
                     "CumSum",    "Dropout",    "HardSigmoid", "Mish",    "PRelu", "Relu", "Round",
                     "Sigmoid",   "HardSwish",  "Identity",    "Softmax", "Sin",   "Sqrt", "Tanh",
                     "LeakyRelu", "Reciprocal", "Sign" } },
    { same_rank,
      false,
      { "AveragePool",
        "BatchNormalization",
        "Conv",
        "ConvTranspose",
        "GlobalAveragePool",
        "GlobalMaxPool",
        "GroupNormalization",
        "InstanceNormalization",
        "LayerNormalization",
        "LogSoftmax",
        "LpNormalization",
        "MaxPool",
        "Pad",
        "RMSNormalization",
        "RandomNormalLike",
        "RandomUniformLike",
        "Resize",
        "ScatterElements",
        "ScatterND",
        "Selu",
        "Slice",
        "Softplus",
        "Softsign",
        "Tile",
        "Transpose",
        "Trilu",
        "Upsample" } },
    { same_rank, true, { "Split", "TopK" } },
    { second_rank, false, { "GatherElements" } },
    { broadcast,
      false,
      { "Add", "And", "Div", "Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual", "Max",
        "Mean", "Min", "Mod", "Mul", "Or", "Pow", "Sub", "Sum", "Where", "Xor" } },
    { matmul, false, { "MatMul" } },
    { two, false, { "Flatten", "Gemm", "NonZero" } },
    { recurrent, false, { "GRU", "LSTM", "RNN" } },
    { gather, false, { "Gather" } },
    { concat, false, { "Concat" } },
    { shape, false, { "Shape" } },
    { scalar, false, { "Size" } },
    { any_vector, false, { "Range" } },
    { reshape, false, { "Reshape" } },
    { filled, false, { "ConstantOfShape" } },
    { expand, false, { "Expand" } },
    { unsqueeze, false, { "Unsqueeze" } },
    { squeeze, false, { "Squeeze" } },
    { reduce,
      false,
      { "ReduceL1", "ReduceL2", "ReduceMax", "ReduceMean", "ReduceMin", "ReduceProd", "ReduceSum",
        "ReduceSumSquare" } },
    { arg, false, { "ArgMax", "ArgMin" } },
    { constant, false, { "Constant" } },
    { branch, false, { "If" } },
};

static const struct rule *find_rule(const Onnx__NodeProto *n) {
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++)
        for (size_t j = 0; j < sizeof rules->ops / sizeof *rules->ops && rules[i].ops[j]; j++)
            if (onnx_is_op(n, rules[i].ops[j]))
                return &rules[i];
    return NULL;
}

/* --- graphs --- */

static void declare(const struct onnx_values *v, Onnx__ValueInfoProto *const *values, size_t n) {
    for (size_t i = 0; i < n; i++) {
        const Onnx__TypeProto *t = values[i]->type;
        const Onnx__TensorShapeProto *s = t && t->tensor_type ? t->tensor_type->shape : NULL;
        const bool sized =
            s && s->n_dim == 1 &&
            s->dim[0]->value_case == ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE;
        if (s)
            set_shape(onnx_values_find(v, values[i]->name),
                      (struct shape){ (int64_t)s->n_dim, sized ? s->dim[0]->dim_value : -1 });
    }
}

static int declare_graph(void *user, Onnx__GraphProto *g) {
    declare(user, g->input, g->n_input);
    declare(user, g->value_info, g->n_value_info);
    declare(user, g->output, g->n_output);
    return 0;
}

static void infer_graph(const struct onnx_values *v, const Onnx__GraphProto *g) {
    for (size_t i = 0; i < g->n_initializer; i++) {
        const Onnx__TensorProto *t = g->initializer[i];
        set_shape(onnx_values_find(v, t->name),
                  (struct shape){ (int64_t)t->n_dims, t->n_dims == 1 ? t->dims[0] : -1 });
    }
    for (size_t i = 0; i < g->n_node; i++) {
        const Onnx__NodeProto *n = g->node[i];
        for (size_t j = 0; j < n->n_attribute; j++)
            if (n->attribute[j]->g)
                infer_graph(v, n->attribute[j]->g);
        const struct rule *r = find_rule(n);
        for (size_t j = 0; r && j < n->n_output && (j == 0 || r->all); j++)
            set_shape(onnx_values_find(v, n->output[j]), r->shape(v, n));
    }
}

void onnx_values_rank(struct onnx_values *v, bool infer) {
    onnx_each_graph(v->g->model->graph, declare_graph, v);
    for (size_t i = 0; infer && i < v->g->n_weights; i++) {
        const struct onnx_weight *w = v->g->weights[i];
        set_shape(onnx_values_find(v, w->name),
                  (struct shape){ w->n_dims, w->n_dims == 1 ? (int64_t)w->dims[0] : -1 });
    }
    if (infer)
        infer_graph(v, v->g->model->graph);
}
