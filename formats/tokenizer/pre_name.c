/* SPDX-License-Identifier: Apache-2.0
 * formats/tokenizer/pre_name.c - see pre_name.h. The hash covers vocabulary, merges,
 * pre-tokenizer, normalizer and post-processor, so nothing less than encoding the text gives it.
 * Text and hashes: conversion/base.py, get_vocab_base_pre (llama.cpp 0c1e570). */
#include "formats/tokenizer/pre_name.h"
#include "formats/tokenizer/normalize.h"
#include "formats/tokenizer/pre_hashes.h"
#include "formats/tokenizer/pretokenize.h"
#include <errno.h>
#include <sha2.h>
#include <stdio.h>

enum { MAX_NESTING = 4, MAX_TEMPLATE = 64 };

struct encoder {
    const struct json *normalizer, *pre_tokenizer, *config;
    const struct word_model *model;
    const struct added *added;
    struct ids ids;
    struct arena *arena;
    struct err *err;
};

static int no_memory(struct encoder *e) {
    return err_set(e->err, -ENOMEM, "tokenizer.json: encoding");
}

/* Text without added tokens in it. */
static int encode_text(struct encoder *e, struct str text) {
    struct words words = { 0 };
    if (!words_add(&words, e->arena, text))
        return no_memory(e);
    int rc = pretokenize(&words, e->pre_tokenizer, e->arena, e->err);
    for (size_t i = 0; i < words.n && rc == 0; i++)
        if (!e->model->encode(e->model->self, words.items[i], &e->ids, e->arena))
            rc = no_memory(e);
    return rc;
}

/* Added tokens that are not normalized are found first, in the text as it is; the others in what
 * the normalizer makes of the rest. */
static int encode(struct encoder *e, struct str text, bool normalized) {
    while (text.n) {
        size_t start = text.n, end = text.n;
        const struct added_token *t = added_find(e->added, text, normalized, &start, &end);
        struct str before = { text.p, start };
        int rc = normalized ? 0 : normalize(&before, e->normalizer, e->arena, e->err);
        if (rc == 0)
            rc = normalized ? encode_text(e, before) : encode(e, before, true);
        if (rc < 0)
            return rc;
        if (t && !ids_add(&e->ids, e->arena, t->id))
            return no_memory(e);
        text.p += end;
        text.n -= end;
    }
    return 0;
}

/* --- what the post-processor puts around the text --- */

static int put_around(struct encoder *e, const uint32_t *before, size_t n_before,
                      const uint32_t *after, size_t n_after) {
    struct ids all = { 0 };
    bool ok = true;
    for (size_t i = 0; i < n_before; i++)
        ok = ok && ids_add(&all, e->arena, before[i]);
    for (size_t i = 0; i < e->ids.n; i++)
        ok = ok && ids_add(&all, e->arena, e->ids.items[i]);
    for (size_t i = 0; i < n_after; i++)
        ok = ok && ids_add(&all, e->arena, after[i]);
    e->ids = all;
    return ok ? 0 : no_memory(e);
}

static int post_template(struct encoder *e, const struct json *v) {
    const struct json *single = json_get(v, "single");
    uint32_t around[2][MAX_TEMPLATE];
    size_t n[2] = { 0 };
    bool behind = false;
    for (size_t i = 0; i < json_len(single); i++) {
        const struct json *token = json_get(json_at(single, i), "SpecialToken");
        struct str name;
        char key[256];
        if (!json_str(json_get(token, "id"), &name) || name.n >= sizeof key) {
            behind = true;
            continue;
        }
        memcpy(key, name.p, name.n);
        key[name.n] = 0;
        const struct json *ids = json_get(json_get(json_get(v, "special_tokens"), key), "ids");
        for (size_t k = 0; k < json_len(ids); k++) {
            uint64_t id;
            if (!json_u64(json_at(ids, k), &id) || id > UINT32_MAX || n[behind] == MAX_TEMPLATE)
                return err_set(e->err, -EBADMSG, "tokenizer.json: a template's \"%s\"", key);
            around[behind][n[behind]++] = (uint32_t)id;
        }
    }
    return put_around(e, around[0], n[0], around[1], n[1]);
}

static int post_pair(struct encoder *e, const struct json *v) {
    uint64_t cls, sep;
    if (!json_u64(json_at(json_get(v, "cls"), 1), &cls) ||
        !json_u64(json_at(json_get(v, "sep"), 1), &sep) || cls > UINT32_MAX || sep > UINT32_MAX)
        return err_set(e->err, -EBADMSG, "tokenizer.json: a post-processor without cls and sep");
    const uint32_t before = (uint32_t)cls, after = (uint32_t)sep;
    return put_around(e, &before, 1, &after, 1);
}

static int post_process(struct encoder *e, const struct json *v, unsigned depth) {
    struct str type;
    int rc = 0;
    if (json_is_null(v))
        return 0;
    if (!json_str(json_get(v, "type"), &type))
        return err_set(e->err, -EBADMSG, "tokenizer.json: a post-processor without a type");
    if (str_is(type, "TemplateProcessing"))
        return post_template(e, v);
    if (str_is(type, "RobertaProcessing") || str_is(type, "BertProcessing"))
        return post_pair(e, v);
    if (str_is(type, "ByteLevel"))
        return 0;
    if (!str_is(type, "Sequence") || depth == MAX_NESTING)
        return err_set(e->err, -ENOTSUP, "tokenizer.json: the post-processor \"%.*s\" is not known",
                       STR_ARG(type));
    const struct json *list = json_get(v, "processors");
    for (size_t i = 0; i < json_len(list) && rc == 0; i++)
        rc = post_process(e, json_at(list, i), depth + 1);
    return rc;
}

/* The id of tokenizer_config.json's @name where @flag is true there. */
static size_t config_token(struct encoder *e, const char *flag, const char *name, uint32_t *id) {
    const struct json *v = json_get(e->config, name);
    struct str text;
    uint32_t i;
    bool add = false;
    (void)json_bool(json_get(e->config, flag), &add);
    if (!add || (!json_str(v, &text) && !json_str(json_get(v, "content"), &text)))
        return 0;
    if (token_map_get(&e->added->by_text, text, &i))
        *id = e->added->items[i].id;
    else if (!token_map_get(e->model->vocab, text, id))
        return 0;
    return 1;
}

/* add_bos_token and add_eos_token, where one of them is there, replace the post-processor. */
static int post(struct encoder *e, const struct json *tokenizer) {
    uint32_t bos, eos;
    if (!json_get(e->config, "add_bos_token") && !json_get(e->config, "add_eos_token"))
        return post_process(e, json_get(tokenizer, "post_processor"), 0);
    const size_t n_bos = config_token(e, "add_bos_token", "bos_token", &bos);
    const size_t n_eos = config_token(e, "add_eos_token", "eos_token", &eos);
    return put_around(e, &bos, n_bos, &eos, n_eos);
}

/* SHA-256 of the ids as Python prints a list, in hexadecimal digits. */
static int hash_ids(struct encoder *e, char hex[SHA256_DIGEST_STRING_LENGTH]) {
    SHA2_CTX ctx;
    SHA256Init(&ctx);
    SHA256Update(&ctx, (const uint8_t *)"[", 1);
    for (size_t i = 0; i < e->ids.n; i++) {
        char text[16];
        const int n = snprintf(text, sizeof text, "%s%u", i ? ", " : "", e->ids.items[i]);
        SHA256Update(&ctx, (const uint8_t *)text, (size_t)n);
    }
    SHA256Update(&ctx, (const uint8_t *)"]", 1);
    return SHA256End(&ctx, hex) ? 0 : no_memory(e);
}

int pre_name(const char **out, const struct json *tokenizer, const struct json *config,
             const struct word_model *model, const struct added *added, struct arena *a,
             struct err *err) {
    struct encoder e = { .normalizer = json_get(tokenizer, "normalizer"),
                         .pre_tokenizer = json_get(tokenizer, "pre_tokenizer"),
                         .config = config,
                         .model = model,
                         .added = added,
                         .arena = a,
                         .err = err };
    char hex[SHA256_DIGEST_STRING_LENGTH];
    int rc = encode(&e, str_from(pre_text), false);
    if (rc == 0)
        rc = post(&e, tokenizer);
    if (rc == 0)
        rc = hash_ids(&e, hex);
    for (size_t i = pre_hash_count; rc == 0 && i-- > 0;) /* the last one counts */
        if (strcmp(pre_hashes[i].sha256, hex) == 0) {
            *out = pre_hashes[i].name;
            return 0;
        }
    return rc < 0 ? rc
                  : err_set(err, -ENOTSUP,
                            "tokenizer.json: llama.cpp knows no pre-tokenizer whose "
                            "test has the hash %.16s",
                            hex);
}
