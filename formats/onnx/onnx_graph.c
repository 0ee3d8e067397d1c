/* SPDX-License-Identifier: Apache-2.0
 * formats/onnx/onnx_graph.c - building graphs in an arena. */
#include "formats/onnx/onnx_graph.h"
#include <stdarg.h>
#include <stdio.h>

/* --- types --- */

static const struct {
    const char *name;
    uint32_t bits;
} types[] = {
    [ONNX__TENSOR_PROTO__DATA_TYPE__UNDEFINED] = { "undefined", 0 },
    [ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT] = { "float32", 32 },
    [ONNX__TENSOR_PROTO__DATA_TYPE__UINT8] = { "uint8", 8 },
    [ONNX__TENSOR_PROTO__DATA_TYPE__INT8] = { "int8", 8 },
    [ONNX__TENSOR_PROTO__DATA_TYPE__UINT16] = { "uint16", 16 },
    [ONNX__TENSOR_PROTO__DATA_TYPE__INT16] = { "int16", 16 },
    [ONNX__TENSOR_PROTO__DATA_TYPE__INT32] = { "int32", 32 },
    [ONNX__TENSOR_PROTO__DATA_TYPE__INT64] = { "int64", 64 },
    [ONNX__TENSOR_PROTO__DATA_TYPE__STRING] = { "string", 0 },
    [ONNX__TENSOR_PROTO__DATA_TYPE__BOOL] = { "bool", 8 },
    [ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT16] = { "float16", 16 },
    [ONNX__TENSOR_PROTO__DATA_TYPE__DOUBLE] = { "float64", 64 },
    [ONNX__TENSOR_PROTO__DATA_TYPE__UINT32] = { "uint32", 32 },
    [ONNX__TENSOR_PROTO__DATA_TYPE__UINT64] = { "uint64", 64 },
    [ONNX__TENSOR_PROTO__DATA_TYPE__COMPLEX64] = { "complex64", 64 },
    [ONNX__TENSOR_PROTO__DATA_TYPE__COMPLEX128] = { "complex128", 128 },
    [ONNX__TENSOR_PROTO__DATA_TYPE__BFLOAT16] = { "bfloat16", 16 },
    [ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT8E4M3FN] = { "float8e4m3fn", 8 },
    [ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT8E4M3FNUZ] = { "float8e4m3fnuz", 8 },
    [ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT8E5M2] = { "float8e5m2", 8 },
    [ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT8E5M2FNUZ] = { "float8e5m2fnuz", 8 },
    [ONNX__TENSOR_PROTO__DATA_TYPE__UINT4] = { "uint4", 4 },
    [ONNX__TENSOR_PROTO__DATA_TYPE__INT4] = { "int4", 4 },
    [ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT4E2M1] = { "float4e2m1", 4 },
    [ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT8E8M0] = { "float8e8m0", 8 },
    [ONNX__TENSOR_PROTO__DATA_TYPE__UINT2] = { "uint2", 2 },
    [ONNX__TENSOR_PROTO__DATA_TYPE__INT2] = { "int2", 2 },
    [ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT6E2M3] = { "float6e2m3", 6 },
    [ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT6E3M2] = { "float6e3m2", 6 },
};
enum { N_TYPES = sizeof types / sizeof *types };

uint32_t onnx_type_bits(int32_t type) {
    return type > 0 && type < N_TYPES ? types[type].bits : 0;
}

const char *onnx_type_name(int32_t type) {
    return type > 0 && type < N_TYPES ? types[type].name : "of an unknown type";
}

/* --- memory --- */

static void *take_memory(struct onnx_graph *g, uint64_t count, uint64_t size) {
    void *p = g->failed ? NULL : arena_alloc(g->arena, count, size);
    if (!p)
        g->failed = true;
    return p;
}
#define NEW(g, type)      ((type *)take_memory((g), 1, sizeof(type)))
#define ARRAY(g, type, n) ((type *)take_memory((g), (n), sizeof(type)))

void onnx_list_add(struct onnx_graph *g, void *list, size_t *n, size_t *cap, void *item) {
    void **items;
    memcpy(&items, list, sizeof items);
    if (!item || g->failed)
        return;
    if (*n >= *cap) {
        const size_t more = *n ? 2 * *n : 16;
        void **grown = ARRAY(g, void *, more);
        if (!grown)
            return;
        if (*n)
            memcpy(grown, items, *n * sizeof *grown);
        items = grown;
        *cap = more;
        memcpy(list, &items, sizeof items);
    }
    items[(*n)++] = item;
}

const char *onnx_text(struct onnx_graph *g, const char *fmt, ...) {
    va_list ap;
    va_start(ap, fmt);
    const int n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    char *p = n < 0 ? NULL : ARRAY(g, char, (uint64_t)n + 1);
    if (!p)
        return "";
    va_start(ap, fmt);
    vsnprintf(p, (size_t)n + 1, fmt, ap);
    va_end(ap);
    return p;
}

/* protobuf-c does not write through the texts of a message. */
static char *text(const char *s) {
    return (char *)(uintptr_t)s;
}

/* --- models --- */

void onnx_need_opset(struct onnx_graph *g, const char *domain, int64_t version) {
    Onnx__ModelProto *m = g->model;
    for (size_t i = 0; i < m->n_opset_import; i++)
        if (m->opset_import[i]->domain && strcmp(m->opset_import[i]->domain, domain) == 0)
            return;
    Onnx__OperatorSetIdProto *o = NEW(g, Onnx__OperatorSetIdProto);
    Onnx__OperatorSetIdProto **all = ARRAY(g, Onnx__OperatorSetIdProto *, m->n_opset_import + 1);
    if (g->failed)
        return;
    onnx__operator_set_id_proto__init(o);
    o->domain = text(domain);
    o->has_version = true;
    o->version = version;
    if (m->n_opset_import)
        memcpy(all, m->opset_import, m->n_opset_import * sizeof *all);
    all[m->n_opset_import++] = o;
    m->opset_import = all;
}

int64_t onnx_opset(const struct onnx_graph *g) {
    const Onnx__ModelProto *m = g->model;
    for (size_t i = 0; i < m->n_opset_import; i++) {
        const char *domain = m->opset_import[i]->domain;
        if (!domain || !*domain || strcmp(domain, "ai.onnx") == 0)
            return m->opset_import[i]->version;
    }
    return 0;
}

void onnx_graph_init(struct onnx_graph *g, struct arena *a, int64_t ir_version, int64_t opset,
                     bool contrib) {
    *g = (struct onnx_graph){ .arena = a };
    Onnx__ModelProto *m = NEW(g, Onnx__ModelProto);
    Onnx__GraphProto *graph = NEW(g, Onnx__GraphProto);
    if (g->failed)
        return;
    onnx__model_proto__init(m);
    onnx__graph_proto__init(graph);
    graph->name = text("main");
    m->has_ir_version = true;
    m->ir_version = ir_version;
    m->producer_name = text("weightfs");
    m->producer_version = text(WEIGHTFS_VERSION);
    m->graph = graph;
    g->model = m;
    onnx_need_opset(g, "", opset);
    if (contrib)
        onnx_need_opset(g, "com.microsoft", 1);
}

/* --- nodes --- */

static char **copy_names(struct onnx_graph *g, const char *const *names, size_t *n) {
    size_t count = 0;
    while (names[count])
        count++;
    char **copy = ARRAY(g, char *, count);
    *n = copy ? count : 0;
    for (size_t i = 0; i < *n; i++)
        copy[i] = text(names[i]);
    return copy;
}

Onnx__NodeProto *onnx_make_node(struct onnx_graph *g, const char *domain, const char *op,
                                const char *name, const char *const *inputs,
                                const char *const *outputs) {
    Onnx__NodeProto *n = NEW(g, Onnx__NodeProto);
    if (!n)
        return NULL;
    onnx__node_proto__init(n);
    n->op_type = text(op);
    n->name = text(name);
    n->domain = *domain ? text(domain) : NULL;
    n->input = copy_names(g, inputs, &n->n_input);
    n->output = copy_names(g, outputs, &n->n_output);
    return g->failed ? NULL : n;
}

Onnx__NodeProto *onnx_add_node(struct onnx_graph *g, const char *domain, const char *op,
                               const char *name, const char *const *inputs,
                               const char *const *outputs) {
    Onnx__NodeProto *n = onnx_make_node(g, domain, op, name, inputs, outputs);
    if (n)
        onnx_list_add(g, &g->model->graph->node, &g->model->graph->n_node, &g->cap.nodes, n);
    return g->failed ? NULL : n;
}

bool onnx_is_op_of(const Onnx__NodeProto *n, const char *domain, const char *op) {
    const bool standard = !n->domain || !*n->domain || strcmp(n->domain, "ai.onnx") == 0;
    const bool fits = *domain ? !standard && strcmp(n->domain, domain) == 0 : standard;
    return fits && n->op_type && strcmp(n->op_type, op) == 0;
}

bool onnx_is_op(const Onnx__NodeProto *n, const char *op) {
    return onnx_is_op_of(n, "", op);
}

void onnx_set_op(Onnx__NodeProto *n, const char *domain, const char *op) {
    n->domain = *domain ? text(domain) : NULL;
    n->op_type = text(op);
}

void onnx_set_name(Onnx__NodeProto *n, const char *name) {
    n->name = text(name);
}

void onnx_set_inputs(struct onnx_graph *g, Onnx__NodeProto *n, const char *const *inputs) {
    n->input = copy_names(g, inputs, &n->n_input);
}

void onnx_set_outputs(struct onnx_graph *g, Onnx__NodeProto *n, const char *const *outputs) {
    n->output = copy_names(g, outputs, &n->n_output);
}

Onnx__TensorProto *onnx_make_constant(struct onnx_graph *g, const char *name, int32_t type,
                                      const int64_t *dims, size_t n_dims, const void *bytes,
                                      size_t n) {
    Onnx__TensorProto *t = NEW(g, Onnx__TensorProto);
    uint8_t *data = ARRAY(g, uint8_t, n);
    int64_t *shape = ARRAY(g, int64_t, n_dims);
    if (g->failed)
        return NULL;
    onnx__tensor_proto__init(t);
    t->name = text(name);
    t->has_data_type = true;
    t->data_type = type;
    if (n_dims)
        memcpy(shape, dims, n_dims * sizeof *dims);
    t->n_dims = n_dims;
    t->dims = shape;
    if (n && bytes)
        memcpy(data, bytes, n);
    t->has_raw_data = true;
    t->raw_data = (ProtobufCBinaryData){ n, data };
    return t;
}

static Onnx__AttributeProto *add_attr(struct onnx_graph *g, Onnx__NodeProto *n, const char *name,
                                      Onnx__AttributeProto__AttributeType type) {
    Onnx__AttributeProto *a = n ? NEW(g, Onnx__AttributeProto) : NULL;
    Onnx__AttributeProto **all = a ? ARRAY(g, Onnx__AttributeProto *, n->n_attribute + 1) : NULL;
    if (!all)
        return NULL;
    onnx__attribute_proto__init(a);
    a->name = text(name);
    a->has_type = true;
    a->type = type;
    if (n->n_attribute)
        memcpy(all, n->attribute, n->n_attribute * sizeof *all);
    all[n->n_attribute++] = a;
    n->attribute = all;
    return a;
}

void onnx_attr_int(struct onnx_graph *g, Onnx__NodeProto *n, const char *name, int64_t v) {
    Onnx__AttributeProto *a = add_attr(g, n, name, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INT);
    if (a) {
        a->has_i = true;
        a->i = v;
    }
}

void onnx_attr_number(struct onnx_graph *g, Onnx__NodeProto *n, const char *name, int32_t type,
                      const void *bytes, size_t n_bytes) {
    Onnx__AttributeProto *a = add_attr(g, n, name, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__TENSOR);
    const int64_t one = 1;
    if (a)
        a->t = onnx_make_constant(g, name, type, &one, 1, bytes, n_bytes);
}

void onnx_attr_float(struct onnx_graph *g, Onnx__NodeProto *n, const char *name, float v) {
    Onnx__AttributeProto *a = add_attr(g, n, name, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOAT);
    if (a) {
        a->has_f = true;
        a->f = v;
    }
}

void onnx_attr_ints(struct onnx_graph *g, Onnx__NodeProto *n, const char *name, const int64_t *v,
                    size_t count) {
    Onnx__AttributeProto *a = add_attr(g, n, name, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INTS);
    int64_t *copy = a ? ARRAY(g, int64_t, count) : NULL;
    if (copy) {
        memcpy(copy, v, count * sizeof *v);
        a->ints = copy;
        a->n_ints = count;
    }
}

void onnx_attr_string(struct onnx_graph *g, Onnx__NodeProto *n, const char *name, const char *v) {
    Onnx__AttributeProto *a = add_attr(g, n, name, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__STRING);
    if (a) {
        a->has_s = true;
        a->s = (ProtobufCBinaryData){ strlen(v), (uint8_t *)text(v) };
    }
}

const Onnx__AttributeProto *onnx_attr(const Onnx__NodeProto *n, const char *name) {
    for (size_t i = 0; i < n->n_attribute; i++)
        if (n->attribute[i]->name && strcmp(n->attribute[i]->name, name) == 0)
            return n->attribute[i];
    return NULL;
}

/* --- constants, values, weights --- */

void onnx_add_constant(struct onnx_graph *g, const char *name, int32_t type, const int64_t *dims,
                       size_t n_dims, const void *bytes, size_t n) {
    Onnx__TensorProto *t = onnx_make_constant(g, name, type, dims, n_dims, bytes, n);
    if (t)
        onnx_list_add(g, &g->model->graph->initializer, &g->model->graph->n_initializer,
                      &g->cap.constants, t);
}

static Onnx__TensorShapeProto *make_shape(struct onnx_graph *g, const struct onnx_dim *dims,
                                          size_t n) {
    Onnx__TensorShapeProto *shape = NEW(g, Onnx__TensorShapeProto);
    Onnx__TensorShapeProto__Dimension **all = ARRAY(g, Onnx__TensorShapeProto__Dimension *, n);
    Onnx__TensorShapeProto__Dimension *d = ARRAY(g, Onnx__TensorShapeProto__Dimension, n);
    if (g->failed)
        return NULL;
    onnx__tensor_shape_proto__init(shape);
    for (size_t i = 0; i < n; i++) {
        onnx__tensor_shape_proto__dimension__init(&d[i]);
        if (dims[i].param) {
            d[i].value_case = ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_PARAM;
            d[i].dim_param = text(dims[i].param);
        } else {
            d[i].value_case = ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE;
            d[i].dim_value = dims[i].value;
        }
        all[i] = &d[i];
    }
    shape->dim = all;
    shape->n_dim = n;
    return shape;
}

void onnx_add_value(struct onnx_graph *g, enum onnx_value kind, const char *name, int32_t type,
                    const struct onnx_dim *dims, size_t n_dims) {
    Onnx__ValueInfoProto *v = NEW(g, Onnx__ValueInfoProto);
    Onnx__TypeProto *t = NEW(g, Onnx__TypeProto);
    Onnx__TypeProto__Tensor *tensor = NEW(g, Onnx__TypeProto__Tensor);
    Onnx__TensorShapeProto *shape = make_shape(g, dims, n_dims);
    if (g->failed)
        return;
    onnx__value_info_proto__init(v);
    onnx__type_proto__init(t);
    onnx__type_proto__tensor__init(tensor);
    tensor->has_elem_type = true;
    tensor->elem_type = type;
    tensor->shape = shape;
    t->tensor_type = tensor;
    v->name = text(name);
    v->type = t;
    Onnx__GraphProto *graph = g->model->graph;
    switch (kind) {
    case ONNX_INPUT:
        onnx_list_add(g, &graph->input, &graph->n_input, &g->cap.inputs, v);
        break;
    case ONNX_OUTPUT:
        onnx_list_add(g, &graph->output, &graph->n_output, &g->cap.outputs, v);
        break;
    case ONNX_VALUE:
        onnx_list_add(g, &graph->value_info, &graph->n_value_info, &g->cap.values, v);
        break;
    }
}

struct onnx_weight *onnx_add_weight(struct onnx_graph *g, const struct onnx_weight *w) {
    struct onnx_weight *copy = NEW(g, struct onnx_weight);
    if (!copy)
        return NULL;
    *copy = *w;
    onnx_list_add(g, &g->weights, &g->n_weights, &g->cap.weights, copy);
    return g->failed ? NULL : copy;
}
