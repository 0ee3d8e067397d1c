/* SPDX-License-Identifier: Apache-2.0
 * formats/tokenizer/qwen_vocab.c - the first Qwen's vocabulary: qwen.tiktoken, with special tokens
 * behind it. Source: conversion/base.py, _set_vocab_qwen (llama.cpp 0c1e570); what the code in
 * those folders says of special tokens, normalizer and pattern. */
#include "formats/tokenizer/pre_name.h"
#include "formats/tokenizer/ranks.h"
#include "formats/tokenizer/tokenizer.h"
#include <errno.h>
#include <stdlib.h>

#define FILE_NAME "qwen.tiktoken"

enum { EXTRAS = 205, SPECIALS = 3 + EXTRAS };

/* As tokenizer.json would have it. */
static const char steps[] =
    "{\"normalizer\":{\"type\":\"NFC\"},\"pre_tokenizer\":{\"type\":\"Sequence\",\"pretokenizers\":"
    "["
    "{\"type\":\"Split\",\"behavior\":\"Isolated\",\"pattern\":{\"Regex\":\""
    "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\\\r\\\\n\\\\p{L}\\\\p{N}]?\\\\p{L}+|\\\\p{N}|"
    " ?[^\\\\s\\\\p{L}\\\\p{N}]+[\\\\r\\\\n]*|\\\\s*[\\\\r\\\\n]+|\\\\s+(?!\\\\S)|\\\\s+\"}},"
    "{\"type\":\"ByteLevel\",\"add_prefix_space\":false,\"use_regex\":false}]}}";

static bool encode_word(const void *self, struct str word, struct ids *out, struct arena *a) {
    const struct str bytes = byte_level_decode(a, word);
    return bytes.p && ranks_encode(self, bytes, out, a);
}

static int find_pre(struct arch_work *w, const struct ranks *r, const char **out, struct arena *a) {
    const struct word_model model = { r, &r->by_bytes, encode_word };
    struct added none = { 0 };
    struct json *tokenizer;
    if (w->form->pre) {
        *out = w->form->pre;
        return 0;
    }
    if (!token_map_init(&none.by_text, a, 0))
        return work_no_memory(w);
    int rc = json_parse(&tokenizer, str_from(steps), w->err);
    if (rc < 0)
        return rc;
    struct text_encoder e = { .steps = tokenizer, .model = &model, .added = &none };
    rc = pre_name(out, &e, a, w->err);
    text_encoder_fini(&e);
    json_free(tokenizer);
    return rc;
}

static struct str special_text(struct arena *a, uint32_t i) {
    static const char *const first[] = { "<|endoftext|>", "<|im_start|>", "<|im_end|>" };
    return i < 3 ? str_from(first[i]) : arena_printf(a, "<|extra_%u|>", i - 3);
}

static int fill(struct arch_work *w, struct vocab *v, const struct ranks *r) {
    struct arena *a = w->form->arena;
    uint64_t n;
    int rc = hf_config_need(&w->config, "vocab_size", &n, w->err);
    if (rc == 0 && n < (uint64_t)r->n + SPECIALS)
        rc = err_set(w->err, -EBADMSG,
                     "config.json: \"vocab_size\" is %llu, " FILE_NAME
                     " and the special tokens are %u",
                     (unsigned long long)n, r->n + SPECIALS);
    if (rc == 0)
        rc = vocab_init(v, w, n, false);
    for (uint32_t i = 0; i < r->n + SPECIALS && rc == 0; i++) {
        const bool special = i >= r->n;
        v->texts[i] = special ? special_text(a, i - r->n) : byte_level(a, r->tokens[i]);
        v->types[i] = special ? TOKEN_CONTROL : TOKEN_NORMAL;
        rc = v->texts[i].p ? 0 : work_no_memory(w);
    }
    return rc;
}

static int add_pairs(struct arch_work *w, struct str file, struct arena *a) {
    struct ranks r;
    struct words merges = { 0 };
    struct vocab v;
    const char *pre = NULL;
    int rc = ranks_read(&r, file, a, w->err);
    if (rc == 0)
        rc = ranks_last_merges(&r, &merges, a, w->err);
    if (rc < 0) {
        err_prefix(w->err, FILE_NAME);
        return rc;
    }
    rc = find_pre(w, &r, &pre, a);
    if (rc == 0)
        rc = fill(w, &v, &r);
    if (rc == 0)
        rc = vocab_add(w, &v, "gpt2", pre);
    if (rc == 0 && !kv_set_strs(&w->form->kvs, w->form->arena, "tokenizer.ggml.merges",
                                merges.items, merges.n))
        rc = work_no_memory(w);
    const struct named_token own[] = { { .kind = "bos", .id = r.n, .alone = true },
                                       { .kind = "eos", .id = r.n, .alone = true },
                                       { .kind = "unk", .id = r.n },
                                       { 0 } };
    return rc < 0 ? rc : special_add_own(w, NULL, 0, false, own);
}

static int qwen_add(struct arch_work *w) {
    struct arena a = { 0 };
    char *text = NULL;
    size_t n;
    if (!folder_has(w->folder, FILE_NAME))
        return 0;
    int rc = folder_slurp(w->folder, FILE_NAME, FOLDER_MAX_TOKENIZER, &text, &n, w->err);
    if (rc == 0)
        rc = add_pairs(w, (struct str){ text, n }, &a);
    free(text);
    arena_fini(&a);
    return rc < 0 ? rc : 1;
}

const struct tokenizer_kind tokenizer_qwen = { FILE_NAME, qwen_add };
