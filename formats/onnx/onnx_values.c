/* SPDX-License-Identifier: Apache-2.0
 * formats/onnx/onnx_values.c - the table of values, and walks over nodes. */
#include "formats/onnx/onnx_values.h"
#include "formats/hash.h"
#include <errno.h>

int onnx_each_graph(Onnx__GraphProto *g, onnx_use_graph *use, void *user) {
    int rc = use(user, g);
    for (size_t i = 0; rc == 0 && i < g->n_node; i++)
        for (size_t j = 0; rc == 0 && j < g->node[i]->n_attribute; j++) {
            Onnx__AttributeProto *a = g->node[i]->attribute[j];
            if (a->g)
                rc = onnx_each_graph(a->g, use, user);
            for (size_t k = 0; rc == 0 && k < a->n_graphs; k++)
                rc = onnx_each_graph(a->graphs[k], use, user);
        }
    return rc;
}

struct node_walk {
    onnx_use_node *use;
    void *user;
};

static int use_nodes(void *user, Onnx__GraphProto *g) {
    const struct node_walk *w = user;
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < g->n_node; i++)
        rc = w->use(w->user, g->node[i]);
    return rc;
}

int onnx_each_node(Onnx__GraphProto *g, onnx_use_node *use, void *user) {
    struct node_walk w = { use, user };
    return onnx_each_graph(g, use_nodes, &w);
}

/* --- the table --- */

static size_t find_slot(const struct onnx_values *v, const char *name) {
    size_t i = (size_t)hash64(name, strlen(name)) & (v->cap - 1);
    while (v->slots[i] && strcmp(v->slots[i]->name, name) != 0)
        i = (i + 1) & (v->cap - 1);
    return i;
}

static bool grow(struct onnx_values *v) {
    struct onnx_val **old = v->slots;
    const size_t n = v->cap;
    v->cap = n ? 2 * n : 256;
    v->slots = arena_array(v->g->arena, struct onnx_val *, v->cap);
    if (!v->slots)
        return false;
    for (size_t i = 0; i < n; i++)
        if (old[i])
            v->slots[find_slot(v, old[i]->name)] = old[i];
    return true;
}

struct onnx_val *onnx_values_find(const struct onnx_values *v, const char *name) {
    return v->cap && name && *name ? v->slots[find_slot(v, name)] : NULL;
}

struct onnx_val *onnx_values_add(struct onnx_values *v, const char *name) {
    if (v->g->failed || (2 * v->n >= v->cap && !grow(v))) {
        v->g->failed = true;
        return NULL;
    }
    struct onnx_val **slot = &v->slots[find_slot(v, name)];
    if (*slot)
        return *slot;
    *slot = arena_new(v->g->arena, struct onnx_val);
    if (!*slot) {
        v->g->failed = true;
        return NULL;
    }
    (*slot)->name = name;
    v->n++;
    return *slot;
}

static int add_graph(void *user, Onnx__GraphProto *g) {
    struct onnx_values *v = user;
    for (size_t i = 0; i < g->n_initializer && !v->g->failed; i++) {
        const char *name = g->initializer[i]->name;
        struct onnx_val *x = name && *name ? onnx_values_add(v, name) : NULL;
        if (x)
            x->constant = g->initializer[i];
    }
    for (size_t i = 0; i < g->n_output && !v->g->failed; i++)
        if (g->output[i]->name)
            onnx_values_add(v, g->output[i]->name);
    return v->g->failed ? -ENOMEM : 0;
}

static int add_node(void *user, Onnx__NodeProto *n) {
    struct onnx_values *v = user;
    for (size_t i = 0; i < n->n_output; i++) {
        struct onnx_val *x = *n->output[i] ? onnx_values_add(v, n->output[i]) : NULL;
        if (x)
            x->producer = n;
    }
    for (size_t i = 0; i < n->n_input && !v->g->failed; i++)
        if (*n->input[i])
            onnx_values_add(v, n->input[i]);
    return v->g->failed ? -ENOMEM : 0;
}

int onnx_values_init(struct onnx_values *v, struct onnx_graph *g, struct err *err) {
    *v = (struct onnx_values){ .g = g };
    for (size_t i = 0; i < g->n_weights; i++) {
        struct onnx_val *x = onnx_values_add(v, g->weights[i]->name);
        if (x)
            x->weight = g->weights[i];
    }
    int rc = onnx_each_graph(g->model->graph, add_graph, v);
    if (rc == 0)
        rc = onnx_each_node(g->model->graph, add_node, v);
    return rc < 0 || g->failed ? err_set(err, -ENOMEM, "no memory for the graph") : 0;
}
