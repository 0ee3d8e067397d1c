/* SPDX-License-Identifier: Apache-2.0
 * formats/arch/lora_form.c - an adapter as the GGUF that convert_lora_to_gguf.py makes of it.
 * Source: convert_lora_to_gguf.py (llama.cpp 0c1e570). */
#include "formats/arch/lora.h"
#include "formats/general.h"
#include "formats/json.h"
#include <errno.h>

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
    if (pair.magnitude)
        return err_set(w->err, -ENOTSUP,
                       "%.*s: DoRA has no place in a GGUF; merge it with its base: BASE+ADAPTER",
                       STR_ARG(pair.name));
    if (is_embedding(
            &pair)) { /* rows are looked up in lora_a: see llm_graph_context::build_inp_embd */
        if (!pair.embedding)
            return lora_cannot(w->err, pair.name);
        pair.a = t->pair.b;
        pair.b = expr_transpose(w->form->arena, t->pair.a, t->pair.a->rows);
        if (!pair.b)
            return lora_cannot(w->err, pair.name);
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
        rc = general_add(w->form, &adapter->own, params, w->err);
    if (rc == 0)
        rc = work_f32(w, "adapter.lora.alpha", alpha);
    if (rc == 0)
        rc = add_tokens(w, adapter->config);
    return rc < 0 ? rc : work_quantization_version(w);
}

/* What a pair is added to is the base's, which PEFT saves with adapters of embeddings. */
static void drop_bases(struct lora_list *list) {
    uint32_t n = 0;
    for (uint32_t i = 0; i < list->n_whole; i++) {
        if (lora_has_pair(list, list->whole_names[i]))
            continue;
        list->whole[n] = list->whole[i];
        list->whole_names[n++] = list->whole_names[i];
    }
    list->n_whole = n;
}

static int add_all(struct arch_work *w, struct form *f, enum outtype out) {
    struct lora_list list;
    struct lora_target *targets;
    uint32_t n;
    int rc = adapter_pairs(w->model, f->arena, &list, w->err);
    if (rc == 0)
        drop_bases(&list);
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
