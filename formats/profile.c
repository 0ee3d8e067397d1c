/* SPDX-License-Identifier: Apache-2.0
 * formats/profile.c - a profile of weightfs.yaml: a table of keys, each with the option of
 * llama-quantize that it stands for. */
#include "formats/profile.h"
#include "formats/card.h"
#include "formats/tokenizer/regex.h"
#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

struct reader {
    struct profile *p;
    const char *file;
    struct err *err;
};

static int fail(const struct reader *r, const struct card_value *v, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
static int fail(const struct reader *r, const struct card_value *v, const char *fmt, ...) {
    char why[160];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(why, sizeof why, fmt, ap);
    va_end(ap);
    return err_set(r->err, -EBADMSG, "%s: line %u: %s", r->file, v->line, why);
}

static int no_memory(const struct reader *r) {
    return err_set(r->err, -ENOMEM, "%s: no memory", r->file);
}

static bool is_scalar(const struct card_value *v) {
    return v->kind == CARD_TEXT || (v->kind == CARD_OTHER && v->text.p);
}

/* --- type and options, by the words that a spec has for them --- */

static int read_type(struct reader *r, const struct card_value *v, const char *key) {
    (void)key;
    struct spec *s = &r->p->spec;
    s->type = is_scalar(v) ? ftype_find(v->text.p, v->text.n) : NULL;
    if (!s->type || s->type->file_type == FILE_AUTO)
        return fail(r, v, "type is a type to quantize to, as q4_k_m");
    return 0;
}

static int read_option(struct reader *r, const struct card_value *v, const char *key) {
    struct err why = { 0 };
    struct str text = str_from(key);
    if (is_scalar(v) && str_is(v->text, "false"))
        return 0;
    if (!is_scalar(v) || !str_is(v->text, "true"))
        text = arena_printf(&r->p->arena, "%s=%.*s", key, is_scalar(v) ? (int)v->text.n : 0,
                            v->text.p ? v->text.p : "");
    if (!text.p)
        return no_memory(r);
    return spec_parse_option(&r->p->spec, text, &why) < 0 ? fail(r, v, "%s", why.msg) : 0;
}

/* --- tensors: {PATTERN: TYPE} --- */

/* As upstream, which lowers the pattern before it becomes an expression. */
static int read_pattern(struct reader *r, struct str key, const struct card_value *v) {
    struct err why = { 0 };
    struct profile_pattern *p = &r->p->patterns[r->p->n_patterns];
    struct str lower = arena_str(&r->p->arena, key);
    if (!lower.p)
        return no_memory(r);
    for (size_t i = 0; i < lower.n; i++)
        ((char *)lower.p)[i] = (char)tolower((unsigned char)lower.p[i]);
    p->type = is_scalar(v) ? dtype_from_name(v->text.p, v->text.n) : DTYPE_NONE;
    if (p->type == DTYPE_NONE || dtype_info[p->type].gguf_id < 0)
        return fail(r, v, "%.*s: it wants a type, as q8_0", STR_ARG(key));
    if (regex_new(&p->regex, lower, REGEX_ECMASCRIPT, &why) < 0)
        return fail(r, v, "%.*s: %s", STR_ARG(key), why.msg);
    r->p->n_patterns++;
    return 0;
}

static int read_tensors(struct reader *r, const struct card_value *v, const char *key) {
    if (v->kind != CARD_MAP)
        return fail(r, v, "%s: a PATTERN: TYPE on each line", key);
    r->p->patterns = arena_array(&r->p->arena, struct profile_pattern, v->n + 1);
    int rc = r->p->patterns ? 0 : no_memory(r);
    for (uint32_t i = 0; rc == 0 && i < v->n; i++)
        rc = read_pattern(r, v->keys[i], &v->items[i]);
    return rc;
}

/* --- override: {KEY: TYPE:VALUE} --- */

/* string_parse_kv_override of common/common.cpp. */
static bool parse_override(struct profile_override *o, const char *text) {
    static const char *const prefix[] = { "int:", "float:", "bool:", "str:" };
    unsigned kind = 0;
    while (kind < 4 && strncmp(text, prefix[kind], strlen(prefix[kind])))
        kind++;
    if (kind == 4)
        return false;
    char *end;
    text += strlen(prefix[kind]);
    o->kind = (enum override_kind)kind;
    switch (o->kind) {
    case OVERRIDE_INT:
        o->i = strtoll(text, &end, 10);
        return end > text && !*end;
    case OVERRIDE_FLOAT:
        o->f = strtod(text, &end);
        return end > text && !*end;
    case OVERRIDE_BOOL:
        o->i = !strcmp(text, "true");
        return o->i || !strcmp(text, "false");
    default:
        o->s = str_from(text);
        return o->s.n <= 127;
    }
}

static int read_overrides(struct reader *r, const struct card_value *v, const char *key) {
    if (v->kind != CARD_MAP)
        return fail(r, v, "%s: a KEY: TYPE:VALUE on each line", key);
    r->p->overrides = arena_array(&r->p->arena, struct profile_override, v->n + 1);
    if (!r->p->overrides)
        return no_memory(r);
    for (uint32_t i = 0; i < v->n; i++) {
        struct profile_override *o = &r->p->overrides[r->p->n_overrides++];
        const struct str name = v->keys[i];
        o->key = name.p;
        if (!name.n || name.n > 127 || memchr(name.p, 0, name.n) ||
            str_is(name, "general.alignment"))
            return fail(r, &v->items[i], "%.*s cannot be overridden", STR_ARG(name));
        if (!is_scalar(&v->items[i]) || !parse_override(o, v->items[i].text.p))
            return fail(r, &v->items[i],
                        "%.*s: it wants int:, float:, bool: or str: and a value that fits",
                        STR_ARG(name));
    }
    return 0;
}

/* --- lists --- */

static int read_names(struct reader *r, const struct card_value *v, const char *key) {
    struct profile *p = r->p;
    struct str *names = arena_array(&p->arena, struct str, v->n + 1);
    if (!names)
        return no_memory(r);
    if (v->kind != CARD_LIST)
        return fail(r, v, "%s: it is a list of parts of names", key);
    for (uint32_t i = 0; i < v->n; i++)
        if (!is_scalar(&v->items[i]))
            return fail(r, &v->items[i], "%s: it is a list of parts of names", key);
        else
            names[i] = v->items[i].text;
    const bool is_include = !strcmp(key, "include_weights");
    *(is_include ? &p->include : &p->exclude) = names;
    *(is_include ? &p->n_include : &p->n_exclude) = v->n;
    if (p->n_include && p->n_exclude)
        return fail(r, v, "include_weights and exclude_weights do not go together");
    return 0;
}

static int by_number(const void *a, const void *b) {
    const uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static int read_prune(struct reader *r, const struct card_value *v, const char *key) {
    struct profile *p = r->p;
    p->prune = arena_array(&p->arena, uint32_t, v->n + 1);
    if (!p->prune)
        return no_memory(r);
    if (v->kind != CARD_LIST)
        return fail(r, v, "%s: it is a list of numbers of layers", key);
    for (uint32_t i = 0; i < v->n; i++) {
        const struct str s = v->items[i].text;
        uint32_t n = 0;
        size_t at = 0;
        for (; at < s.n && isdigit((unsigned char)s.p[at]) && n <= PROFILE_MAX_LAYER; at++)
            n = n * 10 + (uint32_t)(s.p[at] - '0');
        if (s.n == 0 || at < s.n || n > PROFILE_MAX_LAYER)
            return fail(r, &v->items[i], "%s: it is a list of numbers of layers", key);
        p->prune[p->n_prune++] = n;
    }
    qsort(p->prune, p->n_prune, sizeof *p->prune, by_number);
    return 0;
}

/* --- the whole --- */

static const struct key {
    const char *name;
    int (*read)(struct reader *r, const struct card_value *v, const char *key);
} keys[] = {
    { "embedding", read_option },      { "exclude_weights", read_names },
    { "from", read_option },           { "imatrix", read_option },
    { "include_weights", read_names }, { "leave_output", read_option },
    { "output", read_option },         { "override", read_overrides },
    { "prune_layers", read_prune },    { "pure", read_option },
    { "requantize", read_option },     { "split", read_option },
    { "tensors", read_tensors },       { "type", read_type },
};

static int read_profile(struct reader *r, const struct card_value *v) {
    if (v->kind != CARD_MAP)
        return fail(r, v, "a profile is a map: type, tensors, ...");
    for (uint32_t i = 0; i < v->n; i++) {
        const struct key *key = NULL;
        for (size_t k = 0; k < sizeof keys / sizeof *keys; k++)
            if (str_is(v->keys[i], keys[k].name))
                key = &keys[k];
        if (!key)
            return fail(r, &v->items[i], "%.*s is not a key of a profile", STR_ARG(v->keys[i]));
        for (uint32_t j = 0; j < i; j++)
            if (str_eq(v->keys[i], v->keys[j]))
                return fail(r, &v->items[i], "%s is there twice", key->name);
        const int rc = key->read(r, &v->items[i], key->name);
        if (rc < 0)
            return rc;
    }
    return r->p->spec.type ? 0 : fail(r, v, "a profile needs a type");
}

static int parse(struct profile *p, const char *file, struct str text, const char *name,
                 struct err *err) {
    struct card_value all;
    struct reader r = { .p = p, .file = file, .err = err };
    int rc = card_parse_file(&all, file, text, &p->arena, err);
    if (rc < 0)
        return rc;
    for (uint32_t i = 0; i < all.n; i++)
        if (ftype_find(all.keys[i].p, all.keys[i].n))
            return fail(&r, &all.items[i], "%.*s is a type: a profile needs another name",
                        STR_ARG(all.keys[i]));
    const struct card_value *v = card_get(&all, name);
    if (v->kind == CARD_ABSENT)
        return err_set(err, -ENOENT, "%s: it has no profile %s", file, name);
    return read_profile(&r, v);
}

int profile_open(struct profile **out, struct root *root, const char *path, const char *name,
                 struct err *err) {
    char *text = NULL;
    size_t n = 0;
    struct err why = { 0 };
    int rc = source_slurp(root, path, PROFILE_MAX_FILE, &text, &n, NULL, &why);
    if (rc == -ENOENT)
        return rc;
    if (rc < 0)
        return err_set(err, rc, "%s", why.msg);
    struct profile *p = calloc(1, sizeof *p);
    rc = p ? parse(p, path, (struct str){ text, n }, name, &why)
           : err_set(&why, -ENOMEM, "%s: no memory", path);
    free(text);
    if (rc == 0) {
        *out = p;
        return 0;
    }
    profile_close(p);
    return rc == -ENOENT ? rc : err_set(err, rc, "%s", why.msg);
}

void profile_close(struct profile *p) {
    if (!p)
        return;
    for (uint32_t i = 0; i < p->n_patterns; i++)
        regex_free(p->patterns[i].regex);
    arena_fini(&p->arena);
    free(p);
}

static bool has_part(struct str name, struct str part) {
    return part.n == 0 || memmem(name.p, name.n, part.p, part.n);
}

bool profile_includes(const struct profile *p, struct str name) {
    for (uint32_t i = 0; i < p->n_exclude; i++)
        if (has_part(name, p->exclude[i]))
            return false;
    for (uint32_t i = 0; i < p->n_include; i++)
        if (has_part(name, p->include[i]))
            return true;
    return p->n_include == 0;
}
