/* SPDX-License-Identifier: Apache-2.0
 * formats/adapter_pairs.c - the tensors of an adapter, paired, with the factor that PEFT gives each
 * (peft/tuners/lora), and those of adapters in GGUF, with llama.cpp's (src/llama-adapter.h). */
#include "formats/adapter.h"
#include "formats/cleanup.h"
#include "formats/container.h"
#include "formats/json.h"
#include "formats/tokenizer/regex.h"
#include <errno.h>
#include <math.h>

struct pairing {
    const struct model *m;
    struct arena *arena;
    struct lora_list *out;
    struct err *err;
};

static int bad(const struct pairing *p, const struct tensor *t, const char *why) {
    return err_set(p->err, -EBADMSG, "tensor %.*s: %s", STR_ARG(t->name), why);
}

static int no_memory(const struct pairing *p) {
    return err_set(p->err, -ENOMEM, "no memory for the adapter");
}

/* How a format calls the two. */
struct suffixes {
    struct str a, b;
    bool embedding;
};

static const struct suffixes PEFT[] = {
    { STR(".lora_A.weight"), STR(".lora_B.weight"), false },
    { STR(".lora_embedding_A"), STR(".lora_embedding_B"), true },
};
static const struct suffixes GGUF[] = { { STR(".lora_a"), STR(".lora_b"), false } };

/* The name in the base: of @stem of the tensor's name. */
static struct str base_name(const struct pairing *p, struct str stem, const char *end) {
    static const struct str prefix = STR("base_model.model.");
    if (str_starts(stem, prefix))
        stem = (struct str){ stem.p + prefix.n, stem.n - prefix.n };
    return arena_printf(p->arena, "%.*s%s", STR_ARG(stem), end);
}

/* --- the factor --- */

/* The value of the first pattern that fits the module's name to its end. 1: found. */
static int find_pattern(const struct pairing *p, const char *patterns, struct str module,
                        const struct json **out) {
    const struct json *list = json_get(p->m->adapter->config, patterns);
    for (struct json_iter it = json_iter(list); json_next(&it);) {
        struct regex *re;
        size_t start = 0, end;
        const struct str text = arena_printf(p->arena, "\\A(?:.*\\.)?(?:%.*s)$", STR_ARG(it.key));
        int rc = text.p ? regex_new(&re, text, REGEX_ECMASCRIPT, p->err) : no_memory(p);
        if (rc < 0)
            return rc;
        rc = regex_find(re, module, &start, &end, p->err);
        regex_free(re);
        *out = it.value;
        if (rc)
            return rc;
    }
    return 0;
}

static int peft_value(const struct pairing *p, const char *patterns, const char *key,
                      struct str module, double *out) {
    const struct json *v = NULL;
    int rc = find_pattern(p, patterns, module, &v);
    if (rc < 0)
        return rc;
    if (!json_f64(rc ? v : json_get(p->m->adapter->config, key), out) || !isfinite(*out))
        return err_set(p->err, -EBADMSG, "adapter_config.json: \"%s\" of %.*s is not a number",
                       rc ? patterns : key, STR_ARG(module));
    return 0;
}

static int peft_scale(const struct pairing *p, struct lora_pair *pair) {
    const struct str module = { pair->name.p, pair->name.n - strlen(".weight") };
    double alpha = 0, r = 0;
    bool root = false;
    int rc = peft_value(p, "rank_pattern", "r", module, &r);
    if (rc == 0)
        rc = peft_value(p, "alpha_pattern", "lora_alpha", module, &alpha);
    if (rc < 0)
        return rc;
    if (r != (double)pair->b->cols)
        return err_set(p->err, -EBADMSG,
                       "%.*s: its matrices have rank %llu, adapter_config.json says %g",
                       STR_ARG(module), (unsigned long long)pair->b->cols, r);
    json_bool(json_get(p->m->adapter->config, "use_rslora"), &root);
    pair->scale = alpha / (root ? sqrt(r) : r);
    return 0;
}

static int gguf_scale(const struct pairing *p, struct lora_pair *pair) {
    double alpha;
    if (!kv_get_f64(&p->m->kvs, "adapter.lora.alpha", &alpha) || !isfinite(alpha))
        return err_set(p->err, -EBADMSG, "adapter.lora.alpha is missing, or not a number");
    pair->scale = alpha == 0 ? 1 : alpha / (double)pair->b->cols;
    return 0;
}

/* --- pairs --- */

static const struct expr *turned(const struct pairing *p, const struct tensor *t) {
    return expr_transpose(p->arena, expr_tensor(p->arena, t), t->dims[0]);
}

static int check_pair(const struct pairing *p, const struct tensor *a, const struct tensor *b,
                      uint64_t rank, uint64_t other) {
    if (!dtype_is_float(a->dtype) && !dtype_is_quantized(a->dtype))
        return bad(p, a, "not numbers that can be multiplied");
    if (!dtype_is_float(b->dtype) && !dtype_is_quantized(b->dtype))
        return bad(p, b, "not numbers that can be multiplied");
    if (a->n_dims != b->n_dims || a->n_dims < 2 || a->n_dims > 3 ||
        (a->n_dims == 3 && a->dims[0] != b->dims[0]) || !a->elems || !b->elems)
        return bad(p, a, "not a matrix that goes with its partner");
    if (rank != other)
        return err_set(p->err, -EBADMSG, "tensor %.*s: rank %llu, its partner has %llu",
                       STR_ARG(a->name), (unsigned long long)rank, (unsigned long long)other);
    return 0;
}

static int add_peft_pair(struct pairing *p, const struct tensor *a, const struct tensor *b,
                         struct str stem, bool embedding) {
    int rc = check_pair(p, a, b, a->dims[0], b->n_dims ? b->dims[b->n_dims - 1] : 0);
    if (rc == 0 && a->n_dims != 2)
        rc = err_set(p->err, -ENOTSUP, "tensor %.*s: adapters of convolutions are not merged",
                     STR_ARG(a->name));
    if (rc < 0)
        return rc;
    struct lora_pair *pair = &p->out->pairs[p->out->n++];
    *pair = (struct lora_pair){
        .name = base_name(p, stem, ".weight"),
        .a = embedding ? turned(p, b) : expr_tensor(p->arena, a),
        .b = embedding ? turned(p, a) : expr_tensor(p->arena, b),
        .embedding = embedding,
    };
    return pair->name.p && pair->a && pair->b ? peft_scale(p, pair) : no_memory(p);
}

static int add_gguf_pair(struct pairing *p, const struct tensor *a, const struct tensor *b,
                         struct str stem, bool embedding) {
    embedding = str_is(stem, "token_embd.weight");
    const uint32_t last = a->n_dims ? a->n_dims - 1 : 0;
    const uint64_t rank = a->dims[embedding || last == 0 ? last : last - 1];
    int rc = check_pair(p, a, b, rank, b->n_dims ? b->dims[b->n_dims - 1] : 0);
    if (rc < 0)
        return rc;
    struct lora_pair *pair = &p->out->pairs[p->out->n++];
    *pair = (struct lora_pair){
        .name = arena_str(p->arena, stem),
        .a = embedding ? turned(p, b) : expr_tensor(p->arena, a),
        .b = expr_tensor(p->arena, embedding ? a : b),
        .experts = a->n_dims == 3 ? a->dims[0] : 0,
    };
    if (embedding && !pair->a)
        return err_set(p->err, -ENOTSUP, "tensor %.*s: %s cannot be transposed", STR_ARG(b->name),
                       dtype_info[b->dtype].name);
    return pair->name.p && pair->a && pair->b ? gguf_scale(p, pair) : no_memory(p);
}

typedef int add_pair_fn(struct pairing *p, const struct tensor *a, const struct tensor *b,
                        struct str stem, bool embedding);

/* 1: @t is one of two, and was taken with its partner, at the first of them. */
static int take_pair(struct pairing *p, const struct tensor *t, const struct suffixes *s,
                     add_pair_fn *add) {
    const bool is_a = str_ends(t->name, s->a);
    if (!is_a && !str_ends(t->name, s->b))
        return 0;
    const struct str stem = { t->name.p, t->name.n - (is_a ? s->a : s->b).n };
    const struct str partner =
        arena_printf(p->arena, "%.*s%.*s", STR_ARG(stem), STR_ARG(is_a ? s->b : s->a));
    const struct tensor *other = partner.p ? model_find(p->m, partner) : NULL;
    if (!partner.p)
        return no_memory(p);
    if (!other)
        return err_set(p->err, -EBADMSG, "tensor %.*s: there is no %.*s", STR_ARG(t->name),
                       STR_ARG(partner));
    int rc = other < t ? 0 : add(p, is_a ? t : other, is_a ? other : t, stem, s->embedding);
    return rc < 0 ? rc : 1;
}

static int take_whole(struct pairing *p, const struct tensor *t) {
    const bool added = memmem(t->name.p, t->name.n, "lora_", 5) != NULL;
    if (added || !(str_ends(t->name, STR(".weight")) || str_ends(t->name, STR(".bias"))))
        return err_set(p->err, -ENOTSUP, "tensor %.*s: more than a product of two matrices",
                       STR_ARG(t->name));
    if (str_ends(t->name, STR(".base_layer.weight")))
        return 0;
    p->out->whole[p->out->n_whole] = t;
    p->out->whole_names[p->out->n_whole] = base_name(p, t->name, "");
    return p->out->whole_names[p->out->n_whole++].p ? 0 : no_memory(p);
}

static int check_kind(const struct pairing *p, bool peft) {
    struct str type = STR(""), kind = STR("adapter");
    bool dora = false;
    if (peft)
        json_str(json_get(p->m->adapter->config, "peft_type"), &type);
    else if (!kv_get_str(&p->m->kvs, "general.type", &kind) || !str_is(kind, "adapter"))
        return err_set(p->err, -ENOTSUP, "%.*s is no adapter", STR_ARG(p->m->name));
    else
        kv_get_str(&p->m->kvs, "adapter.type", &type);
    if (!str_is(type, peft ? "LORA" : "lora"))
        return err_set(p->err, -ENOTSUP, "%s: adapters of the type \"%.*s\" are not read",
                       peft ? "adapter_config.json" : "adapter.type", STR_ARG(type));
    if (peft && json_bool(json_get(p->m->adapter->config, "use_dora"), &dora) && dora)
        return err_set(p->err, -ENOTSUP,
                       "adapter_config.json: \"use_dora\" is more than a "
                       "product of two matrices");
    return 0;
}

int adapter_pairs(const struct model *m, struct arena *a, struct lora_list *out, struct err *err) {
    struct pairing p = { m, a, out, err };
    const bool peft = m->adapter != NULL;
    const size_t kinds = peft ? sizeof PEFT / sizeof *PEFT : sizeof GGUF / sizeof *GGUF;
    *out = (struct lora_list){
        .pairs = arena_array(a, struct lora_pair, m->n_tensors),
        .whole = arena_array(a, const struct tensor *, m->n_tensors),
        .whole_names = arena_array(a, struct str, m->n_tensors),
    };
    int rc = out->pairs && out->whole && out->whole_names ? check_kind(&p, peft) : no_memory(&p);
    for (uint32_t i = 0; i < m->n_tensors && rc == 0; i++) {
        const struct tensor *t = &m->tensors[i];
        for (size_t k = 0; k < kinds && rc == 0; k++)
            rc = take_pair(&p, t, peft ? &PEFT[k] : &GGUF[k], peft ? add_peft_pair : add_gguf_pair);
        rc = rc ? rc : take_whole(&p, t);
        rc = rc < 0 ? rc : 0;
    }
    if (rc == 0 && out->n == 0)
        rc = err_set(err, -EBADMSG, "the adapter changes nothing: no lora_A in it");
    return rc;
}
