/* SPDX-License-Identifier: Apache-2.0
 * formats/tokenizer/roles.c - see roles.h. */
#include "formats/tokenizer/roles.h"
#include <errno.h>

#define LIST     "extra_special_tokens"
#define OLD_LIST "additional_special_tokens"

static const char *const usual[] = { "bos_token", "eos_token", "unk_token", "sep_token",
                                     "pad_token", "cls_token", "mask_token" };
enum { USUAL = sizeof usual / sizeof *usual, ROLES_MAX = 1 << 16 };

static bool is_usual(struct str name) {
    for (size_t i = 0; i < USUAL; i++)
        if (str_is(name, usual[i]))
            return true;
    return false;
}

static int no_memory(struct err *err) {
    return err_set(err, -ENOMEM, "tokenizer_config.json: special tokens");
}

static int put(struct roles *r, struct role role, struct arena *a, struct err *err) {
    if (r->n == ROLES_MAX)
        return err_set(err, -E2BIG, "tokenizer_config.json: more than %d special tokens",
                       ROLES_MAX);
    if (r->n == r->cap) {
        const uint32_t cap = r->cap ? 2 * r->cap : 32;
        struct role *more = arena_array(a, struct role, cap);
        if (!more)
            return no_memory(err);
        for (uint32_t i = 0; i < r->n; i++)
            more[i] = r->items[i];
        r->items = more;
        r->cap = cap;
    }
    r->items[r->n++] = role;
    return 0;
}

static int put_value(struct roles *r, struct str name, const struct json *v, struct arena *a,
                     struct err *err) {
    struct role role = { .name = name, .plain = json_type(v) == JSON_STRING };
    return added_token_read(v, &role.token) ? put(r, role, a, err) : 0;
}

/* The token that has the role where no file says. */
static struct str usual_text(const struct roles_source *from, const char *name) {
    const struct token_class *by = from->by;
    struct str text = { NULL, 0 };
    for (size_t k = 0; by && by->own[k].role; k++)
        if (strcmp(by->own[k].role, name) == 0)
            return str_from(by->own[k].text);
    if (strcmp(name, "pad_token") == 0 && !(by && by->unpadded))
        (void)json_str(json_get(json_get(from->file, "padding"), name), &text);
    return text;
}

static int put_usual(struct roles *r, const struct roles_source *from, struct arena *a,
                     struct err *err) {
    int rc = 0;
    for (size_t i = 0; i < USUAL && rc == 0; i++) {
        const struct json *v = json_get(from->map, usual[i]);
        v = v ? v : json_get(from->config, usual[i]);
        if (v) { /* null: the class has none either */
            rc = put_value(r, str_from(usual[i]), v, a, err);
            continue;
        }
        const struct role role = { .name = str_from(usual[i]),
                                   .token = { .text = usual_text(from, usual[i]), .special = true },
                                   .plain = true,
                                   .own = true };
        if (role.token.text.p)
            rc = put(r, role, a, err);
    }
    return rc;
}

static bool ends_as_token(struct str name) {
    return str_ends(name, STR("_token")) && !is_usual(name);
}

/* Roles that the model has alone: objects of @v, or its texts. */
static int put_others(struct roles *r, const struct json *v, bool texts, struct arena *a,
                      struct err *err) {
    int rc = 0;
    if (json_type(v) != JSON_OBJECT)
        return 0;
    for (struct json_iter it = json_iter(v); rc == 0 && json_next(&it);)
        if (ends_as_token(it.key) && (json_type(it.value) == JSON_STRING) == texts)
            rc = put_value(r, it.key, it.value, a, err);
    return rc;
}

/* A role of the dictionary takes the place of one that the model has alone. */
static int put_dictionary(struct roles *r, const struct json *v, struct arena *a, struct err *err) {
    int rc = 0;
    if (json_type(v) != JSON_OBJECT)
        return 0;
    for (struct json_iter it = json_iter(v); rc == 0 && json_next(&it);) {
        uint32_t i = 0;
        while (i < r->n && (is_usual(it.key) || !str_eq(r->items[i].name, it.key)))
            i++;
        if (i == r->n)
            rc = put_value(r, it.key, it.value, a, err);
        else if (added_token_read(it.value, &r->items[i].token))
            r->items[i].plain = json_type(it.value) == JSON_STRING;
    }
    return rc;
}

static int put_list(struct roles *r, const struct json *v, struct arena *a, struct err *err) {
    int rc = 0;
    for (size_t i = 0; json_type(v) == JSON_ARRAY && i < json_len(v) && rc == 0; i++)
        rc = put_value(r, (struct str){ "", 0 }, json_at(v, i), a, err);
    return rc;
}

/* Dictionaries are taken out before lists are looked for. */
static const struct json *but_dictionary(const struct json *v) {
    return json_type(v) == JSON_OBJECT ? NULL : v;
}

static int put_lists(struct roles *r, const struct json *config, const struct json *map,
                     struct arena *a, struct err *err) {
    const struct json *own = json_get(config, LIST), *old = json_get(config, OLD_LIST);
    const struct json *more = but_dictionary(json_get(map, LIST));
    own = old && json_len(own) == 0 ? old : but_dictionary(own);
    if (!own && !more)
        own = json_get(map, OLD_LIST) ? json_get(map, OLD_LIST) : old;
    int rc = put_list(r, own, a, err);
    return rc < 0 ? rc : put_list(r, more, a, err);
}

static int index_texts(struct roles *r, struct arena *a, struct err *err) {
    uint32_t known;
    if (!token_map_init(&r->by_text, a, r->n))
        return no_memory(err);
    for (uint32_t i = 0; i < r->n; i++)
        if (r->items[i].token.text.n && !token_map_get(&r->by_text, r->items[i].token.text, &known))
            token_map_put(&r->by_text, r->items[i].token.text, i);
    return 0;
}

int roles_read(struct roles *r, const struct roles_source *from, struct arena *a, struct err *err) {
    const struct json *config = from->config, *map = from->map;
    *r = (struct roles){ 0 };
    int rc = put_usual(r, from, a, err);
    if (rc == 0)
        rc = put_others(r, config, false, a, err);
    if (rc == 0)
        rc = put_others(r, map, true, a, err);
    if (rc == 0)
        rc = put_others(r, map, false, a, err);
    if (rc == 0)
        rc = put_others(r, config, true, a, err);
    if (rc == 0)
        rc = put_dictionary(r, json_get(config, LIST), a, err);
    if (rc == 0)
        rc = put_dictionary(r, json_get(map, LIST), a, err);
    r->n_named = r->n;
    if (rc == 0)
        rc = put_lists(r, config, map, a, err);
    return rc < 0 ? rc : index_texts(r, a, err);
}

bool roles_have(const struct roles *r, struct str text) {
    uint32_t first;
    return token_map_get(&r->by_text, text, &first);
}

const struct role *roles_find(const struct roles *r, struct str name) {
    for (uint32_t i = 0; i < r->n_named; i++)
        if (str_eq(r->items[i].name, name))
            return &r->items[i];
    return NULL;
}
