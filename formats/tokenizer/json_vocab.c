/* SPDX-License-Identifier: Apache-2.0
 * formats/tokenizer/json_vocab.c - tokenizer.json with a model of type BPE or WordPiece, or the
 * older files (vocab_files.h). Source: conversion/base.py, get_vocab_base and _set_vocab_gpt2;
 * conversion/bert.py. */
#include "formats/tokenizer/token_decode.h"
#include "formats/tokenizer/hf_tokenizer.h"
#include "formats/tokenizer/pre_name.h"
#include "formats/tokenizer/tokenizer.h"
#include <errno.h>

#define FILE_NAME "tokenizer.json"

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

static bool cleans_up(const struct arch_work *w, const struct hf_tokenizer *t) {
    bool clean = false;
    struct str type;
    (void)json_bool(json_get(w->folder->tokenizer_config, "clean_up_tokenization_spaces"), &clean);
    return clean && json_str(json_get(json_get(t->file, "model"), "type"), &type) &&
           !str_is(type, "BPE");
}

/* A token that is not normalized reads as encoding and decoding leave it. */
static int put_added(struct arch_work *w, struct vocab *v, const struct added *added,
                     const struct hf_tokenizer *t, struct arena *a) {
    const struct json *decoder = json_get(t->steps, "decoder");
    const bool plain = w->arch->plain_added, clean = cleans_up(w, t);
    int rc = 0;
    for (uint32_t i = 0; i < added->n && rc == 0; i++) {
        const struct added_token *token = &added->items[i];
        struct str text = plain || token->normalized
                              ? token->text
                              : token_decode(a, token->shown, decoder, clean);
        const bool control = token->special || (!plain && token_looks_special(text));
        if (!control && !plain)
            text = token_unescape(a, text);
        rc = text.p ? put_token(w, v, text, token->id, control ? TOKEN_CONTROL : TOKEN_USER_DEFINED)
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

static int find_pre(struct arch_work *w, const char **out, const struct hf_tokenizer *t,
                    const struct word_model *model, const struct added *added, struct arena *a) {
    if (w->form->pre) {
        *out = w->form->pre;
        return 0;
    }
    struct text_encoder e = {
        .steps = t->steps, .processor = t->processor, .model = model, .added = added
    };
    int rc = pre_name(out, &e, a, w->err);
    text_encoder_fini(&e);
    return rc;
}

static int add_pairs(struct arch_work *w, const struct json_model *kind,
                     const struct hf_tokenizer *t, struct arena *a) {
    struct added added;
    struct vocab v;
    struct word_model model;
    const char *pre = NULL;
    uint64_t n;
    int rc = word_model_init(&model, json_get(t->file, "model"), t->settings, a, w->err);
    if (rc == 0)
        rc = hf_tokenizer_added(t, &added, w, model.vocab, a);
    if (rc == 0)
        rc = find_pre(w, &pre, t, &model, &added, a);
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
    if (rc == 0)
        rc = put_added(w, &v, &added, t, a);
    return rc < 0 ? rc : kind->add(w, t->file, &v, pre);
}

static int add_kind(struct arch_work *w, const struct json_model *kind) {
    struct arena a = { 0 };
    struct hf_tokenizer t;
    struct str type;
    int rc = hf_tokenizer_open(&t, w, &a);
    const bool fits = rc == 0 && json_str(json_get(json_get(t.file, "model"), "type"), &type) &&
                      str_is(type, kind->type);
    if (fits)
        rc = add_pairs(w, kind, &t, &a);
    hf_tokenizer_close(&t);
    arena_fini(&a);
    return rc < 0 ? rc : fits;
}

static int gpt2_add(struct arch_work *w) {
    return add_kind(w, &models[0]);
}

static int wordpiece_add(struct arch_work *w) {
    return add_kind(w, &models[1]);
}

const struct tokenizer_kind tokenizer_gpt2 = { FILE_NAME ", vocab.json with merges.txt", gpt2_add };
const struct tokenizer_kind tokenizer_wordpiece = { FILE_NAME ", vocab.txt", wordpiece_add };
