/* SPDX-License-Identifier: Apache-2.0
 * formats/tokenizer/llama_json.c - a SentencePiece vocabulary as tokenizer.json, of which
 * tokenizer.model is missing: BPE with byte fallback. Source: gguf-py, LlamaHfVocab. */
#include "formats/tokenizer/added.h"
#include "formats/tokenizer/tokenizer.h"
#include <errno.h>

#define FILE_NAME "tokenizer.json"

static bool fits(const struct json *tokenizer) {
    const struct json *model = json_get(tokenizer, "model");
    struct str type, decoder;
    bool fallback = false;
    (void)json_bool(json_get(model, "byte_fallback"), &fallback);
    return fallback && json_str(json_get(model, "type"), &type) && str_is(type, "BPE") &&
           json_str(json_get(json_get(tokenizer, "decoder"), "type"), &decoder) &&
           str_is(decoder, "Sequence");
}

static bool is_hex(char c) {
    return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'f');
}

/* "<0x0A>" */
static bool is_byte(struct str s) {
    return s.n == 6 && memcmp(s.p, "<0x", 3) == 0 && is_hex(s.p[3]) && is_hex(s.p[4]) &&
           s.p[5] == '>';
}

static bool names(const struct json *v, struct str text) {
    struct str own;
    return (json_str(v, &own) || json_str(json_get(v, "content"), &own)) && str_eq(own, text);
}

static bool is_llama(const struct json *config) {
    struct str name;
    return json_str(json_get(config, "tokenizer_class"), &name) && str_starts(name, STR("Llama"));
}

/* Is @text that of a member of @object whose name ends so? */
static bool any_names(const struct json *object, const char *end, struct str text) {
    for (struct json_iter it = json_iter(object); json_next(&it);)
        if (str_ends(it.key, str_from(end)) && names(it.value, text))
            return true;
    return false;
}

/* One of the tokens that tokenizer_config.json gives a role; a Llama tokenizer has three of its
 * own where it gives none. */
static bool is_special(const struct json *config, struct str text) {
    static const struct {
        const char *key, *llama;
    } roles[] = { { "bos_token", "<s>" }, { "eos_token", "</s>" }, { "unk_token", "<unk>" },
                  { "sep_token", NULL },  { "pad_token", NULL },   { "cls_token", NULL },
                  { "mask_token", NULL } };
    static const char *const lists[] = { "additional_special_tokens", "extra_special_tokens",
                                         "model_specific_special_tokens" };
    const bool llama = is_llama(config);
    for (size_t i = 0; i < sizeof roles / sizeof *roles; i++) {
        const struct json *v = json_get(config, roles[i].key);
        if (v ? names(v, text) : llama && roles[i].llama && str_is(text, roles[i].llama))
            return true;
    }
    for (size_t k = 0; k < sizeof lists / sizeof *lists; k++) {
        const struct json *list = json_get(config, lists[k]);
        if (json_type(list) == JSON_OBJECT && any_names(list, "", text))
            return true;
        for (size_t i = 0; json_type(list) == JSON_ARRAY && i < json_len(list); i++)
            if (names(json_at(list, i), text))
                return true;
    }
    return any_names(config, "_token", text); /* "image_token", ... */
}

static int put(struct arch_work *w, struct vocab *v, struct str text, uint64_t id,
               enum token_type type) {
    if (id >= v->n)
        return err_set(w->err, -EBADMSG, FILE_NAME ": the ids of its tokens have gaps");
    v->texts[id] = arena_str(w->form->arena, text);
    v->types[id] = (int32_t)type;
    return v->texts[id].p ? 0 : work_no_memory(w);
}

/* What models make of such a vocabulary. */
struct style {
    const char *model, *pre; /* tokenizer.ggml.model and pre; NULL: no pre */
    bool merges;
    const char *const *shown; /* tokens that programs are to see, whatever they are; ends in NULL */
};

static bool is_shown(const struct style *style, struct str text) {
    for (const char *const *s = style->shown; s && *s; s++)
        if (str_is(text, *s))
            return true;
    return false;
}

static int add_tokens(struct arch_work *w, const struct json *tokenizer, const struct style *style,
                      struct arena *a) {
    const struct json *config = w->folder->tokenizer_config;
    struct added added;
    struct vocab v;
    struct bpe bpe;
    int rc = bpe_init(&bpe, json_get(tokenizer, "model"), a, w->err);
    if (rc == 0)
        /* transformers' Llama class looks for added tokens in one of the two files only */
        rc = added_read(
            &added, is_llama(config) && json_get(config, "added_tokens_decoder") ? NULL : tokenizer,
            config, &bpe.vocab, a, w->err);
    if (rc < 0)
        return rc;
    uint64_t n = bpe.vocab.n;
    for (uint32_t i = 0; i < added.n; i++)
        n += added.items[i].id >= bpe.vocab.n;
    rc = vocab_init(&v, w, n, true);
    for (uint64_t i = 0; rc == 0 && i < n; i++)
        v.scores[i] = -1000;
    for (uint32_t i = 0; rc == 0 && i < bpe.vocab.n_slots; i++) {
        const struct str text = bpe.vocab.texts[i];
        if (text.p)
            rc = put(w, &v, text, bpe.vocab.ids[i],
                     is_byte(text)              ? TOKEN_BYTE
                     : is_special(config, text) ? TOKEN_CONTROL
                                                : TOKEN_NORMAL);
    }
    for (uint32_t i = 0; rc == 0 && i < added.n; i++)
        if (added.items[i].id >= bpe.vocab.n)
            rc = put(w, &v, added.items[i].text, added.items[i].id,
                     is_special(config, added.items[i].text) ? TOKEN_CONTROL : TOKEN_USER_DEFINED);
    for (uint64_t i = 0; rc == 0 && i < n; i++)
        if (is_shown(style, v.texts[i]))
            v.types[i] = TOKEN_USER_DEFINED;
    if (rc == 0)
        rc = vocab_add(w, &v, style->model, style->pre);
    return rc < 0 ? rc : special_add(w, tokenizer, style->merges ? 0 : n, style->merges);
}

static int add_style(struct arch_work *w, const struct style *style) {
    struct arena a = { 0 };
    struct json *tokenizer;
    int rc = folder_json(w->folder, FILE_NAME, FOLDER_MAX_TOKENIZER, &tokenizer, w->err);
    if (rc < 0)
        return rc;
    const bool fit = fits(tokenizer);
    if (fit)
        rc = add_tokens(w, tokenizer, style, &a);
    arena_fini(&a);
    json_free(tokenizer);
    return rc < 0 ? rc : fit;
}

static int llama_json_add(struct arch_work *w) {
    static const struct style llama = { .model = "llama", .pre = "default" };
    return add_style(w, &llama);
}

static int gemma4_add(struct arch_work *w) {
    static const char *const shown[] = { "<|channel>",       "<channel|>",
                                         "<|tool_call>",     "<tool_call|>",
                                         "<|tool_response>", "<tool_response|>",
                                         "<|\"|>",           NULL };
    static const struct style gemma4 = { .model = "gemma4", .merges = true, .shown = shown };
    return add_style(w, &gemma4);
}

const struct tokenizer_kind tokenizer_gemma4 = { FILE_NAME, gemma4_add };
const struct tokenizer_kind tokenizer_llama_json = { FILE_NAME, llama_json_add };
