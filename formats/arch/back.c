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

const char *back_float(char text[32], float v, int digits) {
    if (v == truncf(v) && fabsf(v) < 1e15f)
        snprintf(text, 32, "%.1f", (double)v);
    else
        snprintf(text, 32, "%.*g", digits, (double)v);
    return strcat(text, strpbrk(text, ".en") ? "" : ".0");
}

static void add_f32(struct buffer *b, float v) {
    char text[32];
    int digits = 1;
    do
        snprintf(text, sizeof text, "%.*g", digits, (double)v);
    while (strtof(text, NULL) != v && ++digits <= 9);
    buffer_z(b, back_float(text, v, digits));
}

void back_f32(struct back *w, const char *name, float v) {
    if (!isfinite(v))
        back_fail(w, -EBADMSG, "\"%s\" would not be finite", name);
    else if (begin(w, str_from(name)))
        add_f32(w->b, v);
}

void back_fraction(struct back *w, const char *name, uint64_t n, uint64_t of) {
    char text[32];
    if (!of || n > UINT32_MAX || of > UINT32_MAX) {
        back_fail(w, -EBADMSG, "\"%s\" would not be finite", name);
        return;
    }
    double v = (double)n / (double)of;
    while ((uint64_t)(v * (double)of) < n)
        v = nextafter(v, INFINITY);
    for (int digits = 1; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, v);
        if (strtod(text, NULL) == v)
            break;
    }
    if (!strpbrk(text, ".e"))
        strcat(text, ".0");
    back_raw(w, name, text);
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

bool back_has(const struct back *w, const char *key) {
    char buf[128];
    return kv_find(&w->m->kvs, str_from(full_key(w, key, buf)));
}

bool back_has_list(const struct back *w, const char *key) {
    char buf[128];
    struct kv_array list;
    return kv_get_array(&w->m->kvs, full_key(w, key, buf), &list);
}

bool back_has_tensor(const struct back *w, const char *name) {
    return model_find(w->m, str_from(name));
}

bool back_has_flag(const struct back *w, const char *key) {
    char buf[128];
    const struct kv *kv = kv_find(&w->m->kvs, str_from(full_key(w, key, buf)));
    return kv && kv->type == KV_BOOL && kv->value.n && kv->value.p[0];
}

bool back_says(const struct back *w, const char *key, const char *text) {
    char buf[128];
    struct str value;
    return kv_get_str(&w->m->kvs, full_key(w, key, buf), &value) && str_is(value, text);
}

uint64_t back_count(const struct back *w, const char *key, uint64_t block, uint64_t absent) {
    char buf[128];
    struct kv_array list;
    struct str elem;
    uint64_t v = absent;
    int64_t element;
    if (kv_get_u64(&w->m->kvs, full_key(w, key, buf), &v) || !kv_get_array(&w->m->kvs, buf, &list))
        return v;
    for (uint64_t i = 0; kv_array_next(&list, &elem); i++)
        if (i == block && list.type == KV_BOOL)
            return elem.p[0] != 0;
        else if (i == block && kv_integer(list.type, elem, &element) && element >= 0)
            return (uint64_t)element;
    return absent;
}

uint64_t back_blocks(const struct back *w) {
    const uint64_t n = back_count(w, ".block_count", 0, 0);
    const uint64_t mtp = back_count(w, ".nextn_predict_layers", 0, 0);
    return n > mtp ? n - mtp : n;
}

void back_list(struct back *w, const char *name, back_elem_fn *elem) {
    const uint64_t n = back_blocks(w);
    if (n > BACK_MAX_BLOCKS)
        back_fail(w, -EBADMSG, "%llu blocks", (unsigned long long)n);
    else if (begin(w, str_from(name))) {
        for (uint64_t i = 0; i < n; i++) {
            const char *text = elem(w, i);
            if (!text)
                back_fail(w, -ENOMEM, "no memory for config.json");
            buffer_z(w->b, i ? ", " : "[");
            buffer_z(w->b, text ? text : "null");
        }
        buffer_z(w->b, n ? "]" : "[]");
    }
}

bool back_block_has(const struct back *w, uint64_t block, const char *tensor) {
    char name[96];
    snprintf(name, sizeof name, "blk.%llu.%s", (unsigned long long)block, tensor);
    return back_has_tensor(w, name);
}

/* --- lists --- */

static bool is_field(const struct back *w, const char *name) {
    return json_get(w->defaults, name) ||
           (w->how->fields && arch_has_word(w->how->fields, str_from(name)));
}

/* The one of @names that is a field of the class. */
static bool class_field(const struct back *w, const char *names, char buf[64]) {
    while (*names) {
        const size_t n = strcspn(names, " ");
        if (n < 64) {
            memcpy(buf, names, n);
            buf[n] = 0;
            if (is_field(w, buf))
                return true;
        }
        names += n + strspn(names + n, " ");
    }
    return false;
}

/* One where it is that of all blocks. */
static void add_counts(struct back *w, const char *name, struct kv_array list) {
    struct kv_array again = list;
    struct str elem;
    int64_t v, first = 0;
    bool same = list.n > 0;
    for (uint64_t i = 0; same && kv_array_next(&again, &elem); i++) {
        same = kv_integer(list.type, elem, &v) && v >= 0 && (i == 0 || v == first);
        first = v;
    }
    if (same)
        back_u64(w, name, (uint64_t)first);
    if (same || !begin(w, str_from(name)))
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

/* How experts are chosen, by the name that most have for it. */
static void add_gating(struct back *w) {
    const uint64_t gating = back_count(w, ".expert_gating_func", 0, 0);
    if (gating == EXPERT_GATING_SOFTMAX)
        back_raw(w, "scoring_func", "\"softmax\"");
    else if (gating == EXPERT_GATING_SIGMOID)
        back_raw(w, "scoring_func", "\"sigmoid\"");
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
    back_null(w, "pad_token_id"); /* the class's own may be beyond the vocabulary */
}

/* Without the blocks that predict further tokens. */
static void add_blocks(struct back *w) {
    char field[64];
    uint64_t n;
    if (!back_find_u64(w, ".block_count", &n) ||
        !class_field(w, "n_layers num_hidden_layers n_layer num_layers", field))
        return;
    const struct str kept = arena_str(w->arena, str_from(field));
    if (kept.p && w->arch->mtp && (back_blocks(w) < n || is_field(w, w->arch->mtp)))
        back_u64(w, w->arch->mtp, n - back_blocks(w));
    if (kept.p)
        back_u64(w, kept.p, back_blocks(w));
    else
        back_fail(w, -ENOMEM, "no memory for config.json");
}

/* The width of a head where it does not follow from the others, or the class has one of its own;
 * and as many keys as queries where the pairs do not say it, which llama.cpp takes then. */
static void add_heads(struct back *w) {
    uint64_t width = 0, hidden = 0, heads = 0;
    if (!back_find_u64(w, ".attention.head_count", &heads) || !heads)
        return;
    if (back_find_u64(w, ".attention.key_length", &width) &&
        back_find_u64(w, ".embedding_length", &hidden) &&
        (width != hidden / heads || is_field(w, "head_dim")))
        back_u64(w, "head_dim", width);
    if (!back_has(w, ".attention.head_count_kv") && is_field(w, "num_key_value_heads"))
        back_u64(w, "num_key_value_heads", heads);
}

static void add_all(struct back *w, const char *dtype) {
    const struct tensor *embedding = model_find(w->m, STR("token_embd.weight"));
    if (begin(w, STR("architectures"))) {
        buffer_z(w->b, "[\n    ");
        buffer_json(w->b, str_from(w->how->class_name));
        buffer_z(w->b, "\n  ]");
    }
    back_text(w, "model_type", str_from(w->how->model_type));
    back_text(w, "torch_dtype", str_from(dtype ? dtype : own_dtype(w->m)));
    if (embedding && embedding->n_dims == 2)
        back_u64(w, "vocab_size", embedding->dims[0]);
    if (w->how->more)
        w->how->more(w);
    add_blocks(w);
    if (w->how->pairs)
        add_list(w, w->how->pairs);
    add_list(w, w->arch->hparams);
    add_heads(w);
    add_gating(w);
    if (w->cls ? w->cls->rope_theta > 0 : is_field(w, "rope_theta"))
        back_rope(w);
    back_bool(w, "tie_word_embeddings", !back_has_tensor(w, "output.weight"));
    add_ids(w);
    buffer_z(w->b, "\n}\n");
}

static int find_back(struct back *w) {
    struct str name = { "", 0 };
    kv_get_str(&w->m->kvs, "general.architecture", &name);
    w->arch = arch_by_gguf(w->m, &w->how);
    if (w->how && !w->how->refused)
        return 0;
    return err_set(w->err, -ENOTSUP,
                   "no config.json is made of a GGUF of architecture \"%.*s\"%s%s; "
                   ".safetensors@auto has its tensors",
                   STR_ARG(name), w->how ? ": " : "", w->how ? w->how->refused : "");
}

int arch_config_check(const struct model *m, struct err *err) {
    struct back w = { .m = m, .err = err };
    return find_back(&w);
}

int arch_config_add(struct buffer *b, struct arena *a, const struct model *m, const char *dtype,
                    struct err *err) {
    struct back w = { .b = b, .arena = a, .m = m, .err = err };
    int rc = find_back(&w);
    if (rc < 0)
        return rc;
    w.cls = hf_class_find(str_from(w.how->model_type));
    if (w.cls)
        rc = json_parse(&w.defaults, str_from(w.cls->defaults), err);
    if (rc < 0)
        return rc;
    add_all(&w, dtype);
    json_free(w.defaults);
    return w.rc;
}
