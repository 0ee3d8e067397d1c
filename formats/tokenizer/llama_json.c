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

/* One of the tokens that tokenizer_config.json gives a role; a Llama tokenizer has three of its
 * own where it gives none. */
static bool is_special(const struct json *config, struct str text) {
    static const struct {
        const char *key, *llama;
    } roles[] = { { "bos_token", "<s>" }, { "eos_token", "</s>" }, { "unk_token", "<unk>" },
                  { "sep_token", NULL },  { "pad_token", NULL },   { "cls_token", NULL },
                  { "mask_token", NULL } };
    static const char *const lists[] = { "additional_special_tokens", "extra_special_tokens" };
    const bool llama = is_llama(config);
    for (size_t i = 0; i < sizeof roles / sizeof *roles; i++) {
        const struct json *v = json_get(config, roles[i].key);
        if (v ? names(v, text) : llama && roles[i].llama && str_is(text, roles[i].llama))
            return true;
    }
    for (size_t k = 0; k < 2; k++)
        for (size_t i = 0; i < json_len(json_get(config, lists[k])); i++)
            if (names(json_at(json_get(config, lists[k]), i), text))
                return true;
    return false;
}

static int put(struct arch_work *w, struct vocab *v, struct str text, uint64_t id,
               enum token_type type) {
    if (id >= v->n)
        return err_set(w->err, -EBADMSG, FILE_NAME ": the ids of its tokens have gaps");
    v->texts[id] = arena_str(w->form->arena, text);
    v->types[id] = (int32_t)type;
    return v->texts[id].p ? 0 : work_no_memory(w);
}

static int add_tokens(struct arch_work *w, const struct json *tokenizer, struct arena *a) {
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
    if (rc == 0)
        rc = vocab_add(w, &v, "llama", "default");
    return rc < 0 ? rc : special_add(w, tokenizer, n, false);
}

static int llama_json_add(struct arch_work *w) {
    struct arena a = { 0 };
    struct json *tokenizer;
    int rc = folder_json(w->folder, FILE_NAME, FOLDER_MAX_TOKENIZER, &tokenizer, w->err);
    if (rc < 0)
        return rc;
    const bool fit = fits(tokenizer);
    if (fit)
        rc = add_tokens(w, tokenizer, &a);
    arena_fini(&a);
    json_free(tokenizer);
    return rc < 0 ? rc : fit;
}

const struct tokenizer_kind tokenizer_llama_json = { FILE_NAME, llama_json_add };
