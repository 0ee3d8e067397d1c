/* SPDX-License-Identifier: Apache-2.0
 * formats/general.c - see general.h. Source: gguf-py/gguf/metadata.py (llama.cpp 0c1e570). */
#include "formats/general.h"
#include "formats/authorship.h"
#include "formats/card.h"
#include "formats/json.h"
#include "formats/sampling.h"
#include <errno.h>
#include <stdlib.h>

struct general {
    struct kv_list *kvs;
    struct arena *arena;
    struct card_value card;
    const struct authorship *authorship; /* may be NULL */
    int64_t params;
    struct err *err;
};

static int no_memory(struct general *m) {
    return err_set(m->err, -ENOMEM, "general.*: no memory");
}

/* As gguf-py's add_string: an empty text is not written. */
static int put_str(struct general *m, const char *key, struct str value) {
    return value.n == 0 || kv_set_str(m->kvs, m->arena, key, value) ? 0 : no_memory(m);
}

/* --- names --- */

enum field {
    FIELD_NAME,
    FIELD_AUTHOR,
    FIELD_VERSION,
    FIELD_ORGANIZATION,
    FIELD_FINETUNE,
    FIELD_BASENAME,
    FIELD_DESCRIPTION,
    FIELD_QUANTIZED_BY,
    FIELD_SIZE_LABEL,
    FIELD_LICENSE,
    FIELD_LICENSE_NAME,
    FIELD_LICENSE_LINK,
    FIELD_URL,
    FIELD_DOI,
    FIELD_UUID,
    FIELD_REPO_URL,
    FIELD_SOURCE_URL,
    FIELD_SOURCE_DOI,
    FIELD_SOURCE_UUID,
    FIELD_SOURCE_REPO_URL,
    FIELD_COUNT
};

/* In the order in which they are written; the card's first key that has a value counts. Those
 * without one are what only a file beside the model gives. */
static const struct {
    const char *key;
    const char *card[4];
} fields[FIELD_COUNT] = {
    [FIELD_NAME] = { "general.name", { "name", "model_name" } },
    [FIELD_AUTHOR] = { "general.author", { "author", "model_author", "model_creator" } },
    [FIELD_VERSION] = { "general.version", { "version", "model_version" } },
    [FIELD_ORGANIZATION] = { "general.organization", { "organization", "model_organization" } },
    [FIELD_FINETUNE] = { "general.finetune", { "finetune", "model_finetune" } },
    [FIELD_BASENAME] = { "general.basename", { "basename", "model_basename", "model_type" } },
    [FIELD_DESCRIPTION] = { "general.description", { "description", "model_description" } },
    [FIELD_QUANTIZED_BY] = { "general.quantized_by", { NULL } },
    [FIELD_SIZE_LABEL] = { "general.size_label", { "size_label", "model_size_label" } },
    [FIELD_LICENSE] = { "general.license", { "license" } },
    [FIELD_LICENSE_NAME] = { "general.license.name", { "license_name" } },
    [FIELD_LICENSE_LINK] = { "general.license.link", { "license_link" } },
    [FIELD_URL] = { "general.url", { NULL } },
    [FIELD_DOI] = { "general.doi", { NULL } },
    [FIELD_UUID] = { "general.uuid", { NULL } },
    [FIELD_REPO_URL] = { "general.repo_url", { NULL } },
    [FIELD_SOURCE_URL] = { "general.source.url", { "url", "model_url" } },
    [FIELD_SOURCE_DOI] = { "general.source.doi", { "doi", "model_doi" } },
    [FIELD_SOURCE_UUID] = { "general.source.uuid", { "uuid", "model_uuid" } },
    [FIELD_SOURCE_REPO_URL] = { "general.source.repo_url", { "repo_url", "model_repo_url" } },
};

static bool is_scalar(const struct card_value *v) {
    return v->kind == CARD_TEXT || (v->kind == CARD_OTHER && v->text.p);
}

/* A scalar's text; the texts of a list, joined by commas (license). p is NULL for others. */
static struct str card_text(struct general *m, const struct card_value *v) {
    struct str text = { NULL, 0 };
    if (is_scalar(v))
        text = v->text;
    for (uint32_t i = 0; v->kind == CARD_LIST && i < v->n; i++)
        if (is_scalar(&v->items[i]))
            text = arena_printf(m->arena, "%.*s%s%.*s", STR_ARG(text), text.p ? "," : "",
                                STR_ARG(v->items[i].text));
    return text;
}

static void take_card_fields(struct general *m, struct str values[FIELD_COUNT]) {
    for (int f = 0; f < FIELD_COUNT; f++)
        for (size_t i = 0; i < 4 && fields[f].card[i] && !values[f].p; i++)
            values[f] = card_text(m, card_get(&m->card, fields[f].card[i]));
}

static void take_default(struct str *value, struct str other) {
    if (!value->p)
        *value = other;
}

/* What an id ("org/name", or the name of the folder) says fills the fields that are still empty. */
static int take_id(struct general *m, struct str id, struct str values[FIELD_COUNT]) {
    struct name_parts parts;
    if (!name_split(m->arena, id, m->params, &parts))
        return no_memory(m);
    const struct str name = name_title(m->arena, parts.full);
    const struct str org = parts.org.p ? name_title(m->arena, parts.org) : parts.org;
    if (!name.p || (parts.org.p && !org.p))
        return no_memory(m);
    take_default(&values[FIELD_NAME], name);
    take_default(&values[FIELD_ORGANIZATION], org);
    take_default(&values[FIELD_BASENAME], parts.basename);
    take_default(&values[FIELD_FINETUNE], parts.finetune);
    take_default(&values[FIELD_VERSION], parts.version);
    take_default(&values[FIELD_SIZE_LABEL], parts.size_label);
    return 0;
}

/* _name_or_path counts only as the id of a model, not as a path on someone's disk. */
static bool is_model_id(struct str s) {
    uint32_t slashes = 0;
    for (size_t i = 0; i < s.n; i++)
        slashes += s.p[i] == '/';
    return slashes <= 1;
}

/* A text; p is NULL for null, which takes away what there is. */
static int own_text(const struct general *m, const char *key, const struct json *value,
                    struct str *out) {
    *out = (struct str){ NULL, 0 };
    return json_is_null(value) || json_str(value, out)
               ? 0
               : authorship_bad(m->authorship, key, "a string", m->err);
}

/* Upstream does not look for a licence there. */
static int take_own(struct general *m, struct str values[FIELD_COUNT], struct str folder) {
    const struct json *value;
    int rc = 0;
    for (int f = 0; f < FIELD_COUNT && rc == 0; f++)
        if (f != FIELD_LICENSE && authorship_get(m->authorship, fields[f].key, &value))
            rc = own_text(m, fields[f].key, value, &values[f]);
    if (rc == 0)
        take_default(&values[FIELD_NAME], folder);
    return rc;
}

static int add_fields(struct general *m, const struct folder *f, const struct param_count *params) {
    struct str values[FIELD_COUNT] = { 0 }, id;
    int rc = 0;
    take_card_fields(m, values);
    if (json_str(json_get(f->config, "_name_or_path"), &id) && is_model_id(id))
        rc = take_id(m, id, values);
    if (rc == 0)
        rc = take_id(m, f->name, values);
    if (rc == 0)
        rc = take_own(m, values, f->name);
    if (rc == 0 && !values[FIELD_SIZE_LABEL].p && m->params > 0)
        values[FIELD_SIZE_LABEL] = name_size_label(m->arena, params);
    for (int i = 0; i < FIELD_COUNT && rc == 0; i++)
        if (values[i].p)
            rc = put_str(m, fields[i].key, values[i]);
    return rc;
}

/* --- base models and datasets --- */

/* The members of one, in the order in which they are written. */
static const char *const entry_keys[] = { "name",         "author",      "version",
                                          "organization", "description", "url",
                                          "doi",          "uuid",        "repo_url" };
enum { ENTRY_NAME = 0, ENTRY_VERSION = 2, ENTRY_ORGANIZATION = 3, ENTRY_REPO_URL = 8, ENTRY_KEYS };

/* "ORG/NAME" of https://huggingface.co/ORG/NAME; empty for any other address. */
static struct str hub_id(struct str url) {
    static const struct str hosts[] = { STR("https://huggingface.co/"),
                                        STR("http://huggingface.co/") };
    for (size_t i = 0; i < 2; i++) {
        if (!str_starts(url, hosts[i]))
            continue;
        const struct str id = { url.p + hosts[i].n, url.n - hosts[i].n };
        const char *slash = id.n ? memchr(id.p, '/', id.n) : NULL;
        const size_t org = slash ? (size_t)(slash - id.p) : 0;
        if (org > 0 && org + 1 < id.n && !memchr(slash + 1, '/', id.n - org - 1))
            return id;
    }
    return (struct str){ NULL, 0 };
}

static bool is_url(struct str s) {
    return str_starts(s, STR("http://")) || str_starts(s, STR("https://")) ||
           str_starts(s, STR("ssh://"));
}

static int read_entry(struct general *m, const struct card_value *item,
                      struct str values[ENTRY_KEYS]) {
    if (item->kind == CARD_MAP) {
        for (size_t i = 0; i < ENTRY_KEYS; i++)
            values[i] = card_text(m, card_get(item, entry_keys[i]));
        return 0;
    }
    if (item->kind != CARD_TEXT)
        return 0;
    const bool url = is_url(item->text);
    const struct str id = url ? hub_id(item->text) : item->text;
    if (url)
        values[ENTRY_REPO_URL] = item->text;
    if (!id.p)
        return 0;
    struct name_parts parts;
    if (!name_split(m->arena, id, m->params, &parts))
        return no_memory(m);
    values[ENTRY_NAME] = name_title(m->arena, parts.full);
    if (parts.org.p)
        values[ENTRY_ORGANIZATION] = name_title(m->arena, parts.org);
    values[ENTRY_VERSION] = parts.version;
    if (!url && parts.org.p)
        values[ENTRY_REPO_URL] = arena_printf(m->arena, "https://huggingface.co/%.*s/%.*s",
                                              STR_ARG(parts.org), STR_ARG(parts.full));
    return 0;
}

static int read_own_entry(struct general *m, const char *key, const struct json *item,
                          struct str values[ENTRY_KEYS]) {
    int rc = json_type(item) == JSON_OBJECT
                 ? 0
                 : authorship_bad(m->authorship, key, "a list of objects", m->err);
    for (size_t i = 0; i < ENTRY_KEYS && rc == 0; i++)
        rc = own_text(m, key, json_get(item, entry_keys[i]), &values[i]);
    return rc;
}

static int put_entry(struct general *m, const char *prefix, uint32_t i,
                     const struct str values[ENTRY_KEYS]) {
    int rc = 0;
    for (size_t k = 0; k < ENTRY_KEYS && rc == 0; k++) {
        if (!values[k].p)
            continue;
        const struct str key = arena_printf(m->arena, "%s.%u.%s", prefix, i, entry_keys[k]);
        rc = key.p ? put_str(m, key.p, values[k]) : no_memory(m);
    }
    return rc;
}

static int put_count(struct general *m, const char *prefix, uint32_t n) {
    const struct str key = arena_printf(m->arena, "%s.count", prefix);
    return key.p && kv_set_u32(m->kvs, m->arena, key.p, n) ? 0 : no_memory(m);
}

static int add_own_entries(struct general *m, const char *prefix, const char *key,
                           const struct json *list) {
    if (json_type(list) != JSON_ARRAY)
        return authorship_bad(m->authorship, key, "a list of objects", m->err);
    const uint32_t n = (uint32_t)json_len(list);
    int rc = put_count(m, prefix, n);
    for (uint32_t i = 0; i < n && rc == 0; i++) {
        struct str values[ENTRY_KEYS] = { 0 };
        rc = read_own_entry(m, key, json_at(list, i), values);
        if (rc == 0)
            rc = put_entry(m, prefix, i, values);
    }
    return rc;
}

/* @own: the key of a file beside the model; @keys: of the card, the first that is there counts,
 * whatever its value. */
static int add_entries(struct general *m, const char *prefix, const char *own,
                       const char *const keys[3]) {
    const struct json *list;
    if (authorship_get(m->authorship, own, &list))
        return json_is_null(list) ? 0 : add_own_entries(m, prefix, own, list);
    const struct card_value *v = card_get(&m->card, keys[0]);
    for (int i = 1; i < 3 && v->kind == CARD_ABSENT; i++)
        v = card_get(&m->card, keys[i]);
    if (v->kind == CARD_ABSENT)
        return 0;
    const struct card_value *items = v->kind == CARD_LIST ? v->items : v;
    const uint32_t n = v->kind == CARD_LIST ? v->n : v->kind == CARD_TEXT ? 1 : 0;
    int rc = put_count(m, prefix, n);
    for (uint32_t i = 0; i < n && rc == 0; i++) {
        struct str values[ENTRY_KEYS] = { 0 };
        rc = read_entry(m, &items[i], values);
        if (rc == 0)
            rc = put_entry(m, prefix, i, values);
    }
    return rc;
}

/* --- lists of words --- */

static int add_own_words(struct general *m, const char *key, const struct json *list) {
    const uint32_t n = (uint32_t)json_len(list);
    struct str *words = arena_array(m->arena, struct str, (uint64_t)n + 1);
    if (!words)
        return no_memory(m);
    bool ok = json_type(list) == JSON_ARRAY;
    for (uint32_t i = 0; i < n && ok; i++)
        ok = json_str(json_at(list, i), &words[i]);
    if (!ok)
        return authorship_bad(m->authorship, key, "a list of strings", m->err);
    return n == 0 || kv_set_strs(m->kvs, m->arena, key, words, n) ? 0 : no_memory(m);
}

/* The words of both keys of the card; a word that stands under both is written twice, as upstream
 * does. */
static int add_words(struct general *m, const char *key, const char *first, const char *second) {
    const struct json *list;
    if (authorship_get(m->authorship, key, &list))
        return json_is_null(list) ? 0 : add_own_words(m, key, list);
    const struct card_value *values[2] = { card_get(&m->card, first), card_get(&m->card, second) };
    struct str *words = arena_array(m->arena, struct str, values[0]->n + values[1]->n + 2);
    uint32_t n = 0;
    if (!words)
        return no_memory(m);
    for (int i = 0; i < 2; i++) {
        const struct card_value *v = values[i];
        if (v->kind == CARD_TEXT)
            words[n++] = v->text;
        for (uint32_t j = 0; v->kind == CARD_LIST && j < v->n; j++)
            if (is_scalar(&v->items[j]))
                words[n++] = v->items[j].text;
    }
    return n == 0 || kv_set_strs(m->kvs, m->arena, key, words, n) ? 0 : no_memory(m);
}

static int read_card(struct general *m, const struct folder *f) {
    char *text = NULL;
    size_t n;
    if (!folder_has(f, "README.md"))
        return 0;
    int rc = folder_slurp(f, "README.md", FOLDER_MAX_CARD, &text, &n, m->err);
    if (rc == 0)
        rc = card_parse(&m->card, (struct str){ text, n }, m->arena, m->err);
    free(text);
    return rc;
}

int general_add(struct form *form, const struct folder *f, const struct param_count *params,
                struct err *err) {
    static const char *const base_models[] = { "base_model", "base_models", "base_model_sources" };
    static const char *const datasets[] = { "datasets", "dataset", "dataset_sources" };
    const int64_t total = (int64_t)params->total;
    struct general m = {
        .kvs = &form->kvs, .arena = form->arena, .authorship = form->authorship, .err = err
    };
    m.params = params->adapter ? -total : total;
    m.card.kind = CARD_MAP;
    int rc = read_card(&m, f);
    if (rc == 0)
        rc = sampling_add(form, f->generation_config, err);
    if (rc == 0)
        rc = add_fields(&m, f, params);
    if (rc == 0)
        rc = add_entries(&m, "general.base_model", "general.base_models", base_models);
    if (rc == 0)
        rc = add_entries(&m, "general.dataset", "general.datasets", datasets);
    if (rc == 0)
        rc = add_words(&m, "general.tags", "tags", "pipeline_tag");
    return rc < 0 ? rc : add_words(&m, "general.languages", "languages", "language");
}
