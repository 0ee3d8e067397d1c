/* SPDX-License-Identifier: Apache-2.0
 * formats/onnx/onnx_names.c - weights as the exported module had them. An exporter that turns a
 * matrix over calls the result "onnx::MatMul_123"; the node that uses it still says whose it is:
 * "/model/layers.0/mlp/up_proj/MatMul" multiplies by model.layers.0.mlp.up_proj.weight. */
#include "formats/onnx/onnx_graph.h"
#include "formats/onnx/onnx_model.h"
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>

/* What a module calls the input of a node. */
static const struct {
    const char *op;
    uint32_t input;
    const char *name;
} roles[] = {
    { "MatMul", 1, "weight" },
    { "Gemm", 1, "weight" },
    { "Gemm", 2, "bias" },
    { "Conv", 1, "weight" },
    { "Conv", 2, "bias" },
    { "ConvTranspose", 1, "weight" },
    { "ConvTranspose", 2, "bias" },
    { "Gather", 0, "weight" },
    { "PRelu", 1, "weight" },
    { "LayerNormalization", 1, "weight" },
    { "LayerNormalization", 2, "bias" },
    { "InstanceNormalization", 1, "weight" },
    { "InstanceNormalization", 2, "bias" },
    { "BatchNormalization", 1, "weight" },
    { "BatchNormalization", 2, "bias" },
    { "BatchNormalization", 3, "running_mean" },
    { "BatchNormalization", 4, "running_var" },
};

static const char *find_role(const char *op, size_t input) {
    for (size_t i = 0; i < sizeof roles / sizeof *roles; i++)
        if (roles[i].input == input && strcmp(roles[i].op, op) == 0)
            return roles[i].name;
    return NULL;
}

static bool all_digits(struct str s) {
    for (size_t i = 0; i < s.n; i++)
        if (!isdigit((unsigned char)s.p[i]))
            return false;
    return s.n > 0;
}

/* Names that exporters of PyTorch number: "onnx::Conv_12", "1234", "val_7". */
static bool is_anonymous(struct str name) {
    const struct str val = STR("val_");
    if (str_starts(name, STR("onnx::")) || all_digits(name))
        return true;
    return str_starts(name, val) && all_digits((struct str){ name.p + val.n, name.n - val.n });
}

/* "/layer1/layer1.0/conv/Conv" in @a as "layer1.0.conv.ROLE": a module that is called repeats the
 * name of the container that it is in. p NULL: the name says nothing, or no memory. */
static struct str scope_name(struct arena *a, const char *node, const char *role) {
    const char *p = *node == '/' ? node + 1 : node, *last = strrchr(p, '/');
    char *out = last ? arena_alloc(a, strlen(p) + strlen(role) + 2, 1) : NULL;
    size_t n = 0;
    while (out && p < last) {
        const char *end = strchr(p, '/'), *next = end + 1;
        const size_t len = (size_t)(end - p);
        const bool repeated = next < last && strncmp(next, p, len) == 0 && next[len] == '.';
        if (!repeated && len) {
            memcpy(out + n, p, len);
            n += len;
            out[n++] = '.';
        }
        p = next;
    }
    if (!n)
        return (struct str){ NULL, 0 };
    memcpy(out + n, role, strlen(role));
    return (struct str){ out, n + strlen(role) };
}

/* Does the node multiply by the matrix as it lies, rows for inputs? A module has a row for each
 * output. */
static bool is_turned(const Onnx__NodeProto *n, size_t input) {
    if (input != 1 || !n->op_type)
        return false;
    const Onnx__AttributeProto *trans = onnx_attr(n, "transB");
    return strcmp(n->op_type, "MatMul") == 0 ||
           (strcmp(n->op_type, "Gemm") == 0 && !(trans && trans->i));
}

static int turn(struct arena *a, struct tensor *t, struct err *err) {
    uint64_t *strides = arena_array(a, uint64_t, 2);
    if (!strides)
        return err_set(err, -ENOMEM, "no memory for the model");
    const uint64_t rows = t->dims[0], cols = t->dims[1];
    strides[0] = 1;
    strides[1] = cols;
    t->dims[0] = cols;
    t->dims[1] = rows;
    t->strides = strides;
    return 0;
}

/* An anonymous tensor that node @n uses. */
static int rename_tensor(struct model *m, struct tensor *t, const Onnx__NodeProto *n, size_t input,
                         struct err *err) {
    const char *role = n->op_type && n->name ? find_role(n->op_type, input) : NULL;
    const struct str name = role ? scope_name(&m->arena, n->name, role) : (struct str){ NULL, 0 };
    if (!name.p || model_find(m, name))
        return 0;
    t->name = name;
    if (t->n_dims == 2 && t->elems && dtype_info[t->dtype].block_elems == 1 && is_turned(n, input))
        return turn(&m->arena, t, err);
    return 0;
}

static int by_name(const void *a, const void *b) {
    const struct tensor *x = *(struct tensor *const *)a, *y = *(struct tensor *const *)b;
    const int order = str_cmp(x->name, y->name);
    return order ? order : (x > y) - (x < y);
}

/* Of those that would have one name the first gets it. */
static int take_back(struct model *m, struct err *err) {
    struct tensor **order = arena_array(&m->arena, struct tensor *, m->n_tensors);
    if (!order)
        return err_set(err, -ENOMEM, "no memory for %u tensors", m->n_tensors);
    for (uint32_t i = 0; i < m->n_tensors; i++)
        order[i] = &m->tensors[i];
    if (m->n_tensors)
        qsort(order, m->n_tensors, sizeof *order, by_name);
    for (uint32_t i = 1, first = 0; i < m->n_tensors; i++) {
        if (str_eq(order[i]->name, order[first]->name))
            *order[i] = m->onnx->stored[order[i] - m->tensors];
        else
            first = i;
    }
    return model_index(m, err);
}

struct str onnx_module_name(struct arena *a, const Onnx__NodeProto *n, struct str name) {
    const struct str scope =
        is_anonymous(name) && n->name ? scope_name(a, n->name, "weight") : (struct str){ NULL, 0 };
    return scope.p ? scope : arena_str(a, name);
}

/* The parts of weights are no tensors of their own. */
static int remove_parts(struct model *m, const bool *dropped, struct err *err) {
    uint32_t n = 0;
    for (uint32_t i = 0; i < m->n_tensors; i++)
        if (!dropped[i])
            m->tensors[n++] = m->tensors[i];
    m->n_tensors = n;
    return model_index(m, err);
}

int onnx_name_tensors(struct model *m, const Onnx__ModelProto *p, struct err *err) {
    struct tensor *named = m->tensors;
    bool *dropped;
    int rc = onnx_unpack_weights(m, p, &dropped, err);
    for (size_t i = 0; rc == 0 && i < p->graph->n_node; i++) {
        const Onnx__NodeProto *n = p->graph->node[i];
        for (size_t j = 0; rc == 0 && j < n->n_input; j++) {
            const struct tensor *found = model_find(m, str_from(n->input[j]));
            struct tensor *t = found ? &named[found - named] : NULL;
            if (t && is_anonymous(t->name))
                rc = rename_tensor(m, t, n, j, err);
        }
    }
    if (rc == 0)
        rc = take_back(m, err);
    return rc < 0 ? rc : remove_parts(m, dropped, err);
}
