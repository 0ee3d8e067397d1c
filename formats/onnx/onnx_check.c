/* SPDX-License-Identifier: Apache-2.0
 * formats/onnx/onnx_check.c - do the nodes of a graph use values that there are? As the checker of
 * onnx 1.23 (onnx/checker.cc): a value is there before it is used, and is made once. Which
 * operators there are, and what they take, is not looked at. */
#include "formats/onnx/onnx_model.h"
#include "formats/onnx/onnx_view.h"
#include "formats/tokenizer/bpe.h"
#include <errno.h>

enum { SPARSE_INITIALIZER = 15 }; /* field of GraphProto, which is not read */

/* A graph in an attribute sees what is around it. */
struct seen {
    const struct seen *outer;
    struct token_map names;
    struct arena *arena;
    struct err *err;
};

static bool sees(const struct seen *s, struct str name) {
    uint32_t id;
    for (; s; s = s->outer)
        if (token_map_get(&s->names, name, &id))
            return true;
    return false;
}

/* How a node is called in messages: by its name, or what it yields. */
static const char *label(const Onnx__NodeProto *n) {
    return n->name && *n->name ? n->name : n->n_output ? n->output[0] : n->op_type;
}

static int check_graph(const Onnx__GraphProto *g, const struct seen *outer, struct arena *a,
                       struct err *err);

static int check_bodies(const Onnx__NodeProto *n, const struct seen *s) {
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < n->n_attribute; i++) {
        const Onnx__AttributeProto *at = n->attribute[i];
        if (at->g)
            rc = check_graph(at->g, s, s->arena, s->err);
        for (size_t k = 0; rc == 0 && k < at->n_graphs; k++)
            rc = check_graph(at->graphs[k], s, s->arena, s->err);
    }
    return rc;
}

static int add_outputs(const Onnx__NodeProto *n, struct seen *s) {
    uint32_t id;
    for (size_t i = 0; i < n->n_output; i++) {
        const struct str name = str_from(n->output[i]);
        if (!name.n)
            continue;
        if (token_map_get(&s->names, name, &id))
            return err_set(s->err, -EBADMSG, "node %s: %s is there already", label(n),
                           n->output[i]);
        token_map_put(&s->names, name, 0);
    }
    return 0;
}

static int check_node(const Onnx__NodeProto *n, const struct seen *s) {
    for (size_t i = 0; i < n->n_input; i++)
        if (*n->input[i] && !sees(s, str_from(n->input[i])))
            return err_set(s->err, -EBADMSG, "node %s: its input %s is made nowhere", label(n),
                           n->input[i]);
    return check_bodies(n, s);
}

static bool has_sparse(const Onnx__GraphProto *g) {
    for (size_t i = 0; i < g->base.n_unknown_fields; i++)
        if (g->base.unknown_fields[i].tag == SPARSE_INITIALIZER)
            return true;
    return false;
}

static int check_graph(const Onnx__GraphProto *g, const struct seen *outer, struct arena *a,
                       struct err *err) {
    struct seen s = { .outer = outer, .arena = a, .err = err };
    size_t n = g->n_input + g->n_initializer;
    for (size_t i = 0; i < g->n_node; i++)
        n += g->node[i]->n_output;
    if (has_sparse(g))
        return 0;
    if (!token_map_init(&s.names, a, n))
        return err_set(err, -ENOMEM, "no memory for the names of the graph");
    for (size_t i = 0; i < g->n_input; i++)
        if (g->input[i]->name)
            token_map_put(&s.names, str_from(g->input[i]->name), 0);
    for (size_t i = 0; i < g->n_initializer; i++)
        if (g->initializer[i]->name)
            token_map_put(&s.names, str_from(g->initializer[i]->name), 0);
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < g->n_node; i++)
        rc = add_outputs(g->node[i], &s);
    for (size_t i = 0; rc == 0 && i < g->n_node; i++)
        rc = check_node(g->node[i], &s);
    for (size_t i = 0; rc == 0 && i < g->n_output; i++)
        if (g->output[i]->name && !sees(&s, str_from(g->output[i]->name)))
            rc = err_set(err, -EBADMSG, "the output %s of the graph is made by no node",
                         g->output[i]->name);
    return rc;
}

int onnx_check(const struct model *m, struct err *err) {
    Onnx__ModelProto *p;
    struct arena a = { 0 };
    int rc = onnx_unpack(&p, &a, m->onnx->skeleton, err);
    if (rc == 0)
        rc = check_graph(p->graph, NULL, &a, err);
    if (rc < 0)
        err_prefix(err, source_path(m->sources[0]));
    arena_fini(&a);
    return rc;
}
