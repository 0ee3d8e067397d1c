/* SPDX-License-Identifier: Apache-2.0
 * formats/arch/back.c - see back.h. */
#include "formats/arch/back.h"
#include "formats/arch/arch_back.h"
#include "formats/arch/work.h"
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void back_fail(struct back *w, int code, const char *fmt, ...) {
    char text[200];
    va_list ap;
    if (w->rc < 0)
        return;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    w->rc = err_set(w->err, code, "%s", text);
}

/* --- members --- */

/* False: it is there. */
static bool begin(struct back *w, struct str name) {
    for (unsigned i = 0; i < w->n; i++)
        if (str_eq(w->written[i], name))
            return false;
    if (w->n == BACK_MAX_MEMBERS)
        return false;
    buffer_z(w->b, w->n ? ",\n  " : "{\n  ");
    w->written[w->n++] = name;
    buffer_json(w->b, name);
    buffer_z(w->b, ": ");
    return true;
}

void back_u64(struct back *w, const char *name, uint64_t v) {
    if (begin(w, str_from(name)))
        buffer_decimal(w->b, v);
}

static void add_f32(struct buffer *b, float v) {
    char text[32];
    for (int digits = 1; digits <= 9; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, (double)v);
        if (strtof(text, NULL) == v)
            break;
    }
    if (v == truncf(v) && fabsf(v) < 1e15f)
        snprintf(text, sizeof text, "%.1f", (double)v);
    buffer_z(b, text);
    if (!strpbrk(text, ".en"))
        buffer_z(b, ".0");
}

void back_f32(struct back *w, const char *name, float v) {
    if (!isfinite(v))
        back_fail(w, -EBADMSG, "\"%s\" would not be finite", name);
    else if (begin(w, str_from(name)))
        add_f32(w->b, v);
}

void back_bool(struct back *w, const char *name, bool v) {
    if (begin(w, str_from(name)))
        buffer_z(w->b, v ? "true" : "false");
}

void back_null(struct back *w, const char *name) {
    if (begin(w, str_from(name)))
        buffer_z(w->b, "null");
}

void back_raw(struct back *w, const char *name, const char *json) {
    if (begin(w, str_from(name)))
        buffer_z(w->b, json);
}

void back_text(struct back *w, const char *name, struct str v) {
    if (begin(w, str_from(name)))
        buffer_json(w->b, v);
}

/* --- pairs --- */

static const char *full_key(const struct back *w, const char *key, char buf[128]) {
    snprintf(buf, 128, "%s%s", *key == '.' ? w->arch->gguf : "", key);
    return buf;
}

bool back_find_u64(const struct back *w, const char *key, uint64_t *v) {
    char buf[128];
    return kv_get_u64(&w->m->kvs, full_key(w, key, buf), v);
}

bool back_find_f32(const struct back *w, const char *key, float *v) {
    char buf[128];
    double d;
    const bool found = kv_get_f64(&w->m->kvs, full_key(w, key, buf), &d);
    if (found)
        *v = (float)d;
    return found;
}

bool back_has_tensor(const struct back *w, const char *name) {
    return model_find(w->m, str_from(name));
}

/* --- lists --- */

/* The one of @names that is a field of the class. */
static bool class_field(const struct back *w, const char *names, char buf[64]) {
    while (*names) {
        const size_t n = strcspn(names, " ");
        if (n < 64) {
            memcpy(buf, names, n);
            buf[n] = 0;
            if (json_get(w->defaults, buf))
                return true;
        }
        names += n + strspn(names + n, " ");
    }
    return false;
}

static void add_counts(struct back *w, const char *name, struct kv_array list) {
    struct str elem;
    int64_t v;
    if (!begin(w, str_from(name)))
        return;
    buffer_z(w->b, "[");
    for (uint64_t i = 0; kv_array_next(&list, &elem); i++) {
        buffer_z(w->b, i ? ", " : "");
        buffer_decimal(w->b, kv_integer(list.type, elem, &v) && v > 0 ? (uint64_t)v : 0);
    }
    buffer_z(w->b, "]");
}

static void add_hparam(struct back *w, const struct hparam *hp) {
    char field[64], key[128];
    const struct kv *kv = kv_find(&w->m->kvs, str_from(full_key(w, hp->key, key)));
    struct kv_array list;
    double number;
    uint64_t v;
    if (!kv || !class_field(w, hp->names, field))
        return;
    const struct str kept = arena_str(w->arena, str_from(field));
    if (!kept.p)
        back_fail(w, -ENOMEM, "no memory for config.json");
    else if (hp->kind == HP_U32 && kv_array(kv, &list))
        add_counts(w, kept.p, list);
    else if (hp->kind == HP_U32 && kv_get_u64(&w->m->kvs, key, &v))
        back_u64(w, kept.p, hp->value ? v / hp->value : v);
    else if (hp->kind == HP_F32 && kv_get_f64(&w->m->kvs, key, &number))
        back_f32(w, kept.p, (float)number);
    else if (hp->kind == HP_BOOL && kv->type == KV_BOOL)
        back_bool(w, kept.p, kv->value.n && kv->value.p[0]);
}

static void add_list(struct back *w, const struct hparam *list) {
    for (const struct hparam *hp = list; hp->kind != HP_END; hp++) {
        if (hp->kind == HP_U32 || hp->kind == HP_F32 || hp->kind == HP_BOOL)
            add_hparam(w, hp);
        else if (hp->kind == HP_INCLUDE)
            add_list(w, hp->include);
    }
}

/* --- the whole --- */

/* What PyTorch calls the type of most numbers; quantized ones come out as float16. */
static const char *own_dtype(const struct model *m) {
    uint64_t half = 0, brain = 0, single = 0;
    for (uint32_t i = 0; i < m->n_tensors; i++) {
        const struct tensor *t = &m->tensors[i];
        *(t->dtype == DTYPE_BF16 ? &brain : t->dtype == DTYPE_F32 ? &single : &half) += t->elems;
    }
    return half >= brain && half >= single ? "float16" : brain >= single ? "bfloat16" : "float32";
}

static void add_ids(struct back *w) {
    static const struct {
        const char *key, *name;
    } ids[] = {
        { "tokenizer.ggml.bos_token_id", "bos_token_id" },
        { "tokenizer.ggml.eos_token_id", "eos_token_id" },
        { "tokenizer.ggml.padding_token_id", "pad_token_id" },
    };
    uint64_t id;
    for (size_t i = 0; i < sizeof ids / sizeof *ids; i++)
        if (kv_get_u64(&w->m->kvs, ids[i].key, &id))
            back_u64(w, ids[i].name, id);
}

static void add_all(struct back *w, const struct arch_back *how, const char *dtype) {
    static const struct hparam blocks =
        HPARAM_U32(".block_count", "n_layers num_hidden_layers n_layer num_layers");
    uint64_t experts;
    const bool has_experts =
        how->experts_type && back_find_u64(w, ".expert_count", &experts) && experts;
    const struct tensor *embedding = model_find(w->m, STR("token_embd.weight"));
    if (begin(w, STR("architectures"))) {
        buffer_z(w->b, "[\n    ");
        buffer_json(w->b, str_from(has_experts ? how->experts_class : how->class_name));
        buffer_z(w->b, "\n  ]");
    }
    back_text(w, "model_type", str_from(w->cls->model_type));
    back_text(w, "torch_dtype", str_from(dtype ? dtype : own_dtype(w->m)));
    if (embedding && embedding->n_dims == 2)
        back_u64(w, "vocab_size", embedding->dims[0]);
    add_hparam(w, &blocks);
    add_list(w, w->arch->hparams);
    if (w->cls->rope_theta > 0)
        back_rope(w);
    if (how->more)
        how->more(w);
    back_bool(w, "tie_word_embeddings", !back_has_tensor(w, "output.weight"));
    add_ids(w);
    buffer_z(w->b, "\n}\n");
}

int arch_config_add(struct buffer *b, struct arena *a, const struct model *m, const char *dtype,
                    struct err *err) {
    struct back w = { .b = b, .arena = a, .m = m, .err = err };
    struct str name = { "", 0 };
    uint64_t experts;
    kv_get_str(&m->kvs, "general.architecture", &name);
    w.arch = arch_by_gguf(name);
    if (!w.arch || !w.arch->back)
        return err_set(err, -ENOTSUP, "no config.json is made of a GGUF of architecture \"%.*s\"",
                       STR_ARG(name));
    const struct arch_back *how = w.arch->back;
    const bool has_experts =
        how->experts_type && back_find_u64(&w, ".expert_count", &experts) && experts;
    w.cls = hf_class_find(str_from(has_experts ? how->experts_type : how->model_type));
    int rc = json_parse(&w.defaults, str_from(w.cls->defaults), err);
    if (rc < 0)
        return rc;
    add_all(&w, how, dtype);
    json_free(w.defaults);
    return w.rc;
}
