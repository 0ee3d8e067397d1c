/* SPDX-License-Identifier: Apache-2.0
 * formats/adapter_pairs.c - the tensors of an adapter, paired: of PEFT (peft/tuners/lora), and of
 * adapters in GGUF (src/llama-adapter.h of llama.cpp). Their factors are in adapter_scale.c. */
#include "formats/adapter_impl.h"
#include "formats/container.h"
#include "formats/json.h"
#include <errno.h>

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

/* A state_dict that was saved as it stands has the name of the adapter, too. */
static const struct suffixes PEFT[] = {
    { STR(".lora_A.weight"), STR(".lora_B.weight"), false },
    { STR(".lora_embedding_A"), STR(".lora_embedding_B"), true },
    { STR(".lora_A.default.weight"), STR(".lora_B.default.weight"), false },
    { STR(".lora_embedding_A.default"), STR(".lora_embedding_B.default"), true },
};
static const struct suffixes GGUF[] = { { STR(".lora_a"), STR(".lora_b"), false } };

int adapter_check_pair(const struct pairing *p, const struct tensor *a, const struct tensor *b,
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

static int add_gguf_pair(struct pairing *p, const struct tensor *a, const struct tensor *b,
                         struct str stem, bool embedding) {
    embedding = str_is(stem, "token_embd.weight");
    const uint32_t last = a->n_dims ? a->n_dims - 1 : 0;
    const uint64_t rank = a->dims[embedding || last == 0 ? last : last - 1];
    int rc = adapter_check_pair(p, a, b, rank, b->n_dims ? b->dims[b->n_dims - 1] : 0);
    if (rc < 0)
        return rc;
    struct lora_pair *pair = &p->out->pairs[p->out->n++];
    *pair = (struct lora_pair){
        .name = arena_str(p->arena, stem),
        .a = embedding ? adapter_turned(p, b) : expr_tensor(p->arena, a),
        .b = expr_tensor(p->arena, embedding ? a : b),
        .experts = a->n_dims == 3 ? a->dims[0] : 0,
    };
    if (embedding && !pair->a)
        return err_set(p->err, -ENOTSUP, "tensor %.*s: %s cannot be transposed", STR_ARG(b->name),
                       dtype_info[b->dtype].name);
    return pair->name.p && pair->a && pair->b ? adapter_gguf_scale(p, pair) : no_memory(p);
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
    int rc = p->m->adapter ? adapter_peft_part(p, t) : 0;
    if (rc)
        return rc < 0 ? rc : 0;
    const bool added = memmem(t->name.p, t->name.n, "lora_", 5) != NULL;
    if (added || !(str_ends(t->name, STR(".weight")) || str_ends(t->name, STR(".bias"))))
        return err_set(p->err, -ENOTSUP, "tensor %.*s: more than a product of two matrices",
                       STR_ARG(t->name));
    const struct str name =
        p->m->adapter ? adapter_base_name(p, t->name, "") : arena_str(p->arena, t->name);
    p->out->whole[p->out->n_whole] = t;
    p->out->whole_names[p->out->n_whole++] = name;
    return name.p ? 0 : no_memory(p);
}

static int check_kind(const struct pairing *p, bool peft) {
    struct str type = STR(""), kind = STR("adapter");
    if (peft)
        json_str(json_get(p->m->adapter->config, "peft_type"), &type);
    else if (!kv_get_str(&p->m->kvs, "general.type", &kind) || !str_is(kind, "adapter"))
        return err_set(p->err, -ENOTSUP, "%.*s is no adapter", STR_ARG(p->m->name));
    else
        kv_get_str(&p->m->kvs, "adapter.type", &type);
    if (!str_is(type, peft ? "LORA" : "lora"))
        return err_set(p->err, -ENOTSUP, "%s: adapters of the type \"%.*s\" are not read",
                       peft ? "adapter_config.json" : "adapter.type", STR_ARG(type));
    return 0;
}

bool lora_has_pair(const struct lora_list *list, struct str name) {
    for (uint32_t i = 0; i < list->n; i++)
        if (str_eq(list->pairs[i].name, name))
            return true;
    return false;
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
            rc = take_pair(&p, t, peft ? &PEFT[k] : &GGUF[k],
                           peft ? adapter_peft_pair : add_gguf_pair);
        rc = rc ? rc : take_whole(&p, t);
        rc = rc < 0 ? rc : 0;
    }
    if (rc == 0 && out->n == 0)
        rc = err_set(err, -EBADMSG, "the adapter changes nothing: no lora_A in it");
    return rc;
}
