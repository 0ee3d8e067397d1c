/* SPDX-License-Identifier: Apache-2.0
 * formats/quantized/unpack_model.c - the tensors of a quantized folder as those of the plain model,
 * in the order in which the converter has them then (conversion/base.py, dequant_model). */
#include "formats/cleanup.h"
#include "formats/folder.h"
#include "formats/quantized/method.h"
#include <errno.h>

/* --- which method --- */

static const struct json *find_config(const struct json *config) {
    const struct json *text = json_get(config, "text_config");
    const struct json *own = json_get(text, "quantization_config");
    own = own ? own : json_get(config, "quantization_config");
    return own ? own : json_get(config, "quantization"); /* of params.json */
}

/* NULL: none that is known. Mistral's own layout names a format only. */
static const struct quant_method *find_method(const struct json *config, struct str name) {
    struct str format = { NULL, 0 };
    json_str(json_get(config, "format"), &format);
    for (const struct quant_method *m = quant_methods; m->name && name.p; m++)
        if (str_is(name, m->name) && (!m->format || str_is(format, m->format)))
            return m;
    return NULL;
}

/* What @config names; p is NULL where it names none. */
static struct str method_name(const struct json *config) {
    struct str name = { NULL, 0 }, format;
    if (!json_str(json_get(config, "quant_method"), &name) &&
        json_str(json_get(config, "qformat_weight"), &format))
        name = str_is(format, "fp8_e4m3") ? STR("fp8") : format;
    return name;
}

/* modelopt may tell in a file of its own, and then names but itself. */
static int read_own(struct quantization *q, struct str *name) {
    struct str producer;
    if (name->p && !str_is(*name, "modelopt"))
        return 0;
    int rc =
        folder_json(q->model->folder, "hf_quant_config.json", FOLDER_MAX_CONFIG, &q->own, q->err);
    if (!name->p && json_str(json_get(json_get(q->own, "producer"), "name"), &producer) &&
        producer.n == strlen("modelopt") && strncasecmp(producer.p, "modelopt", producer.n) == 0)
        *name = STR("modelopt");
    return rc;
}

int quantized_check(const struct json *config, struct err *err) {
    const struct json *q = find_config(config);
    struct str name = method_name(q), format = { NULL, 0 };
    if (json_type(q) != JSON_OBJECT || find_method(q, name) || !name.p)
        return 0;
    json_str(json_get(q, "format"), &format);
    return err_set(err, -ENOTSUP,
                   "config.json: \"quantization_config\": the method %.*s%s%.*s is not read",
                   STR_ARG(name), format.p ? " with the format " : "", (int)format.n,
                   format.p ? format.p : "");
}

/* --- what a builder asks for --- */

const struct tensor *quant_find(struct quantization *q, const struct quant_weight *w,
                                const char *ending) {
    char name[TENSOR_MAX_NAME];
    const size_t n = strlen(ending);
    if (w->stem.n + n > sizeof name)
        return NULL;
    memcpy(name, w->stem.p, w->stem.n);
    memcpy(name + w->stem.n, ending, n);
    const struct tensor *t = model_find(q->model, (struct str){ name, w->stem.n + n });
    if (t)
        q->used[t - q->model->tensors] = true;
    return t;
}

const struct tensor *quant_need(struct quantization *q, const struct quant_weight *w,
                                const char *ending) {
    const struct tensor *t = quant_find(q, w, ending);
    if (!t)
        err_set(q->err, -EBADMSG, "%s: tensor %.*s%s of weight %.*s is missing", q->method->name,
                STR_ARG(w->stem), ending, STR_ARG(w->name));
    return t;
}

int quant_number(const struct quantization *q, const struct json *object, const char *key,
                 int64_t least, int64_t most, int64_t *out) {
    if (json_i64(json_get(object, key), out) && *out >= least && *out <= most)
        return 0;
    return err_set(q->err, -ENOTSUP, "%s: \"%s\" in config.json is not a number that is read",
                   q->method->name, key);
}

int quant_bad(const struct quantization *q, const struct tensor *t, const char *why) {
    return err_set(q->err, -EBADMSG, "%s: tensor %.*s: %s", q->method->name, STR_ARG(t->name), why);
}

/* --- all tensors --- */

static bool ends_with_any(struct str name, const char *endings) {
    while (endings && *endings) {
        const struct str end = { endings, strcspn(endings, " ") };
        if (str_ends(name, end))
            return true;
        endings += end.n + strspn(endings + end.n, " ");
    }
    return false;
}

/* The weight that @anchor belongs to: in @out, or, with a name of NULL, none. */
static int build_weight(struct quantization *q, const struct tensor *anchor, struct tensor *out) {
    struct arena *a = &q->model->arena;
    const struct quant_rule *r = q->method->rules;
    out->name.p = NULL;
    while (r->ending && !str_ends(anchor->name, str_from(r->ending)))
        r++;
    if (!r->ending)
        return 0;
    struct quant_weight w = { .anchor = anchor, .p = arena_new(a, struct packed) };
    w.stem = (struct str){ anchor->name.p, anchor->name.n - strlen(r->ending) };
    w.name = arena_printf(a, "%.*s%s", STR_ARG(w.stem), r->weight);
    if (!w.p || !w.name.p)
        return err_set(q->err, -ENOMEM, "no memory for the weights");
    *w.p = (struct packed){ .method = q->method->name, .factor = 1, .input_scale = 1 };
    q->used[anchor - q->model->tensors] = true;
    int rc = r->build(q, &w);
    if (rc < 0 || !w.p->words)
        return rc;
    out->name = w.name;
    return packed_tensor(out, w.p, w.dims, w.n_dims, q->err);
}

struct unpacked {
    struct tensor *tensors; /* room for twice as many as are stored */
    uint32_t n;
    struct tensor *behind; /* those that come last */
    uint32_t n_behind;
    uint32_t *at; /* by stored tensor: 1 + the number in @behind of the weight in its place */
};

static int build_weights(struct quantization *q, struct unpacked *u) {
    const struct model *m = q->model;
    int rc = 0;
    for (uint32_t i = 0; i < m->n_tensors && rc == 0; i++) {
        struct tensor *t = &u->behind[u->n_behind];
        rc = build_weight(q, &m->tensors[i], t);
        if (rc < 0 || !t->name.p)
            continue;
        const struct tensor *words = t->packed->words;
        u->n_behind++;
        if (!q->method->appended)
            u->at[words - m->tensors] = u->n_behind;
    }
    return rc;
}

static void put_in_order(const struct quantization *q, struct unpacked *u) {
    const struct model *m = q->model;
    for (uint32_t i = 0; i < m->n_tensors; i++) {
        if (u->at[i])
            u->tensors[u->n++] = u->behind[u->at[i] - 1];
        else if (!q->used[i] && !ends_with_any(m->tensors[i].name, q->method->unused))
            u->tensors[u->n++] = m->tensors[i];
    }
    for (uint32_t i = 0; q->method->appended && i < u->n_behind; i++)
        u->tensors[u->n++] = u->behind[i];
}

static int unpack(struct quantization *q) {
    struct model *m = q->model;
    struct unpacked u = { .tensors = arena_array(&m->arena, struct tensor, 2ull * m->n_tensors) };
    auto_free bool *used = q->used = calloc(m->n_tensors + 1ull, sizeof *used);
    auto_free struct tensor *behind = u.behind = calloc(m->n_tensors + 1ull, sizeof *behind);
    auto_free uint32_t *at = u.at = calloc(m->n_tensors + 1ull, sizeof *at);
    if (!u.tensors || !used || !behind || !at)
        return err_set(q->err, -ENOMEM, "no memory for the weights");
    int rc = build_weights(q, &u);
    if (rc < 0)
        return rc;
    put_in_order(q, &u);
    m->stored = m->tensors;
    m->n_stored = m->n_tensors;
    m->tensors = u.tensors;
    m->n_tensors = u.n;
    return model_index(m, q->err);
}

int quantized_unpack(struct model *m, struct err *err) {
    struct quantization q = { .model = m, .config = find_config(m->folder->config), .err = err };
    struct str name = method_name(q.config);
    int rc = read_own(&q, &name);
    q.method = find_method(q.config, name);
    if (rc == 0 && q.method)
        rc = unpack(&q);
    json_free(q.own);
    return rc;
}
