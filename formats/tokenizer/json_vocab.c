/* SPDX-License-Identifier: Apache-2.0
 * formats/tokenizer/json_vocab.c - tokenizer.json with a model of type BPE or WordPiece.
 * Source: conversion/base.py, get_vocab_base and _set_vocab_gpt2; conversion/bert.py. */
#include "formats/tokenizer/pre_name.h"
#include "formats/tokenizer/tokenizer.h"
#include <errno.h>

#define FILE_NAME "tokenizer.json"

/* The length of the character at @s, or of the bytes that are none (Unicode, "maximal subpart"). */
static size_t utf8_length(struct str s, bool *valid) {
    const unsigned char c = (unsigned char)s.p[0];
    const size_t want = c < 0x80   ? 1
                        : c < 0xc2 ? 0
                        : c < 0xe0 ? 2
                        : c < 0xf0 ? 3
                        : c < 0xf5 ? 4
                                   : 0;
    const unsigned low = c == 0xe0 ? 0xa0 : c == 0xf0 ? 0x90 : 0x80;
    const unsigned high = c == 0xed ? 0x9f : c == 0xf4 ? 0x8f : 0xbf;
    size_t n = 1;
    while (n < want && n < s.n) {
        const unsigned char d = (unsigned char)s.p[n];
        if (n == 1 ? d < low || d > high : d < 0x80 || d > 0xbf)
            break;
        n++;
    }
    *valid = want && n == want;
    return n;
}

/* Bytes that are not UTF-8 become U+FFFD. */
static struct str to_utf8(struct arena *a, struct str bytes) {
    char *out = arena_alloc(a, 3 * bytes.n + 1, 1);
    size_t len = 0;
    while (out && bytes.n) {
        bool valid;
        const size_t n = utf8_length(bytes, &valid);
        memcpy(out + len, valid ? bytes.p : "\xef\xbf\xbd", valid ? n : 3);
        len += valid ? n : 3;
        bytes.p += n;
        bytes.n -= n;
    }
    return (struct str){ out, len };
}

/* An added token as it reads after encoding and decoding. */
static struct str decoded(struct arena *a, struct str text, bool byte_level_decoder) {
    const struct str bytes = byte_level_decoder ? byte_level_decode(a, text) : text;
    return bytes.p ? to_utf8(a, bytes) : text;
}

static int put_token(struct arch_work *w, struct vocab *v, struct str text, uint64_t id,
                     enum token_type type) {
    if (id >= v->n)
        return err_set(w->err, -EBADMSG,
                       "config.json: \"vocab_size\" is %llu, " FILE_NAME " has a token %llu",
                       (unsigned long long)v->n, (unsigned long long)id);
    v->texts[id] = arena_str(w->form->arena, text);
    v->types[id] = (int32_t)type;
    return v->texts[id].p ? 0 : work_no_memory(w);
}

static int put_added(struct arch_work *w, struct vocab *v, const struct added *added,
                     bool byte_level_decoder, struct arena *a) {
    int rc = 0;
    for (uint32_t i = 0; i < added->n && rc == 0; i++) {
        const struct added_token *t = &added->items[i];
        const bool plain = w->arch->plain_added;
        struct str text =
            plain || t->normalized ? t->text : decoded(a, t->text, byte_level_decoder);
        const bool control = t->special || (!plain && token_looks_special(text));
        if (!control && !plain)
            text = token_unescape(a, text);
        rc = text.p ? put_token(w, v, text, t->id, control ? TOKEN_CONTROL : TOKEN_USER_DEFINED)
                    : work_no_memory(w);
    }
    return rc;
}

static int put_vocab(struct arch_work *w, struct vocab *v, const struct token_map *map) {
    int rc = 0;
    for (uint32_t i = 0; i < map->n_slots && rc == 0; i++)
        if (map->texts[i].p)
            rc = put_token(w, v, map->texts[i], map->ids[i], TOKEN_NORMAL);
    return rc;
}

/* --- the models --- */

static int add_bpe(struct arch_work *w, const struct json *tokenizer, struct vocab *v,
                   const char *pre) {
    int rc = vocab_add(w, v, "gpt2", pre);
    return rc < 0 ? rc : special_add(w, tokenizer, 0, true);
}

/* Pieces that begin a word get U+2581 in front, those that go on lose their "##". */
static int add_wordpiece(struct arch_work *w, const struct json *tokenizer, struct vocab *v,
                         const char *pre) {
    struct arena *a = w->form->arena;
    for (uint64_t i = 0; i < v->n; i++) {
        struct str *text = &v->texts[i];
        if (v->types[i] == TOKEN_CONTROL)
            continue;
        if (text->p && str_starts(*text, STR("##")))
            *text = (struct str){ text->p + 2, text->n - 2 };
        else if (text->p)
            *text = arena_join(a, STR("\xe2\x96\x81"), *text);
        else
            *text = arena_printf(a, "\xe2\x96\x81[PAD%llu]", (unsigned long long)i);
        if (!text->p)
            return work_no_memory(w);
    }
    int rc = vocab_add(w, v, "bert", pre);
    return rc < 0 ? rc : special_add(w, tokenizer, v->n, false);
}

static const struct json_model {
    const char *type; /* "model"."type" */
    int (*add)(struct arch_work *w, const struct json *tokenizer, struct vocab *v, const char *pre);
} models[] = {
    { "BPE", add_bpe },
    { "WordPiece", add_wordpiece },
};

static int find_pre(struct arch_work *w, const char **out, const struct json *tokenizer,
                    const struct word_model *model, const struct added *added, struct arena *a) {
    if (w->form->pre) {
        *out = w->form->pre;
        return 0;
    }
    struct text_encoder e = { .tokenizer = tokenizer, .model = model, .added = added };
    int rc = pre_name(out, &e, a, w->err);
    text_encoder_fini(&e);
    return rc;
}

static int add_pairs(struct arch_work *w, const struct json_model *kind,
                     const struct json *tokenizer, struct arena *a) {
    struct str decoder;
    struct added added;
    struct vocab v;
    struct word_model model;
    const char *pre = NULL;
    uint64_t n;
    const struct json *config = w->folder->tokenizer_config;
    int rc = word_model_init(&model, json_get(tokenizer, "model"), a, w->err);
    if (rc == 0)
        rc = added_read(&added, tokenizer, config, model.vocab, a, w->err);
    if (rc == 0)
        rc = find_pre(w, &pre, tokenizer, &model, &added, a);
    if (rc < 0)
        return rc;
    rc = tokenizer_vocab_size(w, "vocab_size", &n);
    if (rc < 0)
        return rc;
    if (rc == 0)
        n = added.n && added.last_id >= model.vocab->n ? added.last_id + 1 : model.vocab->n;
    rc = vocab_init(&v, w, n, false);
    if (rc == 0)
        rc = put_vocab(w, &v, model.vocab);
    const bool byte_level_decoder =
        json_str(json_get(json_get(tokenizer, "decoder"), "type"), &decoder) &&
        str_is(decoder, "ByteLevel");
    if (rc == 0)
        rc = put_added(w, &v, &added, byte_level_decoder, a);
    return rc < 0 ? rc : kind->add(w, tokenizer, &v, pre);
}

static int add_kind(struct arch_work *w, const struct json_model *kind) {
    struct arena a = { 0 };
    struct json *tokenizer;
    struct str type;
    int rc = folder_json(w->folder, FILE_NAME, FOLDER_MAX_TOKENIZER, &tokenizer, w->err);
    if (rc < 0 || !tokenizer)
        return rc;
    const bool fits =
        json_str(json_get(json_get(tokenizer, "model"), "type"), &type) && str_is(type, kind->type);
    if (fits)
        rc = add_pairs(w, kind, tokenizer, &a);
    arena_fini(&a);
    json_free(tokenizer);
    return rc < 0 ? rc : fits;
}

static int gpt2_add(struct arch_work *w) {
    return add_kind(w, &models[0]);
}

static int wordpiece_add(struct arch_work *w) {
    return add_kind(w, &models[1]);
}

const struct tokenizer_kind tokenizer_gpt2 = { FILE_NAME, gpt2_add };
const struct tokenizer_kind tokenizer_wordpiece = { FILE_NAME, wordpiece_add };
