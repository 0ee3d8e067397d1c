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
    if (str_is(model_type, "mistral") && json_get(config, "layer_types"))
        model_type =
            STR("ministral"); /* its layers differ: transformers has another class for it */
    model_type = hf_text_type(model_type, c->text);
    c->cls = model_type.p ? hf_class_find(model_type) : NULL;
    if (!c->cls)
        return 0;
    int rc = json_parse(&c->defaults, str_from(c->cls->defaults), err);
    if (rc == 0 && !hf_validates(c))
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

/* What config.json has, without the class's defaults. */
static const struct json *said(const struct hf_config *c, const char *name) {
    const struct json *v = c->text ? member(c, c->text, name) : NULL;
    return v ? v : member(c, c->root, name);
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

static bool is_due(const struct hf_config *c, enum fill_when when, const char *name,
                   const struct json *given) {
    switch (when) {
    case FILL_NULL:
        return json_is_null(given);
    case FILL_ABSENT:
        return !said(c, name);
    case FILL_ALWAYS:
        return true;
    }
    return false;
}

/* What the class computes for a field, of which @out has what config.json says. */
static bool fill(const struct hf_config *c, const char *name, struct hf_value *out) {
    for (size_t i = 0; c->cls && i < sizeof c->cls->fill / sizeof *c->cls->fill; i++) {
        uint64_t from, by = 1;
        if (!c->cls->fill[i].key || strcmp(c->cls->fill[i].key, name) != 0 ||
            !is_due(c, c->cls->fill_when[i], name, out->json))
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
            if (out->json && fill(c, name, out))
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
