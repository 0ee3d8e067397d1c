/* SPDX-License-Identifier: Apache-2.0
 * formats/tokenizer/internlm_vocab.c - SentencePiece as InternLM 2 and 3 have it: the end of a turn
 * takes the place of the end of the text. Source: conversion/internlm.py. */
#include "formats/tokenizer/spm.h"
#include <errno.h>
#include <stdlib.h>

#define MODEL_FILE "tokenizer.model"
#define TURN_END   "<|im_end|>"

enum { ADD_DUMMY_PREFIX = 3 }; /* NormalizerSpec */

struct turn_end {
    bool found;
    uint32_t id;
};

static int put(struct arch_work *w, struct vocab *v, uint64_t id, struct str text, bool special) {
    if (id >= v->n)
        return err_set(w->err, -EBADMSG,
                       "token %llu (\"%.*s\") is beyond config.json's vocabulary of %llu",
                       (unsigned long long)id, STR_ARG(text), (unsigned long long)v->n);
    v->texts[id] = arena_str(w->form->arena, text);
    v->types[id] = special ? TOKEN_CONTROL : TOKEN_USER_DEFINED;
    v->scores[id] = -1000;
    return v->texts[id].p ? 0 : work_no_memory(w);
}

static int take_token(struct arch_work *w, struct vocab *v, uint64_t id, const struct json *token,
                      struct turn_end *end) {
    struct str text;
    bool special = false;
    if (!json_str(json_get(token, "content"), &text))
        return err_set(w->err, -EBADMSG, "added token %llu has no content", (unsigned long long)id);
    (void)json_bool(json_get(token, "special"), &special);
    if (str_is(text, TURN_END) && id <= UINT32_MAX)
        *end = (struct turn_end){ true, (uint32_t)id };
    return put(w, v, id, text, special);
}

/* added_tokens_decoder of tokenizer_config.json, then added_tokens of tokenizer.json. */
static int take_added(struct arch_work *w, struct vocab *v, const struct json *tokenizer,
                      struct turn_end *end) {
    const struct json *decoder = json_get(w->folder->tokenizer_config, "added_tokens_decoder");
    const struct json *added = json_get(tokenizer, "added_tokens");
    int rc = 0;
    for (struct json_iter it = json_iter(decoder); rc == 0 && json_next(&it);) {
        uint64_t id;
        rc = spm_parse_id(it.key, &id) ? take_token(w, v, id, it.value, end)
                                       : err_set(w->err, -EBADMSG,
                                                 "tokenizer_config.json: added_tokens_decoder: "
                                                 "\"%.*s\" is no id",
                                                 STR_ARG(it.key));
    }
    for (size_t i = 0; rc == 0 && i < json_len(added); i++) {
        uint64_t id;
        rc = json_u64(json_get(json_at(added, i), "id"), &id)
                 ? take_token(w, v, id, json_at(added, i), end)
                 : err_set(w->err, -EBADMSG, "tokenizer.json: added token %zu has no id", i);
    }
    return rc;
}

/* add_dummy_prefix of the model's normalizer; true where it does not say. */
static bool dummy_prefix(struct str model) {
    struct cursor c = cursor_over(model);
    struct field f, g;
    bool add = true;
    while (field_next(&c, &f)) {
        if (f.number != MODEL_NORMALIZER || f.wire != WIRE_BYTES)
            continue;
        for (struct cursor n = cursor_over(f.bytes); field_next(&n, &g);)
            if (g.number == ADD_DUMMY_PREFIX && g.wire == WIRE_VARINT)
                add = g.value != 0;
    }
    return add;
}

/* A zero byte would end the text for readers in C. */
static void mend_pieces(struct vocab *v, uint64_t n) {
    for (uint64_t i = 0; i < n; i++) {
        if (v->texts[i].n == 1 && v->texts[i].p[0] == 0)
            v->texts[i] = STR("\xf0\x9f\x90\x89");
        if (str_starts(v->texts[i], STR("[UNUSED")))
            v->types[i] = TOKEN_UNUSED;
    }
}

/* added_tokens.json: behind the pieces, whatever their ids. */
static int append_added(struct arch_work *w, struct vocab *v, const struct json *added) {
    const uint64_t pieces = v->n;
    struct vocab more;
    uint64_t id = pieces;
    int rc = json_len(added) ? vocab_init(&more, w, pieces + json_len(added), true) : 1;
    if (rc)
        return rc < 0 ? rc : 0;
    memcpy(more.texts, v->texts, pieces * sizeof *v->texts);
    memcpy(more.types, v->types, pieces * sizeof *v->types);
    memcpy(more.scores, v->scores, pieces * sizeof *v->scores);
    *v = more;
    for (struct json_iter it = json_iter(added); rc == 0 && json_next(&it);)
        rc = put(w, v, id++, it.key, false);
    return rc;
}

static int add_internlm2(struct arch_work *w, struct str model, const struct json *tokenizer,
                         const struct json *added) {
    struct turn_end end = { 0 };
    struct vocab v;
    uint64_t pieces, n;
    int rc = spm_count(w, model, &pieces);
    if (rc == 0)
        rc = hf_config_u64(&w->config, "vocab_size", &n, w->err);
    if (rc == 0)
        n = pieces;
    if (rc >= 0 && n > pieces)
        rc = err_set(w->err, -EBADMSG, MODEL_FILE " has %llu pieces, config.json %llu",
                     (unsigned long long)pieces, (unsigned long long)n);
    if (rc >= 0)
        rc = vocab_init(&v, w, n, true);
    if (rc == 0)
        rc = spm_take(w, &v, model);
    if (rc == 0) {
        mend_pieces(&v, n);
        rc = append_added(w, &v, added);
    }
    if (rc == 0)
        rc = take_added(w, &v, tokenizer, &end);
    if (rc == 0)
        rc = vocab_add(w, &v, "llama", "default");
    if (rc == 0)
        rc = work_bool(w, "tokenizer.ggml.add_space_prefix", dummy_prefix(model));
    const struct named_token eos[] = { { .kind = "eos", .id = end.id, .replace = true }, { 0 } };
    return rc < 0 ? rc : special_add_own(w, tokenizer, v.n, false, end.found ? eos : NULL);
}

static int internlm_add(struct arch_work *w) {
    struct json *tokenizer = NULL, *added = NULL;
    char *bytes = NULL;
    size_t n;
    if (!folder_has(w->folder, MODEL_FILE))
        return 0;
    int rc = folder_slurp(w->folder, MODEL_FILE, FOLDER_MAX_TOKENIZER, &bytes, &n, w->err);
    if (rc == 0)
        rc = folder_json(w->folder, "tokenizer.json", FOLDER_MAX_TOKENIZER, &tokenizer, w->err);
    if (rc == 0)
        rc = folder_json(w->folder, "added_tokens.json", FOLDER_MAX_CONFIG, &added, w->err);
    if (rc == 0)
        rc = add_internlm2(w, (struct str){ bytes, n }, tokenizer, added);
    json_free(added);
    json_free(tokenizer);
    free(bytes);
    return rc < 0 ? rc : 1;
}

const struct tokenizer_kind tokenizer_internlm = { MODEL_FILE, internlm_add };

/* InternLM 3: the usual pieces; of several tokens with the text the last one counts. */
static int internlm3_add(struct arch_work *w) {
    const struct json *config = w->folder->tokenizer_config;
    struct turn_end end = { 0 };
    bool space;
    for (struct json_iter it = json_iter(json_get(config, "added_tokens_decoder"));
         json_next(&it);) {
        struct str text;
        uint64_t id;
        bool special = false;
        (void)json_bool(json_get(it.value, "special"), &special);
        if (special && json_str(json_get(it.value, "content"), &text) && str_is(text, TURN_END) &&
            spm_parse_id(it.key, &id) && id <= UINT32_MAX)
            end = (struct turn_end){ true, (uint32_t)id };
    }
    const struct named_token eos[] = { { .kind = "eos", .id = end.id, .replace = true }, { 0 } };
    return spm_add_own(w, end.found ? eos : NULL,
                       json_bool(json_get(config, "add_prefix_space"), &space) ? &space : NULL);
}

const struct tokenizer_kind tokenizer_internlm3 = { MODEL_FILE, internlm3_add };
