/* SPDX-License-Identifier: Apache-2.0
 * formats/arch/rope.c - the parameters of rotary positions, which transformers and the converter
 * each gather from several places (modeling_rope_utils.py; conversion/base.py, TextModel). */
#include "formats/arch/hf_config.h"

static const char global_theta[] =
    "global_rope_theta rope_global_theta rope_theta_global rope_theta rotary_emb_base";
static const char local_theta[] =
    "local_rope_theta rope_local_theta rope_theta_local swa_rope_theta rope_local_base_freq";

/* A non-empty object; transformers prefers rope_scaling, the name of old. */
static const struct json *find_params(const struct hf_config *c) {
    static const char *const known[] = { "rope_scaling", "rope_parameters" };
    static const char *const raw[] = { "rope_parameters", "rope_scaling" };
    const bool has_class = c->cls && c->cls->rope_theta > 0;
    for (int i = 0; i < 2; i++) {
        const struct json *v = hf_config_json(c, has_class ? known[i] : raw[i]);
        if (json_type(v) == JSON_OBJECT && json_len(v) > 0)
            return v;
        if (v && !has_class)
            return NULL; /* the first that is there counts, empty or not */
    }
    return NULL;
}

static int find_f64(const struct rope *r, const struct hf_config *c, const char *key,
                    const char *outer, double absent, bool *has, double *out, struct err *err) {
    if (json_f64(json_get(r->params, key), out)) {
        *has = true;
        return 0;
    }
    const struct json *given = hf_config_json(c, outer);
    if (given && json_is_null(given))
        absent = 0; /* a null stays one: the class's default is for what is absent */
    int rc = hf_config_f64(c, outer, out, err);
    *has = rc > 0 || absent > 0;
    if (rc == 0)
        *out = absent;
    return rc < 0 ? rc : 0;
}

static bool is_scaled(struct str type) {
    return str_is(type, "llama3") || str_is(type, "yarn") || str_is(type, "longrope");
}

/* The context that the model was trained with, where the scaling counts from it. */
static int find_context(struct rope *r, const struct hf_config *c, bool has_class,
                        struct err *err) {
    static const char outer[] = "original_max_position_embeddings";
    if (has_class && r->type.p && is_scaled(r->type)) {
        /* beside the parameters it counts for classes only that have it as a field */
        int rc = json_get(c->defaults, outer) ? hf_config_u64(c, outer, &r->context, err) : 0;
        if (rc == 0 && json_u64(json_get(r->params, outer), &r->context))
            rc = 1;
        if (rc == 0)
            rc = hf_config_u64(c, "max_position_embeddings", &r->context, err);
        r->has_context = rc > 0;
        return rc < 0 ? rc : 0;
    }
    r->has_context = json_u64(json_get(r->params, outer), &r->context);
    if (r->has_context)
        return 0;
    int rc = hf_config_u64(c, outer, &r->context, err);
    r->has_context = rc > 0;
    return rc < 0 ? rc : 0;
}

int rope_read(struct rope *r, const struct hf_config *c, struct err *err) {
    const bool has_class = c->cls && c->cls->rope_theta > 0;
    *r = (struct rope){ .params = find_params(c) };
    const struct json *full = json_get(r->params, "full_attention");
    const struct json *sliding = json_get(r->params, "sliding_attention");
    int rc = 0;
    if (has_class && c->cls->local_theta > 0) { /* apart even where config.json is of old */
        if (json_type(hf_config_json(c, "rope_parameters")) == JSON_OBJECT) {
            r->all = hf_config_json(c, "rope_parameters");
            full = json_get(r->all, "full_attention");
            sliding = json_get(r->all, "sliding_attention");
            r->params = full;
        }
        r->has_local_theta = true;
        if (!json_f64(json_get(sliding, "rope_theta"), &r->local_theta)) {
            if (c->cls->local_key)
                rc = hf_config_f64(c, c->cls->local_key, &r->local_theta, err);
            if (rc == 0)
                r->local_theta = c->cls->local_theta;
        }
    } else if (full || sliding) {
        r->all = r->params;
        r->params = full;
        r->has_local_theta = json_f64(json_get(sliding, "rope_theta"), &r->local_theta);
    } else {
        rc = hf_config_f64(c, local_theta, &r->local_theta, err);
        r->has_local_theta = rc > 0;
    }
    if (rc >= 0)
        rc = find_f64(r, c, "rope_theta", has_class ? "rope_theta" : global_theta,
                      has_class ? c->cls->rope_theta : 0, &r->has_theta, &r->theta, err);
    if (rc >= 0)
        rc = find_f64(
            r, c, "partial_rotary_factor",
            has_class ? "partial_rotary_factor" : "partial_rotary_factor rope_pct rope_percent",
            has_class ? c->cls->partial_rotary_factor : 0, &r->has_partial, &r->partial, err);
    if (rc < 0)
        return rc;
    /* where layers differ, parameters of old are put over a type that is there already */
    const bool typed = has_class && c->cls->local_theta > 0 && !r->all;
    if (!json_str(json_get(r->params, "rope_type"), &r->type) &&
        (typed || !json_str(json_get(r->params, "type"), &r->type)) && has_class)
        r->type = STR("default");
    return find_context(r, c, has_class, err);
}

static const struct {
    const char *type, *key;
    enum { NEED_ANY, NEED_NUMBER, NEED_LIST } need;
} type_needs[] = {
    { "linear", "factor", NEED_ANY },
    { "dynamic", "factor", NEED_ANY },
    { "yarn", "factor", NEED_ANY },
    { "longrope", "short_factor", NEED_LIST },
    { "longrope", "long_factor", NEED_LIST },
    { "llama3", "factor", NEED_ANY },
    { "llama3", "low_freq_factor", NEED_NUMBER },
    { "llama3", "high_freq_factor", NEED_NUMBER },
};

static bool is_number(const struct json *v) {
    double number;
    return json_f64(v, &number);
}

static bool params_validate(const struct hf_class *cls, const struct json *params,
                            struct str type) {
    const bool scaled = !str_is(type, "default");
    if (cls->longrope_only && (str_is(type, "su") || str_is(type, "yarn")))
        type = STR("longrope");
    if (cls->longrope_only && scaled && !str_is(type, "longrope"))
        return false;
    for (size_t i = 0; i < sizeof type_needs / sizeof *type_needs; i++) {
        const struct json *v = json_get(params, type_needs[i].key);
        if (str_is(type, type_needs[i].type) &&
            (!v || (type_needs[i].need == NEED_NUMBER && !is_number(v)) ||
             (type_needs[i].need == NEED_LIST && json_type(v) != JSON_ARRAY)))
            return false;
    }
    for (const char *s = cls->rope_numbers; scaled && s && *s; s += strspn(s, " ")) {
        char key[32] = { 0 };
        const size_t n = strcspn(s, " ");
        memcpy(key, s, n < sizeof key ? n : sizeof key - 1);
        if (!is_number(json_get(params, key)))
            return false;
        s += n;
    }
    return true;
}

bool rope_validates(const struct hf_config *c) {
    struct rope r;
    struct err unsaid = { 0 };
    struct str type;
    uint64_t dim;
    if (!(c->cls->rope_theta > 0) || rope_read(&r, c, &unsaid) < 0)
        return true; /* what is wrong is said when it is read again */
    const struct json *sliding = json_get(r.all, "sliding_attention");
    if (!params_validate(c->cls, r.params, r.type) ||
        (json_str(json_get(sliding, "rope_type"), &type) &&
         !params_validate(c->cls, sliding, type)))
        return false;
    /* all of a head is rotated: by pairs; the smallest are let through */
    const double part = r.has_partial ? r.partial : 1;
    return hf_config_u64(c, "head_dim", &dim, NULL) <= 0 || dim <= 4 || dim % 2 == 0 ||
           (uint64_t)((double)dim * part) != dim;
}

double rope_f64(const struct rope *r, const char *key, double absent) {
    double v;
    return json_f64(json_get(r->params, key), &v) ? v : absent;
}
