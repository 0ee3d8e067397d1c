/* SPDX-License-Identifier: Apache-2.0
 * formats/arch/lora.c - an adapter by the rules of its base's architecture: a rule is asked what it
 * would make of the whole matrix b a, and what it does to rows is done to b, what it does to
 * columns to a. */
#include "formats/arch/lora.h"
#include "formats/json.h"
#include "formats/merge.h"
#include <errno.h>

int lora_cannot(struct err *err, struct str name) {
    return err_set(err, -ENOTSUP, "%.*s: adapters of this tensor are not converted", STR_ARG(name));
}

static int no_memory(struct err *err) {
    return err_set(err, -ENOMEM, "no memory for the adapter");
}

/* Each of @n matrices. One that was put together of single elements is put together again. */
static const struct expr *turn(struct arena *a, const struct expr *e, uint64_t n) {
    const struct expr *in = e->op == EXPR_TRANSPOSE ? e->transpose.in : NULL;
    if (!in || in->op != EXPR_ROWS || in->cols != 1 || in->gather.map.n != 3)
        return expr_transpose(a, e, e->rows / n);
    const struct row_map *map = &in->gather.map;
    const struct row_map other = { map->offset,
                                   3,
                                   { map->len[0], map->len[2], map->len[1] },
                                   { map->stride[0], map->stride[2], map->stride[1] } };
    return expr_transpose(a, expr_rows(a, in->gather.in, other), map->len[1]);
}

bool lora_turn(struct arena *arena, struct lora_pair *pair) {
    const uint64_t n = pair->experts ? pair->experts : 1;
    const struct expr *a = turn(arena, pair->b, n);
    pair->b = turn(arena, pair->a, n);
    pair->a = a;
    pair->turned = !pair->turned;
    return pair->a && pair->b;
}

/* --- the matrix that a pair stands for: a tensor that is made of the pair alone --- */

static bool make_product(struct arena *a, const struct lora_pair *pair, struct tensor *out) {
    struct merged *m = arena_new(a, struct merged);
    struct lora_pair *copy = arena_new(a, struct lora_pair);
    if (!m || !copy)
        return false;
    const uint64_t stack = pair->experts ? pair->experts : 1;
    const uint64_t dims[3] = { stack, pair->b->rows / stack, pair->a->cols };
    const bool bias = str_ends(pair->name, STR(".bias"));
    *copy = *pair;
    *m = (struct merged){ .pairs = copy, .n = 1, .type = DTYPE_F32 };
    *out = (struct tensor){ .name = pair->name, .dtype = DTYPE_F32, .merged = m };
    out->n_dims = pair->experts ? 3 : bias ? 1 : 2;
    memcpy(out->dims, dims + 3 - out->n_dims, out->n_dims * sizeof *dims);
    out->elems = pair->b->rows * pair->a->cols;
    return true;
}

static bool is_product(const struct expr *e) {
    struct expr_run run;
    if (!e->rows || !e->cols)
        return false;
    expr_run(e, 0, 1, &run);
    if (run.leaf->op == EXPR_TRANSPOSE)
        return is_product(run.leaf->transpose.in);
    return run.leaf->op == EXPR_TENSOR && run.leaf->tensor->merged && run.leaf->tensor->merged->n;
}

/* --- from an expression over products to two factors --- */

static bool same_factor(const struct lora_pair *x, const struct lora_pair *y) {
    return x->a == y->a && x->scale == y->scale && x->embedding == y->embedding;
}

static bool take_factors(struct arena *a, const struct expr *e, struct lora_pair *out);

/* Parts of one matrix, or the matrices of experts. */
static bool take_stack(struct arena *a, const struct expr *e, struct lora_pair *out) {
    const struct expr **as = arena_array(a, const struct expr *, e->stack.n);
    const struct expr **bs = arena_array(a, const struct expr *, e->stack.n);
    const struct expr **ms = arena_array(a, const struct expr *, e->stack.n);
    bool one = true, alike = as && bs && ms;
    for (uint32_t i = 0; i < e->stack.n && alike; i++) {
        struct lora_pair part;
        alike = take_factors(a, e->stack.in[i], &part);
        if (!alike)
            break;
        if (i == 0)
            *out = part;
        one = one && same_factor(out, &part);
        alike = one || (part.scale == out->scale && part.b->rows == out->b->rows &&
                        part.a->rows == out->a->rows);
        alike = alike && !part.magnitude == !out->magnitude && part.turned == out->turned;
        as[i] = part.a;
        bs[i] = part.b;
        ms[i] = part.magnitude;
    }
    if (!alike)
        return false;
    out->b = expr_stack(a, bs, e->stack.n);
    out->a = one ? out->a : expr_stack(a, as, e->stack.n);
    out->experts = one ? 0 : e->stack.n;
    if (out->magnitude && !(out->magnitude = expr_stack(a, ms, e->stack.n)))
        return false;
    return out->a && out->b;
}

/* The same rows of each expert. */
static bool takes_of_each(const struct row_map *map, uint64_t experts, uint64_t rows) {
    uint64_t last = map->offset;
    for (uint32_t i = 1; i < map->n; i++)
        last += (map->len[i] - 1) * map->stride[i];
    return map->n > 1 && map->len[0] == experts && map->stride[0] == rows && last < rows;
}

/* Rows of a stack: of each expert, or one expert. */
static bool take_expert(struct arena *a, const struct row_map *map, struct lora_pair *out) {
    const uint64_t rows = out->b->rows / out->experts, rank = out->a->rows / out->experts;
    if (out->magnitude)
        return false;
    if (takes_of_each(map, out->experts, rows)) {
        out->b = expr_rows(a, out->b, *map);
        return out->b;
    }
    if (map->n != 1 || map->stride[0] != 1 || map->len[0] != rows || map->offset % rows)
        return false;
    out->b = expr_slice(a, out->b, map->offset, rows);
    out->a = expr_slice(a, out->a, map->offset / rows * rank, rank);
    out->experts = 0;
    return out->a && out->b;
}

static bool take_factors(struct arena *a, const struct expr *e, struct lora_pair *out) {
    if (e->op == EXPR_STACK)
        return take_stack(a, e, out);
    if (e->op == EXPR_TENSOR && e->tensor->merged && e->tensor->merged->n == 1 &&
        e->cols == tensor_row(e->tensor->dims, e->tensor->n_dims)) {
        *out = e->tensor->merged->pairs[0];
        return true;
    }
    if (e->op != EXPR_ROWS || !take_factors(a, e->gather.in, out))
        return false;
    if (out->experts)
        return take_expert(a, &e->gather.map, out);
    out->b = expr_rows(a, out->b, e->gather.map);
    if (out->magnitude && !(out->magnitude = expr_rows(a, out->magnitude, e->gather.map)))
        return false;
    return out->b;
}

static int take_targets(const struct form *f, struct lora_target **out, uint32_t *n,
                        struct err *err) {
    *n = f->n_targets;
    *out = arena_array(f->arena, struct lora_target, *n + 1ull);
    if (!*out)
        return no_memory(err);
    for (uint32_t i = 0; i < *n; i++) {
        struct lora_target *to = &(*out)[i];
        to->whole = &f->targets[i];
        if (!is_product(to->whole->expr))
            continue;
        if (!take_factors(f->arena, to->whole->expr, &to->pair))
            return lora_cannot(err, to->whole->name);
        to->pair.name = to->whole->name;
        to->is_pair = true;
    }
    return 0;
}

/* --- through the rules --- */

/* Conv1D of GPT-2 keeps its matrices the other way round, which PEFT's do not; so do experts that
 * transformers multiplies by as they stand. */
static bool is_turned(const struct arch_work *w, const struct lora_pair *pair) {
    if (pair->experts)
        return w->arch->experts_turned;
    const struct tensor_rule *rule = arch_rule(w, pair->name);
    return rule && rule->op == OP_TRANSPOSE;
}

static int add_product(struct arch_work *w, const struct lora_pair *pair) {
    struct lora_pair turned = *pair;
    struct tensor *t = arena_new(w->form->arena, struct tensor);
    if (is_turned(w, pair) && !lora_turn(w->form->arena, &turned))
        return lora_cannot(w->err, pair->name);
    if (!t || !make_product(w->form->arena, &turned, t))
        return no_memory(w->err);
    const uint32_t before = w->form->n_targets;
    int rc = arch_add_tensor(w, t);
    if (rc == 0 && w->form->n_targets == before && str_is(pair->name, "lm_head.weight"))
        rc = err_set(w->err, -ENOTSUP, "%.*s: the base does not write a head of its own",
                     STR_ARG(pair->name));
    return rc;
}

static bool rule_knows(const void *user, struct str name) {
    return arch_rule(user, name);
}

int lora_through_rules(struct arch_work *w, struct lora_list *in, struct lora_target **out,
                       uint32_t *n) {
    int rc = lora_find_names(in, w->form->arena, rule_knows, w, w->err);
    for (uint32_t i = 0; i < in->n_whole && rc == 0; i++) {
        struct tensor *t = arena_new(w->form->arena, struct tensor);
        if (!t)
            return no_memory(w->err);
        *t = *in->whole[i];
        t->name = in->whole_names[i];
        rc = arch_add_tensor(w, t);
    }
    for (uint32_t i = 0; i < in->n && rc == 0; i++)
        rc = add_product(w, &in->pairs[i]);
    if (rc == 0)
        rc = op_end_experts(w);
    return rc < 0 ? rc : take_targets(w->form, out, n, w->err);
}

/* --- to the names of a base --- */

/* The tensor that @whole is, or one that is made as @whole says; NULL: no memory. */
static const struct tensor *make_whole(struct arena *a, const struct target *whole) {
    struct merged *m = arena_new(a, struct merged);
    struct tensor *t = arena_new(a, struct tensor);
    if (expr_identity(whole->expr) || !m || !t)
        return m && t ? expr_identity(whole->expr) : NULL;
    const enum dtype moved = expr_copies(whole->expr);
    *m = (struct merged){ .in = whole->expr, .type = moved ? moved : DTYPE_F32 };
    *t = (struct tensor){ .name = whole->name, .dtype = DTYPE_F32, .merged = m };
    t->n_dims = whole->n_dims;
    memcpy(t->dims, whole->dims, sizeof t->dims);
    t->elems = whole->expr->rows * whole->expr->cols;
    t->bytes = t->elems * sizeof(float);
    return t;
}

/* The targets as a list. */
static int take_list(const struct lora_target *targets, uint32_t n, struct arena *a,
                     struct lora_list *list, struct err *err) {
    *list = (struct lora_list){ .pairs = arena_array(a, struct lora_pair, n + 1ull),
                                .whole = arena_array(a, const struct tensor *, n + 1ull),
                                .whole_names = arena_array(a, struct str, n + 1ull) };
    if (!list->pairs || !list->whole || !list->whole_names)
        return no_memory(err);
    for (uint32_t i = 0; i < n; i++) {
        const struct target *whole = targets[i].whole;
        if (targets[i].is_pair) {
            list->pairs[list->n++] = targets[i].pair;
            continue;
        }
        list->whole[list->n_whole] = make_whole(a, whole);
        list->whole_names[list->n_whole++] = whole->name;
        if (!list->whole[list->n_whole - 1])
            return no_memory(err);
    }
    return 0;
}

int lora_to_gguf(const struct model *base, struct arena *a, struct lora_list *list,
                 struct err *err) {
    struct err own = { 0 };
    struct form through = { .arena = a };
    struct arch_work w = { .form = &through, .model = base, .err = err ? err : &own };
    struct lora_target *targets;
    uint32_t n;
    w.out = OUTTYPE_F32;
    int rc = arch_begin_gguf(&w);
    if (rc == 0)
        rc = lora_through_rules(&w, list, &targets, &n);
    return rc < 0 ? rc : take_list(targets, n, a, list, err);
}

/* A GGUF whose tensors are the products, with the counts that the way back asks for. */
static int make_products(struct arch_work *w, const struct lora_list *list, struct model *out) {
    struct arena *a = w->form->arena;
    int rc = work_str(w, "general.architecture", str_from(w->arch->gguf));
    if (rc == 0)
        rc = work_u32(w, ".attention.head_count", w->n_head);
    if (rc == 0)
        rc = work_u32(w, ".attention.head_count_kv", w->n_head_kv);
    if (rc < 0)
        return rc;
    out->kvs = w->form->kvs;
    out->tensors = arena_array(a, struct tensor, (uint64_t)list->n + list->n_whole);
    if (!out->tensors)
        return no_memory(w->err);
    for (uint32_t i = 0; i < list->n; i++)
        if (!make_product(a, &list->pairs[i], &out->tensors[out->n_tensors++]))
            return no_memory(w->err);
    for (uint32_t i = 0; i < list->n_whole; i++)
        out->tensors[out->n_tensors++] = *list->whole[i];
    return 0;
}

int lora_to_hf(const struct model *base, struct arena *a, struct lora_list *list, struct err *err) {
    struct err own = { 0 };
    struct form counts = { .arena = a }, through = { .arena = a };
    struct model products = { .n_tensors = 0 };
    struct arch_work w = {
        .form = &counts, .model = base, .folder = base->folder, .err = err ? err : &own
    };
    struct lora_target *targets;
    uint32_t n;
    if (!base->folder)
        return err_set(err, -ENOTSUP, "an adapter in GGUF needs a base with a config.json");
    int rc = arch_begin(&w);
    if (rc == 0)
        rc = make_products(&w, list, &products);
    if (rc == 0)
        rc = form_hf_from_gguf(&through, &products, w.err);
    if (rc == 0)
        rc = take_targets(&through, &targets, &n, w.err);
    arch_end(&w);
    return rc < 0 ? rc : take_list(targets, n, a, list, err);
}

int lora_turn_list(const struct model *base, const struct adapter *adapter, struct arena *a,
                   struct lora_list *list, struct err *err) {
    struct form none = { .arena = a };
    struct err unknown = { 0 };
    struct arch_work w = { .form = &none, .model = base, .folder = base->folder, .err = &unknown };
    const bool known = base->folder && arch_begin(&w) == 0;
    bool all = false; /* where no row tells */
    int rc = 0;
    json_bool(json_get(adapter->config, "fan_in_fan_out"), &all);
    for (uint32_t i = 0; i < list->n && rc == 0; i++) {
        struct lora_pair *pair = &list->pairs[i];
        const bool turned = known ? is_turned(&w, pair) : all && !pair->embedding;
        if (turned && !lora_turn(a, pair))
            rc = no_memory(err);
    }
    if (base->folder)
        arch_end(&w);
    return rc;
}
