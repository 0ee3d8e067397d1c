/* SPDX-License-Identifier: Apache-2.0
 * formats/onnx/onnx_read.c - an ONNX file as a model: scanned, its graph unpacked, its weights
 * found. The graph itself is kept packed, and unpacked for each view that is planned. */
#include "formats/container.h"
#include "formats/folder.h"
#include "formats/onnx/onnx_model.h"
#include "formats/onnx/onnx_values.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum { MAX_FEW = 8 /* floats in a row that need not be a weight: scales of Resize, a colour */ };

/* --- unpacking --- */

static void *arena_for_protobuf(void *arena, size_t n) {
    return arena_alloc(arena, n, 1);
}

static void keep_in_arena(void *arena, void *p) {
    (void)arena, (void)p;
}

int onnx_unpack(Onnx__ModelProto **out, struct arena *a, struct str skeleton, struct err *err) {
    ProtobufCAllocator allocator = { arena_for_protobuf, keep_in_arena, a };
    *out = onnx__model_proto__unpack(&allocator, skeleton.n, (const uint8_t *)skeleton.p);
    if (!*out)
        return err_set(err, -EBADMSG, "not an ONNX model, or one whose graph is too large");
    return 0;
}

/* --- weights --- */

struct reader {
    struct model *m;
    struct root *root;
    Onnx__GraphProto **graphs; /* by their numbers */
    uint32_t n_graphs;
    const struct onnx_scan *scan;
    struct onnx_init *inits;
    struct tensor *stored;
    uint32_t n;
    struct buffer unpacked; /* numbers that were varints */
    struct err *err;
};

/* The value of a Constant whose numbers the skeleton lacks; NULL for other attributes. */
static const Onnx__TensorProto *constant_value(const Onnx__NodeProto *n) {
    const bool fits = n->op_type && strcmp(n->op_type, "Constant") == 0 && n->n_attribute == 1 &&
                      n->n_output == 1;
    return fits ? n->attribute[0]->t : NULL;
}

/* The tensor that a payload belongs to, and its name in the graph. NULL: none that is read. */
static const Onnx__TensorProto *find_tensor(const struct reader *r, const struct onnx_payload *at,
                                            const char **name) {
    const Onnx__GraphProto *g = r->graphs[at->graph];
    const Onnx__TensorProto *t = NULL;
    if (!at->in_node && at->index < g->n_initializer) {
        t = g->initializer[at->index];
        *name = t->name;
    } else if (at->in_node && at->index < g->n_node) {
        t = constant_value(g->node[at->index]);
        *name = t ? g->node[at->index]->output[0] : NULL;
    }
    return t;
}

static bool is_float(int32_t type) {
    return type == ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT ||
           type == ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT16 ||
           type == ONNX__TENSOR_PROTO__DATA_TYPE__BFLOAT16 ||
           type == ONNX__TENSOR_PROTO__DATA_TYPE__DOUBLE;
}

/* Of a Constant: what operators take beside weights, as shapes, axes and limits. A matrix is a
 * weight, small or not, and so is a row of floats, which is a bias or of a norm. */
static bool is_parameter(const struct onnx_payload *at, const Onnx__TensorProto *t) {
    if (!at->in_node || at->len > ONNX_KEEP_BYTES || (t && t->n_dims > 1))
        return false;
    return !t || t->n_dims == 0 || !is_float(t->data_type) || t->dims[0] <= MAX_FEW;
}

static int read_weight(struct reader *r, const struct onnx_payload *at) {
    const char *name = NULL;
    const Onnx__TensorProto *t = find_tensor(r, at, &name);
    if (is_parameter(at, t) || (!t && at->graph))
        return 0;
    if (!t)
        return err_set(r->err, -ENOTSUP,
                       "node %u holds a tensor of %llu bytes that is no Constant's", at->index,
                       (unsigned long long)at->len);
    if (!name || !*name || strlen(name) > TENSOR_MAX_NAME)
        return err_set(r->err, -EBADMSG, "initializer %u has no name, or a very long one",
                       at->index);
    struct tensor *s = &r->stored[r->n];
    bool is_weight;
    int rc = onnx_tensor_read(s, &is_weight, r->m, r->root, t, at, &r->unpacked, r->err);
    if (rc < 0 || !is_weight)
        return rc;
    s->name = arena_str(&r->m->arena, str_from(name));
    r->inits[r->n++] = (struct onnx_init){ at->graph, at->in_node, at->index, t->data_type, s };
    return s->name.p ? 0 : err_set(r->err, -ENOMEM, "no memory for the model");
}

/* --- graphs in attributes --- */

static int add_graph(void *user, Onnx__GraphProto *g) {
    struct reader *r = user;
    if (r->n_graphs == r->scan->graphs)
        return -EBADMSG;
    r->graphs[r->n_graphs++] = g;
    return 0;
}

/* In the order of the scan, unless an attribute says twice what it is. */
static int list_graphs(struct reader *r, struct arena *a, Onnx__GraphProto *main) {
    r->graphs = arena_array(a, Onnx__GraphProto *, r->scan->graphs);
    if (!r->graphs)
        return err_set(r->err, -ENOMEM, "no memory for %u graphs", r->scan->graphs);
    if (onnx_each_graph(main, add_graph, r) < 0 || r->n_graphs != r->scan->graphs)
        return err_set(r->err, -EBADMSG, "not an ONNX model: graphs that run into each other");
    return 0;
}

static int by_name(const void *a, const void *b) {
    const struct onnx_init *x = *(struct onnx_init *const *)a, *y = *(struct onnx_init *const *)b;
    const int order = str_cmp(x->tensor->name, y->tensor->name);
    return order ? order : (x > y) - (x < y);
}

static bool name_by_graph(struct reader *r, const struct onnx_init *init) {
    struct tensor *t = &r->stored[init - r->inits];
    char text[32];
    const int n = snprintf(text, sizeof text, "graph_%u/", init->graph);
    char *name = arena_alloc(&r->m->arena, (size_t)n + t->name.n + 1, 1);
    if (!name)
        return false;
    memcpy(name, text, (size_t)n);
    memcpy(name + n, t->name.p, t->name.n + 1);
    t->name = (struct str){ name, (size_t)n + t->name.n };
    return true;
}

/* Two graphs in attributes may use one name: the first to come keeps it. */
static int tell_apart(struct reader *r, struct arena *a) {
    const struct onnx_init **order = arena_array(a, const struct onnx_init *, r->n);
    bool good = order;
    if (r->n_graphs == 1)
        return 0;
    for (uint32_t i = 0; good && i < r->n; i++)
        order[i] = &r->inits[i];
    if (good && r->n)
        qsort(order, r->n, sizeof *order, by_name);
    for (uint32_t i = 1, first = 0; good && i < r->n; i++)
        if (!str_eq(order[i]->tensor->name, order[first]->tensor->name))
            first = i;
        else if (order[i]->graph)
            good = name_by_graph(r, order[i]);
    return good ? 0 : err_set(r->err, -ENOMEM, "no memory for %u tensors", r->n);
}

/* All numbers that were varints become one source in memory. */
static int keep_unpacked(struct reader *r) {
    struct buffer *b = &r->unpacked;
    struct source *memory;
    if (!b->n)
        return 0;
    int rc = source_memory(&memory, r->m->sources[0], b->p, b->n, r->err);
    *b = (struct buffer){ 0 };
    if (rc == 0)
        rc = model_add_source(r->m, memory, r->err);
    for (uint32_t i = 0; rc >= 0 && i < r->n; i++)
        if (r->stored[i].src == ONNX_UNPACKED)
            r->stored[i].src = (uint32_t)rc;
    return rc < 0 ? rc : 0;
}

static int read_weights(struct reader *r, struct onnx_model *out) {
    r->inits = arena_array(&r->m->arena, struct onnx_init, r->scan->n);
    r->stored = arena_array(&r->m->arena, struct tensor, r->scan->n);
    if (!r->inits || !r->stored)
        return err_set(r->err, -ENOMEM, "no memory for %u tensors", r->scan->n);
    for (uint32_t i = 0; i < r->scan->n; i++) {
        int rc = read_weight(r, &r->scan->payloads[i]);
        if (rc < 0)
            return rc;
    }
    out->inits = r->inits;
    out->n_inits = r->n;
    out->stored = r->stored;
    out->external = r->m->n_sources > 1;
    return keep_unpacked(r);
}

static int index_stored(struct model *m, struct err *err) {
    const struct onnx_model *x = m->onnx;
    m->n_tensors = x->n_inits;
    m->tensors = arena_array(&m->arena, struct tensor, x->n_inits);
    if (!m->tensors)
        return err_set(err, -ENOMEM, "no memory for %u tensors", x->n_inits);
    if (x->n_inits)
        memcpy(m->tensors, x->stored, x->n_inits * sizeof *m->tensors);
    return model_index(m, err);
}

static int read_graph(struct model *m, struct root *root, const struct onnx_scan *scan,
                      struct arena *a, struct err *err) {
    struct onnx_model *x = arena_new(&m->arena, struct onnx_model);
    if (x)
        x->skeleton = arena_str(&m->arena, (struct str){ scan->skeleton.p, scan->skeleton.n });
    if (!x || !x->skeleton.p)
        return err_set(err, -ENOMEM, "no memory for the graph");
    m->onnx = x;
    Onnx__ModelProto *p;
    int rc = onnx_unpack(&p, a, x->skeleton, err);
    if (rc < 0)
        return rc;
    if (!p->graph || !p->n_opset_import)
        return err_set(err, -EBADMSG, "not an ONNX model: no graph, or no set of operators");
    struct reader r = { .m = m, .root = root, .scan = scan, .err = err };
    rc = list_graphs(&r, a, p->graph);
    if (rc == 0)
        rc = read_weights(&r, x);
    if (rc == 0)
        rc = tell_apart(&r, a);
    buffer_fini(&r.unpacked);
    if (rc == 0)
        rc = index_stored(m, err);
    if (rc == 0)
        rc = onnx_describe(m, p, err);
    return rc < 0 ? rc : onnx_name_tensors(m, p, err);
}

/* What lies beside the model says of which architecture it is. One that cannot be read is none: the
 * graph does not need it. */
static void read_folder(struct model *m, struct root *root, const char *path) {
    char dir[PATH_MAX];
    if (model_config_dir(root, path, dir) && folder_open(m, root, dir, NULL) < 0) {
        folder_free(m->folder);
        m->folder = NULL;
    }
}

int onnx_read(struct model *m, struct root *root, const char *path, struct err *err) {
    struct source *s;
    struct onnx_scan scan = { .n = 0 };
    struct arena a = { .limit = 0 };
    int rc = source_open(&s, root, path, err);
    if (rc == 0)
        rc = model_add_source(m, s, err);
    if (rc < 0)
        return rc;
    rc = onnx_scan(&scan, s, err);
    if (rc == 0)
        rc = read_graph(m, root, &scan, &a, err);
    arena_fini(&a);
    onnx_scan_fini(&scan);
    if (rc == 0)
        read_folder(m, root, path);
    return rc;
}
