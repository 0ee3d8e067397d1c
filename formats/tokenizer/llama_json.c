/* SPDX-License-Identifier: Apache-2.0
 * formats/tokenizer/llama_json.c - a SentencePiece vocabulary as tokenizer.json, of which
 * tokenizer.model is missing: BPE with byte fallback. Source: gguf-py, LlamaHfVocab. */
#include "formats/tokenizer/hf_tokenizer.h"
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

static int add_tokens(struct arch_work *w, const struct hf_tokenizer *t, const struct style *style,
                      struct arena *a) {
    const struct roles *roles = &t->roles;
    struct added added;
    struct vocab v;
    struct bpe bpe;
    int rc = bpe_init(&bpe, json_get(t->file, "model"), t->settings, a, w->err);
    if (rc == 0)
        rc = hf_tokenizer_added(t, &added, w, &bpe.vocab, a);
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
                     is_byte(text)             ? TOKEN_BYTE
                     : roles_have(roles, text) ? TOKEN_CONTROL
                                               : TOKEN_NORMAL);
    }
    for (uint32_t i = 0; rc == 0 && i < added.n; i++)
        if (added.items[i].id >= bpe.vocab.n)
            rc = put(w, &v, added.items[i].text, added.items[i].id,
                     roles_have(roles, added.items[i].text) ? TOKEN_CONTROL : TOKEN_USER_DEFINED);
    for (uint64_t i = 0; rc == 0 && i < n; i++)
        if (is_shown(style, v.texts[i]))
            v.types[i] = TOKEN_USER_DEFINED;
    if (rc == 0)
        rc = vocab_add(w, &v, style->model, style->pre);
    return rc < 0 ? rc : special_add(w, t->file, style->merges ? 0 : n, style->merges);
}

static int add_style(struct arch_work *w, const struct style *style) {
    struct arena a = { 0 };
    struct hf_tokenizer t;
    int rc = hf_tokenizer_open(&t, w, &a);
    const bool fit = rc == 0 && fits(t.file);
    if (fit)
        rc = add_tokens(w, &t, style, &a);
    hf_tokenizer_close(&t);
    arena_fini(&a);
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
