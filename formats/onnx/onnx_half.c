/* SPDX-License-Identifier: Apache-2.0
 * formats/onnx/onnx_half.c - a graph in float16, as convert_float_to_float16 of ONNX Runtime 1.32
 * makes it (transformers/float16.py). Operators on its list stay in float32, between
 * Casts. One thing differs: integers whose float becomes an angle (positions in a sequence) stay
 * float32 up to the sine, since float16 has no integers above 2048 that are odd. */
#include "formats/onnx/onnx_pass.h"
#include "formats/onnx/onnx_types.h"
#include "formats/onnx/onnx_values.h"
#include <errno.h>

enum {
    FLOAT = ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT,
    FLOAT16 = ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT16,
    BOOL = ONNX__TENSOR_PROTO__DATA_TYPE__BOOL,
};

enum flag {
    IS_HALF = 1 << 0,      /* float32 in the source, float16 here */
    WANTS_HALF = 1 << 1,   /* a constant that some node takes as float16 */
    IS_OUTPUT = 1 << 2,    /* of a graph */
    FROM_INTEGER = 1 << 3, /* may be on the way from an integer to an angle */
    IS_EXACT = 1 << 4,     /* is on such a way: stays float32 */
    CAST_UP = 1 << 5,      /* NAME_cast_to_fp32 is wanted */
    CAST_DOWN = 1 << 6,    /* of an exact value NAME_cast_to_fp16 is wanted */
    MADE_WIDE = 1 << 7,    /* a blocked node yields it: as NAME_cast_to_fp16, in float32 */
};

static const char *const blocked_ops[] = {
    "ArrayFeatureExtractor",
    "Binarizer",
    "CastMap",
    "CategoryMapper",
    "DictVectorizer",
    "FeatureVectorizer",
    "Imputer",
    "LabelEncoder",
    "LinearClassifier",
    "LinearRegressor",
    "Normalizer",
    "OneHotEncoder",
    "RandomUniformLike",
    "SVMClassifier",
    "SVMRegressor",
    "Scaler",
    "TreeEnsembleClassifier",
    "TreeEnsembleRegressor",
    "TreeEnsemble",
    "ZipMap",
    "NonMaxSuppression",
    "TopK",
    "RoiAlign",
    "Range",
    "CumSum",
    "Min",
    "Max",
    "Upsample",
};

/* What lies between a position and its angle. */
static const char *const carriers[] = {
    "Mul",    "MatMul",    "Gemm",    "Einsum",   "Add",    "Sub",
    "Div",    "Unsqueeze", "Squeeze", "Reshape",  "Expand", "Transpose",
    "Concat", "Slice",     "Gather",  "Identity", "Tile",
};

struct pass {
    struct onnx_graph *g;
    struct onnx_values values;
    int64_t opset;
    struct err *err;
};

static bool is_one_of(const Onnx__NodeProto *n, const char *const *ops, size_t count) {
    for (size_t i = 0; n->op_type && i < count; i++)
        if (strcmp(n->op_type, ops[i]) == 0)
            return true;
    return false;
}
#define IS_ONE_OF(n, ops) is_one_of((n), (ops), sizeof(ops) / sizeof *(ops))

static struct onnx_val *find(const struct pass *p, const char *name) {
    return onnx_values_find(&p->values, name);
}

static bool has_flag(const struct pass *p, const char *name, enum flag flag) {
    const struct onnx_val *x = find(p, name);
    return x && x->flags & flag;
}

/* --- what stays float32 --- */

static bool is_blocked(const Onnx__NodeProto *n) {
    return IS_ONE_OF(n, blocked_ops);
}

static bool is_exact(const struct pass *p, const Onnx__NodeProto *n) {
    return n->n_output && has_flag(p, n->output[0], IS_EXACT);
}

/* Inputs that an operator takes as float32 alone. */
static bool is_always_float(const struct pass *p, const Onnx__NodeProto *n, size_t input) {
    const char *op = n->op_type ? n->op_type : "";
    if (strcmp(op, "Resize") == 0)
        return input == (p->opset <= 10 ? 1 : 2);
    return (strcmp(op, "GroupNorm") == 0 || strcmp(op, "SkipGroupNorm") == 0) &&
           (input == 1 || input == 2);
}

static bool is_mixed(const struct pass *p, const Onnx__NodeProto *n) {
    return is_always_float(p, n, 1) || is_always_float(p, n, 2);
}

static bool is_integer(int32_t type) {
    return type >= ONNX__TENSOR_PROTO__DATA_TYPE__UINT8 &&
           type <= ONNX__TENSOR_PROTO__DATA_TYPE__INT64;
}

/* Forwards: floats that were integers. */
static int follow_integers(void *user, Onnx__NodeProto *n) {
    const struct pass *p = user;
    struct onnx_val *y = n->n_output ? find(p, n->output[0]) : NULL;
    const struct onnx_val *x = n->n_input ? find(p, n->input[0]) : NULL;
    if (!y || y->type != FLOAT || y->flags & IS_OUTPUT)
        return 0;
    bool found = onnx_is_op(n, "Cast") && x && is_integer(x->type);
    for (size_t i = 0; !found && i < n->n_input; i++)
        found = (IS_ONE_OF(n, carriers) || onnx_is_op(n, "Sin") || onnx_is_op(n, "Cos")) &&
                has_flag(p, n->input[i], FROM_INTEGER);
    y->flags |= found ? FROM_INTEGER : 0;
    return 0;
}

/* Backwards from the sines. */
static int mark_exact(void *user, Onnx__GraphProto *g) {
    const struct pass *p = user;
    for (size_t i = g->n_node; i-- > 0;) {
        const Onnx__NodeProto *n = g->node[i];
        struct onnx_val *y = n->n_output ? find(p, n->output[0]) : NULL;
        if (!y || !(y->flags & FROM_INTEGER))
            continue;
        if (onnx_is_op(n, "Sin") || onnx_is_op(n, "Cos"))
            y->flags |= IS_EXACT;
        for (size_t j = 0; y->flags & IS_EXACT && j < n->n_input; j++) {
            struct onnx_val *x = find(p, n->input[j]);
            if (x && x->flags & FROM_INTEGER)
                x->flags |= IS_EXACT;
        }
    }
    return 0;
}

/* --- which values become float16 --- */

static int mark_outputs(void *user, Onnx__GraphProto *g) {
    for (size_t i = 0; i < g->n_output; i++) {
        struct onnx_val *x = find(user, g->output[i]->name);
        if (x)
            x->flags |= IS_OUTPUT;
    }
    return 0;
}

static int mark_wanted(void *user, Onnx__NodeProto *n) {
    const struct pass *p = user;
    const bool wide = is_blocked(n) || is_exact(p, n);
    for (size_t i = 0; i < n->n_input; i++) {
        struct onnx_val *x = find(p, n->input[i]);
        if (x && !wide && !is_always_float(p, n, i))
            x->flags |= WANTS_HALF;
    }
    return 0;
}

static int mark_half(struct pass *p) {
    for (size_t i = 0; i < p->values.cap; i++) {
        struct onnx_val *x = p->values.slots[i];
        if (!x || x->type != FLOAT || x->flags & IS_EXACT)
            continue;
        if ((x->weight || x->constant) && !(x->flags & WANTS_HALF))
            continue;
        x->flags |= IS_HALF;
        if (!x->weight)
            continue;
        x->weight->type = FLOAT16;
        x->weight->to = DTYPE_F16;
        x->weight->expr = expr_clamp(p->g->arena, x->weight->expr, ONNX_F16_LEAST, ONNX_F16_MOST);
        if (!x->weight->expr)
            return err_set(p->err, -ENOMEM, "no memory for the graph");
    }
    return 0;
}

/* Of each graph, as branches may call theirs alike. */
static int narrow_constants(void *user, Onnx__GraphProto *g) {
    const struct pass *p = user;
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < g->n_initializer; i++) {
        Onnx__TensorProto *t = g->initializer[i];
        if (t->data_type == FLOAT && has_flag(p, t->name, IS_HALF))
            rc = onnx_tensor_convert(p->g, t, FLOAT16);
        if (rc < 0)
            return err_set(p->err, rc, "%.80s cannot be converted to float16", t->name);
    }
    return 0;
}

static void narrow_values(const struct pass *p, Onnx__ValueInfoProto *const *values, size_t n) {
    for (size_t i = 0; i < n; i++) {
        Onnx__TypeProto__Tensor *t = values[i]->type ? values[i]->type->tensor_type : NULL;
        const struct onnx_val *x = find(p, values[i]->name);
        if (t && t->elem_type == FLOAT && (!x || x->flags & IS_HALF))
            t->elem_type = FLOAT16;
    }
}

/* --- nodes --- */

static int convert_attributes(const struct pass *p, Onnx__NodeProto *n) {
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < n->n_attribute; i++) {
        Onnx__AttributeProto *a = n->attribute[i];
        if (a->t && a->t->data_type == FLOAT)
            rc = onnx_tensor_convert(p->g, a->t, FLOAT16);
        for (size_t j = 0; rc == 0 && j < a->n_tensors; j++)
            if (a->tensors[j]->data_type == FLOAT)
                rc = onnx_tensor_convert(p->g, a->tensors[j], FLOAT16);
    }
    return rc < 0 ? err_set(p->err, rc, "a constant of node %.80s cannot be converted",
                            n->name ? n->name : "")
                  : 0;
}

/* Operators that yield float32 where nothing is said. */
static void say_type(const struct pass *p, Onnx__NodeProto *n) {
    for (size_t i = 0; i < n->n_attribute; i++)
        if (onnx_says_type(n, n->attribute[i]) && n->attribute[i]->i == FLOAT)
            n->attribute[i]->i = FLOAT16;
    if ((onnx_is_op(n, "RandomNormal") || onnx_is_op(n, "RandomUniform") ||
         onnx_is_op(n, "SequenceEmpty")) &&
        !onnx_attr(n, "dtype"))
        onnx_attr_int(p->g, n, "dtype", FLOAT16);
    if (onnx_is_op(n, "ConstantOfShape") && !onnx_attr(n, "value"))
        onnx_attr_number(p->g, n, "value", FLOAT16, NULL, sizeof(uint16_t));
}

/* protobuf-c does not write through the texts of a message. */
static char *cast_name(const struct pass *p, const struct onnx_val *x, const char *bits) {
    return (char *)(uintptr_t)onnx_text(p->g, "%s_cast_to_fp%s", x->name, bits);
}

static void cast_input(const struct pass *p, Onnx__NodeProto *n, size_t i, bool wide) {
    struct onnx_val *x = find(p, n->input[i]);
    if (!x || !(x->flags & (wide ? IS_HALF : IS_EXACT)))
        return;
    x->flags |= wide ? CAST_UP : CAST_DOWN;
    n->input[i] = cast_name(p, x, wide ? "32" : "16");
}

static int change_node(void *user, Onnx__NodeProto *n) {
    const struct pass *p = user;
    const bool blocked = is_blocked(n), exact = is_exact(p, n);
    int rc = 0;
    if (!blocked && !exact) {
        say_type(p, n);
        rc = is_mixed(p, n) ? 0 : convert_attributes(p, n);
    }
    for (size_t i = 0; i < n->n_input; i++)
        cast_input(p, n, i, blocked || exact || is_always_float(p, n, i));
    for (size_t i = 0; blocked && i < n->n_output; i++) {
        struct onnx_val *y = find(p, n->output[i]);
        if (y && y->flags & IS_HALF) {
            y->flags |= MADE_WIDE;
            n->output[i] = cast_name(p, y, "16");
        }
    }
    return rc < 0 || !p->g->failed ? rc : err_set(p->err, -ENOMEM, "no memory for the graph");
}

/* --- Casts, each behind what it casts --- */

struct rebuilt {
    const struct pass *p;
    Onnx__NodeProto **nodes;
    size_t n, cap;
};

static void add_node(struct rebuilt *r, Onnx__NodeProto *n) {
    onnx_list_add(r->p->g, &r->nodes, &r->n, &r->cap, n);
}

static void add_cast(struct rebuilt *r, const char *from, const char *to, const char *name,
                     int32_t type) {
    Onnx__NodeProto *n = onnx_make_node(r->p->g, "", "Cast", onnx_text(r->p->g, "%s_node", name),
                                        ONNX_NAMES(from), ONNX_NAMES(to));
    onnx_attr_int(r->p->g, n, "to", type);
    add_node(r, n);
}

static void add_casts(struct rebuilt *r, const char *value) {
    struct onnx_val *x = find(r->p, value);
    if (!x || !(x->flags & (MADE_WIDE | CAST_DOWN | CAST_UP)))
        return;
    const char *up = cast_name(r->p, x, "32"), *down = cast_name(r->p, x, "16");
    if (x->flags & MADE_WIDE)
        add_cast(r, down, x->name, down, FLOAT16);
    if (x->flags & CAST_DOWN)
        add_cast(r, x->name, down, down, FLOAT16);
    if (x->flags & CAST_UP)
        add_cast(r, x->name, up, up, FLOAT);
    x->flags &= ~(uint32_t)(MADE_WIDE | CAST_DOWN | CAST_UP);
}

/* The value that output @i of @n had in the source. */
static const char *own_name(const struct pass *p, const char *output) {
    const size_t n = strlen(output), suffix = strlen("_cast_to_fp16");
    return find(p, output) || n <= suffix ? output
                                          : onnx_text(p->g, "%.*s", (int)(n - suffix), output);
}

static int rebuild_graph(void *user, Onnx__GraphProto *g) {
    struct pass *p = user;
    struct rebuilt r = { .p = p };
    narrow_values(p, g->input, g->n_input);
    narrow_values(p, g->output, g->n_output);
    narrow_values(p, g->value_info, g->n_value_info);
    for (size_t i = 0; i < g->n_input; i++)
        add_casts(&r, g->input[i]->name);
    for (size_t i = 0; i < g->n_initializer; i++)
        add_casts(&r, g->initializer[i]->name);
    for (size_t i = 0; g == p->g->model->graph && i < p->g->n_weights; i++)
        add_casts(&r, p->g->weights[i]->name);
    for (size_t i = 0; i < g->n_node; i++) {
        add_node(&r, g->node[i]);
        for (size_t j = 0; j < g->node[i]->n_output; j++)
            add_casts(&r, own_name(p, g->node[i]->output[j]));
    }
    if (p->g->failed)
        return err_set(p->err, -ENOMEM, "no memory for the graph");
    g->node = r.nodes;
    g->n_node = r.n;
    return 0;
}

static int to_fp16(struct onnx_graph *g, struct err *err) {
    struct pass p = { .g = g, .opset = onnx_opset(g), .err = err };
    Onnx__GraphProto *graph = g->model->graph;
    int rc = onnx_values_init(&p.values, g, err);
    if (rc < 0)
        return rc;
    onnx_values_infer(&p.values);
    onnx_each_graph(graph, mark_outputs, &p);
    onnx_each_node(graph, follow_integers, &p);
    onnx_each_graph(graph, mark_exact, &p);
    onnx_each_node(graph, mark_wanted, &p);
    rc = mark_half(&p);
    if (rc == 0)
        rc = onnx_each_graph(graph, narrow_constants, &p);
    if (rc == 0)
        rc = onnx_each_node(graph, change_node, &p);
    if (rc == 0)
        rc = onnx_each_graph(graph, rebuild_graph, &p);
    g->cap.nodes = graph->n_node;
    return rc;
}

int onnx_to_fp16(struct onnx_graph *g, bool keep_io, struct err *err) {
    struct onnx_ends ends;
    int rc = keep_io ? onnx_hide_ends(g, FLOAT, &ends, err) : 0;
    if (rc == 0)
        rc = to_fp16(g, err);
    return rc < 0 || !keep_io ? rc : onnx_show_ends(g, &ends, err);
}
