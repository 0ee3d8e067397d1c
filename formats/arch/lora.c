/* SPDX-License-Identifier: Apache-2.0
 * formats/arch/lora.c - an adapter by the rules of its base's architecture: a rule is asked what it
 * would make of the whole matrix b a, and what it does to rows is done to b, what it does to
 * columns to a. Source: convert_lora_to_gguf.py (llama.cpp 0c1e570). */
#include "formats/adapter.h"
#include "formats/arch/lora.h"
#include "formats/general.h"
#include "formats/json.h"
#include <errno.h>
#include <stdlib.h>

/* The matrix that a pair stands for: a tensor that lies nowhere. */
struct product {
    struct tensor t; /* first: an expression's tensor leads here */
    struct lora_pair pair;
};

enum { NOWHERE = UINT32_MAX };

static int cannot(struct arch_work *w, struct str name) {
    return err_set(w->err, -ENOTSUP, "%.*s: adapters of this tensor are not converted",
                   STR_ARG(name));
}

/* --- from an expression over the product to its two factors --- */

static bool same_factor(const struct lora_pair *x, const struct lora_pair *y) {
    return x->a == y->a && x->scale == y->scale && x->embedding == y->embedding;
}

static bool take_factors(struct arena *a, const struct expr *e, struct lora_pair *out);

/* Parts of one matrix, or the matrices of experts. */
static bool take_stack(struct arena *a, const struct expr *e, struct lora_pair *out) {
    const struct expr **as = arena_array(a, const struct expr *, e->stack.n);
    const struct expr **bs = arena_array(a, const struct expr *, e->stack.n);
    bool one = true, alike = as && bs;
    for (uint32_t i = 0; i < e->stack.n && alike; i++) {
        struct lora_pair part;
        alike = take_factors(a, e->stack.in[i], &part);
        if (!alike)
            break;
        if (i == 0)
            *out = part;
        one = one && same_factor(out, &part);
        alike = part.scale == out->scale && part.b->rows * e->stack.n == e->rows;
        alike = alike || one;
        as[i] = part.a;
        bs[i] = part.b;
    }
    if (!alike)
        return false;
    out->b = expr_stack(a, bs, e->stack.n);
    out->a = one ? out->a : expr_stack(a, as, e->stack.n);
    out->experts = one ? 0 : e->stack.n;
    return out->a && out->b;
}

static bool take_factors(struct arena *a, const struct expr *e, struct lora_pair *out) {
    switch (e->op) {
    case EXPR_TENSOR:
        if (e->tensor->src != NOWHERE || e->cols != tensor_row(e->tensor->dims, e->tensor->n_dims))
            return false;
        *out = ((const struct product *)e->tensor)->pair;
        return true;
    case EXPR_ROWS:
        if (!take_factors(a, e->gather.in, out) || out->experts)
            return false;
        out->b = expr_rows(a, out->b, e->gather.map);
        return out->b;
    case EXPR_STACK:
        return take_stack(a, e, out);
    case EXPR_TRANSPOSE:
        if (!take_factors(a, e->transpose.in, out) || out->experts ||
            e->cols != e->transpose.in->rows)
            return false;
        return lora_turn(a, out);
    default:
        return false;
    }
}

bool lora_turn(struct arena *arena, struct lora_pair *pair) {
    const struct expr *a = expr_transpose(arena, pair->b, pair->b->rows);
    pair->b = expr_transpose(arena, pair->a, pair->a->rows);
    pair->a = a;
    return pair->a && pair->b;
}

/* --- through the rules --- */

/* Conv1D of GPT-2 keeps its matrices the other way round, which PEFT's do not. */
static int make_product(struct arch_work *w, const struct lora_pair *pair) {
    struct product *x = arena_new(w->form->arena, struct product);
    if (!x)
        return work_no_memory(w);
    x->pair = *pair;
    if (arch_is_turned(w, pair->name) && !lora_turn(w->form->arena, &x->pair))
        return cannot(w, pair->name);
    x->t = (struct tensor){ .name = pair->name, .dtype = DTYPE_F32, .n_dims = 2, .src = NOWHERE };
    x->t.dims[0] = x->pair.b->rows;
    x->t.dims[1] = x->pair.a->cols;
    x->t.elems = x->t.dims[0] * x->t.dims[1];
    const uint32_t before = w->form->n_targets;
    int rc = arch_add_tensor(w, &x->t);
    if (rc == 0 && w->form->n_targets == before && str_is(pair->name, "lm_head.weight"))
        rc = err_set(w->err, -ENOTSUP, "%.*s: the base does not write a head of its own",
                     STR_ARG(pair->name));
    return rc;
}

static bool is_product(const struct expr *e) {
    while (e->op == EXPR_ROWS || e->op == EXPR_STACK || e->op == EXPR_TRANSPOSE)
        e = e->op == EXPR_ROWS    ? e->gather.in
            : e->op == EXPR_STACK ? e->stack.in[0]
                                  : e->transpose.in;
    return e->op == EXPR_TENSOR && e->tensor->src == NOWHERE;
}

int lora_through_rules(struct arch_work *w, const struct lora_list *in, struct lora_target **out,
                       uint32_t *n) {
    int rc = 0;
    for (uint32_t i = 0; i < in->n_whole && rc == 0; i++) {
        struct tensor *t = arena_new(w->form->arena, struct tensor);
        if (!t)
            return work_no_memory(w);
        *t = *in->whole[i];
        t->name = in->whole_names[i];
        rc = arch_add_tensor(w, t);
    }
    for (uint32_t i = 0; i < in->n && rc == 0; i++)
        rc = make_product(w, &in->pairs[i]);
    *n = w->form->n_targets;
    *out = arena_array(w->form->arena, struct lora_target, *n);
    if (rc == 0 && *n && !*out)
        rc = work_no_memory(w);
    for (uint32_t i = 0; i < *n && rc == 0; i++) {
        struct lora_target *to = &(*out)[i];
        to->whole = &w->form->targets[i];
        if (!is_product(to->whole->expr))
            continue;
        if (!take_factors(w->form->arena, to->whole->expr, &to->pair))
            return cannot(w, to->whole->name);
        to->pair.name = to->whole->name;
        to->is_pair = true;
    }
    return rc;
}

/* --- the file --- */

static bool is_embedding(const struct lora_pair *pair) {
    return str_is(pair->name, "token_embd.weight");
}

static int add_factor(struct arch_work *w, const struct lora_pair *pair, const char *suffix,
                      const struct expr *e) {
    const uint64_t stack = pair->experts ? pair->experts : 1;
    const uint64_t dims[3] = { stack, e->rows / stack, e->cols };
    return work_target(w, arena_printf(w->form->arena, "%.*s%s", STR_ARG(pair->name), suffix),
                       pair->experts ? dims : dims + 1, pair->experts ? 3 : 2, e);
}

static int add_target(struct arch_work *w, const struct lora_target *t) {
    struct lora_pair pair = t->pair;
    if (!t->is_pair) {
        if (!memmem(t->whole->name.p, t->whole->name.n, "_norm", 5) || t->whole->n_dims != 1)
            return err_set(w->err, -ENOTSUP,
                           "%.*s: llama.cpp takes no adapter with whole tensors in it; merge it "
                           "with its base instead: BASE+ADAPTER",
                           STR_ARG(t->whole->name));
        return work_target(w, t->whole->name, t->whole->dims, t->whole->n_dims, t->whole->expr);
    }
    if (is_embedding(
            &pair)) { /* rows are looked up in lora_a: see llm_graph_context::build_inp_embd */
        if (!pair.embedding)
            return cannot(w, pair.name);
        pair.a = t->pair.b;
        pair.b = expr_transpose(w->form->arena, t->pair.a, t->pair.a->rows);
        if (!pair.b)
            return cannot(w, pair.name);
    }
    int rc = add_factor(w, &pair, ".lora_a", pair.a);
    return rc < 0 ? rc : add_factor(w, &pair, ".lora_b", pair.b);
}

static struct param_count count_params(const struct lora_target *targets, uint32_t n) {
    struct param_count c = { .adapter = true };
    for (uint32_t i = 0; i < n; i++) {
        const struct expr *e = targets[i].whole->expr;
        const bool looked_up = targets[i].is_pair && is_embedding(&targets[i].pair);
        c.total +=
            looked_up ? targets[i].pair.a->cols * targets[i].pair.b->cols : e->rows * e->cols;
    }
    return c;
}

static int add_tokens(struct arch_work *w, const struct json *config) {
    static const char key[] = "alora_invocation_tokens";
    const struct json *list = json_get(config, key);
    const size_t n = json_len(list);
    struct str text;
    if (!n && json_str(json_get(config, "invocation_string"), &text) && text.n)
        return err_set(w->err, -ENOTSUP,
                       "adapter_config.json: \"invocation_string\" without \"%s\"", key);
    uint32_t *tokens = arena_array(w->form->arena, uint32_t, n + 1);
    if (!tokens)
        return work_no_memory(w);
    for (size_t i = 0; i < n; i++) {
        uint64_t v;
        if (!json_u64(json_at(list, i), &v) || v > UINT32_MAX)
            return err_set(w->err, -EBADMSG, "adapter_config.json: \"%s\" is not a list of tokens",
                           key);
        tokens[i] = (uint32_t)v;
    }
    return n ? work_array(w, "adapter.alora.invocation_tokens", KV_U32, tokens, n) : 0;
}

static int add_pairs(struct arch_work *w, const struct param_count *params) {
    const struct adapter *adapter = w->model->adapter;
    double alpha;
    if (!json_f64(json_get(adapter->config, "lora_alpha"), &alpha))
        return err_set(w->err, -EBADMSG, "adapter_config.json: no \"lora_alpha\"");
    int rc = work_str(w, "general.architecture", str_from(w->arch->gguf));
    if (rc == 0)
        rc = work_str(w, "general.type", STR("adapter"));
    if (rc == 0)
        rc = work_str(w, "adapter.type", STR("lora"));
    if (rc == 0)
        rc = general_add(&w->form->kvs, w->form->arena, &adapter->own, params, w->err);
    if (rc == 0)
        rc = work_f32(w, "adapter.lora.alpha", alpha);
    if (rc == 0)
        rc = add_tokens(w, adapter->config);
    return rc < 0 ? rc : work_quantization_version(w);
}

static int add_all(struct arch_work *w, struct form *f, enum outtype out) {
    struct lora_list list;
    struct lora_target *targets;
    uint32_t n;
    int rc = adapter_pairs(w->model, f->arena, &list, w->err);
    if (rc == 0)
        rc = lora_through_rules(w, &list, &targets, &n);
    if (rc < 0)
        return rc;
    const struct param_count params = count_params(targets, n);
    w->form = f;
    w->cap = 0;
    w->rounded = out == OUTTYPE_AUTO;
    w->out = w->rounded ? arch_guess_type(w) : out;
    rc = add_pairs(w, &params);
    for (uint32_t i = 0; i < n && rc == 0; i++)
        rc = add_target(w, &targets[i]);
    return rc;
}

int form_gguf_from_adapter(struct form *f, const struct model *m, enum outtype out,
                           struct err *err) {
    struct err own = { 0 };
    struct form through = { .arena = f->arena };
    struct arch_work w = {
        .form = &through, .model = m, .folder = m->folder, .err = err ? err : &own
    };
    w.out = OUTTYPE_F32;
    if (!m->folder)
        return adapter_no_base(m, w.err);
    int rc = arch_begin(&w);
    if (rc == 0)
        rc = add_all(&w, f, out);
    arch_end(&w);
    return rc;
}
