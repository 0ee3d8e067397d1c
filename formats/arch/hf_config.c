/* SPDX-License-Identifier: Apache-2.0
 * formats/arch/hf_config.c - see hf_config.h. */
#include "formats/arch/hf_config.h"
#include "formats/arch/family.h"
#include <errno.h>

const struct hf_class *hf_class_find(struct str model_type) {
    for (const struct family *const *f = families; *f; f++)
        for (const struct hf_class *cls = (*f)->classes; cls && cls->model_type; cls++)
            if (str_is(model_type, cls->model_type))
                return cls;
    return NULL;
}

/* Fields that most classes have, and the kinds of values that they take: bits by enum json_type. */
#define KIND(t) (1u << (t))
static const struct {
    const char *name;
    unsigned kinds;
} common_fields[] = {
    { "hidden_act", KIND(JSON_STRING) },
    { "initializer_range", KIND(JSON_DOUBLE) },
    { "use_cache", KIND(JSON_BOOL) },
    { "tie_word_embeddings", KIND(JSON_BOOL) },
    { "attention_bias", KIND(JSON_BOOL) },
    { "mlp_bias", KIND(JSON_BOOL) },
    { "attention_dropout", KIND(JSON_INT) | KIND(JSON_DOUBLE) },
    { "bos_token_id", KIND(JSON_INT) | KIND(JSON_NULL) },
    { "pad_token_id", KIND(JSON_INT) | KIND(JSON_NULL) },
    { "eos_token_id", KIND(JSON_INT) | KIND(JSON_ARRAY) | KIND(JSON_NULL) },
};

/* What the class's @kinds says of a field; 0: nothing. */
static unsigned named_kinds(const struct hf_class *cls, struct str name) {
    unsigned kinds = 0;
    for (const char *s = cls->kinds; s && *s; s += strspn(s, " ")) {
        const struct str word = { s, strcspn(s, "=") };
        const bool found = str_eq(word, name);
        for (s += word.n; *s && *s != ' '; s++)
            if (found && *s != '=')
                kinds |= *s == 'f'   ? KIND(JSON_DOUBLE)
                         : *s == 'i' ? KIND(JSON_INT)
                                     : KIND(JSON_NULL);
    }
    return kinds;
}

/* A field that the class computes where it is null. */
static bool is_filled(const struct hf_class *cls, const char *name) {
    for (size_t i = 0; i < sizeof cls->fill / sizeof *cls->fill; i++)
        if (cls->fill[i].key && strcmp(cls->fill[i].key, name) == 0)
            return true;
    return false;
}

static bool is_optional(const struct hf_class *cls, struct str name) {
    for (const char *s = cls->optional; s && *s; s += strspn(s, " ")) {
        const struct str word = { s, strcspn(s, " ") };
        if (str_eq(word, name))
            return true;
        s += word.n;
    }
    return false;
}

/* The kinds of values that a field with such a default takes. */
static unsigned kinds_of(const struct hf_class *cls, struct str name, enum json_type type) {
    char text[64] = { 0 };
    unsigned kinds = named_kinds(cls, name);
    if (kinds || name.n >= sizeof text)
        return kinds;
    memcpy(text, name.p, name.n);
    kinds = KIND(type);
    if (type == JSON_NULL)
        kinds |= KIND(JSON_INT);
    else if (is_filled(cls, text) || is_optional(cls, name))
        kinds |= KIND(JSON_NULL);
    return kinds;
}

/* transformers' classes are strict about types: a model whose config.json breaks them is converted
 * with config.json as it is. */
static bool validates(const struct hf_config *c) {
    const struct json *own = c->text ? c->text : c->root;
    for (size_t i = 0; i < sizeof common_fields / sizeof *common_fields; i++) {
        const struct json *v = json_get(own, common_fields[i].name);
        const unsigned named = named_kinds(c->cls, str_from(common_fields[i].name));
        if (v && !((named ? named : common_fields[i].kinds) & KIND(json_type(v))))
            return false;
    }
    for (struct json_iter it = json_iter(c->defaults); json_next(&it);) {
        char name[64] = { 0 };
        if (it.key.n >= sizeof name)
            continue;
        memcpy(name, it.key.p, it.key.n);
        const struct json *v = json_get(own, name);
        if (v && !(kinds_of(c->cls, it.key, json_type(it.value)) & KIND(json_type(v))))
            return false;
    }
    uint64_t hidden, heads;
    return !c->cls->even_heads || hf_config_u64(c, "hidden_size", &hidden, NULL) <= 0 ||
           hf_config_u64(c, "num_attention_heads", &heads, NULL) <= 0 ||
           (heads && hidden % heads == 0);
}

int hf_config_init(struct hf_config *c, const struct json *config, struct err *err) {
    static const char *const nested[] = { "language_config", "lm_config", "llm_config",
                                          "text_config" };
    *c = (struct hf_config){ .root = config };
    for (size_t i = 0; i < sizeof nested / sizeof *nested && !c->text; i++)
        if (json_type(json_get(config, nested[i])) == JSON_OBJECT)
            c->text = json_get(config, nested[i]);
    const struct json *thinker = json_get(json_get(config, "thinker_config"), "text_config");
    if (!c->text && json_type(thinker) == JSON_OBJECT) /* beside one that talks */
        c->text = thinker;
    struct str model_type;
    if (!json_str(json_get(config, "model_type"), &model_type))
        return 0;
    model_type = hf_text_type(model_type, c->text);
    c->cls = model_type.p ? hf_class_find(model_type) : NULL;
    if (!c->cls)
        return 0;
    int rc = json_parse(&c->defaults, str_from(c->cls->defaults), err);
    if (rc == 0 && !validates(c))
        c->cls = NULL;
    return rc;
}

int hf_config_assume(struct hf_config *c, const char *fields, struct err *err) {
    return fields ? json_parse(&c->assumed, str_from(fields), err) : 0;
}

void hf_config_fini(struct hf_config *c) {
    json_free(c->defaults);
    json_free(c->assumed);
    c->defaults = c->assumed = NULL;
}

void hf_config_raw(struct hf_config *c) {
    hf_config_fini(c);
    c->cls = NULL;
}

/* The member @name of @object; one that config.json spells otherwise under that spelling. */
static const struct json *member(const struct hf_config *c, const struct json *object,
                                 const char *name) {
    const struct json *v = json_get(object, name);
    for (size_t i = 0; c->cls && i < sizeof c->cls->rename / sizeof *c->cls->rename; i++) {
        const char *from = c->cls->rename[i].from;
        if (from && !v && strcmp(c->cls->rename[i].to, name) == 0)
            v = json_get(object, from);
        else if (from && strcmp(from, name) == 0)
            return NULL; /* stored under the other name only */
    }
    return v;
}

/* transformers takes parameters of generation out of a config that it knows. */
static bool is_generation(const char *name) {
    return strcmp(name, "max_length") == 0 || strcmp(name, "min_length") == 0;
}

const struct json *hf_config_json(const struct hf_config *c, const char *name) {
    const struct json *v = NULL;
    if (c->cls && is_generation(name))
        return NULL;
    if (c->text)
        v = member(c, c->text, name);
    if (!v && c->text && c->cls)
        v = json_get(c->defaults, name);
    if (!v)
        v = member(c, c->root, name);
    if (!v && c->cls)
        v = json_get(c->defaults, name);
    return v ? v : json_get(c->assumed, name);
}

/* What the class computes for a field that is null. */
static bool fill(const struct hf_config *c, const char *name, struct hf_value *out) {
    for (size_t i = 0; c->cls && i < sizeof c->cls->fill / sizeof *c->cls->fill; i++) {
        uint64_t from, by = 1;
        if (!c->cls->fill[i].key || strcmp(c->cls->fill[i].key, name) != 0)
            continue;
        if (hf_config_u64(c, c->cls->fill[i].from, &from, NULL) <= 0 ||
            (c->cls->fill[i].by && hf_config_u64(c, c->cls->fill[i].by, &by, NULL) <= 0) || !by)
            return false;
        *out = (struct hf_value){ .computed = true, .number = from / by };
        return true;
    }
    return false;
}

bool hf_config_find(const struct hf_config *c, const char *names, struct hf_value *out,
                    struct str *which) {
    while (*names) {
        const size_t n = strcspn(names, " ");
        char name[64];
        if (n < sizeof name) {
            memcpy(name, names, n);
            name[n] = 0;
            if (which)
                *which = (struct str){ names, n };
            *out = (struct hf_value){ .json = hf_config_json(c, name) };
            if (json_is_null(out->json) && fill(c, name, out))
                return true;
            if (out->json)
                return !json_is_null(out->json);
        }
        names += n + strspn(names + n, " ");
    }
    return false;
}

int hf_config_u64(const struct hf_config *c, const char *names, uint64_t *out, struct err *err) {
    struct hf_value v;
    struct str which;
    if (!hf_config_find(c, names, &v, &which))
        return 0;
    if (v.computed)
        *out = v.number;
    else if (!json_u64(v.json, out))
        return err_set(err, -EBADMSG, "config.json: \"%.*s\" is not a count", STR_ARG(which));
    return 1;
}

int hf_config_need(const struct hf_config *c, const char *names, uint64_t *out, struct err *err) {
    int rc = hf_config_u64(c, names, out, err);
    if (rc == 0)
        return err_set(err, -EBADMSG, "config.json: no \"%.*s\"", (int)strcspn(names, " "), names);
    return rc < 0 ? rc : 0;
}

int hf_config_f64(const struct hf_config *c, const char *names, double *out, struct err *err) {
    struct hf_value v;
    struct str which;
    if (!hf_config_find(c, names, &v, &which))
        return 0;
    if (v.computed)
        *out = (double)v.number;
    else if (!json_f64(v.json, out))
        return err_set(err, -EBADMSG, "config.json: \"%.*s\" is not a number", STR_ARG(which));
    return 1;
}

bool hf_config_bool(const struct hf_config *c, const char *names, bool absent) {
    struct hf_value v;
    bool value = absent;
    if (hf_config_find(c, names, &v, NULL))
        (void)json_bool(v.json, &value);
    return value;
}

bool hf_config_str(const struct hf_config *c, const char *names, struct str *out) {
    struct hf_value v;
    return hf_config_find(c, names, &v, NULL) && json_str(v.json, out);
}
