/* SPDX-License-Identifier: Apache-2.0
 * formats/onnx/onnx_scope.c - see onnx_scope.h. A graph's names are bound in the table of values
 * when a walk enters it, and what they meant before is put back when it leaves. */
#include "formats/onnx/onnx_scope.h"
#include <errno.h>

struct onnx_outside {
    struct onnx_val *at, was;
};

static Onnx__TensorProto *matrix_of(const Onnx__NodeProto *n) {
    const Onnx__AttributeProto *value =
        onnx_is_op(n, "Constant") && n->n_output == 1 ? onnx_attr(n, "value") : NULL;
    return value && value->t && value->t->n_dims >= 2 ? value->t : NULL;
}

static void bind(const struct onnx_values *v, struct onnx_scope *s, const char *name,
                 Onnx__TensorProto *t) {
    struct onnx_val *x = onnx_values_find(v, name);
    if (!x)
        return;
    s->outside[s->n_outside++] = (struct onnx_outside){ x, *x };
    *x = (struct onnx_val){ .name = x->name, .type = x->type, .constant = t, .scope = s };
}

static int enter(const struct onnx_values *v, struct onnx_scope *s) {
    const Onnx__GraphProto *g = s->graph;
    s->outside = arena_array(v->g->arena, struct onnx_outside, g->n_initializer + g->n_node + 1);
    if (!s->outside)
        return -ENOMEM;
    for (size_t i = 0; i < g->n_initializer; i++)
        bind(v, s, g->initializer[i]->name, g->initializer[i]);
    for (size_t i = 0; i < g->n_node; i++)
        if (matrix_of(g->node[i]))
            bind(v, s, g->node[i]->output[0], matrix_of(g->node[i]));
    return 0;
}

static void leave(const struct onnx_scope *s) {
    for (size_t i = s->n_outside; i-- > 0;)
        *s->outside[i].at = s->outside[i].was;
}

/* A walk: what is done in a graph before and after those in it. */
struct walk {
    struct onnx_values *v;
    onnx_use_graph *before, *after;
    void *user;
};

static int walk_graph(const struct walk *w, Onnx__GraphProto *g);

static int walk_inner(const struct walk *w, Onnx__GraphProto *g) {
    struct onnx_scope s = { .graph = g };
    int rc = enter(w->v, &s);
    if (rc == 0)
        rc = walk_graph(w, g);
    leave(&s);
    return rc;
}

static int walk_graph(const struct walk *w, Onnx__GraphProto *g) {
    int rc = w->before(w->user, g);
    for (size_t i = 0; rc == 0 && i < g->n_node; i++)
        for (size_t j = 0; rc == 0 && j < g->node[i]->n_attribute; j++) {
            const Onnx__AttributeProto *a = g->node[i]->attribute[j];
            if (a->g)
                rc = walk_inner(w, a->g);
            for (size_t k = 0; rc == 0 && k < a->n_graphs; k++)
                rc = walk_inner(w, a->graphs[k]);
        }
    return rc == 0 && w->after ? w->after(w->user, g) : rc;
}

int onnx_each_scope(struct onnx_values *v, onnx_use_graph *use, void *user) {
    return walk_graph(&(struct walk){ v, use, NULL, user }, v->g->model->graph);
}

void onnx_scope_add(struct onnx_graph *g, struct onnx_scope *s, Onnx__TensorProto *t) {
    Onnx__GraphProto *graph = s ? s->graph : g->model->graph;
    onnx_list_add(g, &graph->initializer, &graph->n_initializer, s ? &s->cap : &g->cap.constants,
                  t);
}

/* --- what is not used --- */

static int count_uses(void *user, Onnx__GraphProto *g) {
    const struct onnx_values *v = user;
    struct onnx_val *x;
    for (size_t i = 0; i < g->n_output; i++)
        if ((x = onnx_values_find(v, g->output[i]->name)))
            x->uses++;
    for (size_t i = 0; i < g->n_node; i++)
        for (size_t j = 0; j < g->node[i]->n_input; j++)
            if ((x = onnx_values_find(v, g->node[i]->input[j])))
                x->uses++;
    return 0;
}

static bool is_used(const struct onnx_values *v, const char *name) {
    const struct onnx_val *x = onnx_values_find(v, name);
    return x && x->uses && !x->producer;
}

static int drop_from(void *user, Onnx__GraphProto *g) {
    const struct onnx_values *v = user;
    size_t n = 0;
    for (size_t i = 0; i < g->n_initializer; i++)
        if (is_used(v, g->initializer[i]->name))
            g->initializer[n++] = g->initializer[i];
    g->n_initializer = n;
    n = 0;
    for (size_t i = 0; i < g->n_node; i++)
        if (g == v->g->model->graph || !matrix_of(g->node[i]) || is_used(v, g->node[i]->output[0]))
            g->node[n++] = g->node[i];
    g->n_node = n;
    return 0;
}

int onnx_drop_unused(struct onnx_graph *g, struct err *err) {
    struct onnx_values v;
    int rc = onnx_values_init(&v, g, err);
    if (rc < 0)
        return rc;
    rc = walk_graph(&(struct walk){ &v, count_uses, drop_from, &v }, g->model->graph);
    if (rc < 0)
        return err_set(err, rc, "no memory for the graph");
    size_t n = 0;
    for (size_t i = 0; i < g->n_weights; i++)
        if (is_used(&v, g->weights[i]->name))
            g->weights[n++] = g->weights[i];
    g->n_weights = n;
    return 0;
}
