/* SPDX-License-Identifier: Apache-2.0
 * formats/tokenizer/tiktoken_vocab.c - the tokenizers of Llama as Meta gives it out, as
 * transformers' convert_llama_weights_to_hf.py writes them: tokenizer.model is one of tiktoken with
 * special tokens behind it, or SentencePiece. Source: that script, convert_slow_tokenizer.py
 * (transformers 4.57). */
#include "formats/original.h"
#include "formats/tokenizer/pre_name.h"
#include "formats/tokenizer/ranks.h"
#include "formats/tokenizer/spm.h"
#include "formats/tokenizer/tokenizer.h"
#include <errno.h>
#include <stdlib.h>

#define FILE_NAME "tokenizer.model"

/* tokenizer.json, but for vocabulary and added tokens; bos stands in front of a text. */
static const char steps[] =
    "{\"pre_tokenizer\":{\"type\":\"Sequence\",\"pretokenizers\":["
    "{\"type\":\"Split\",\"behavior\":\"Isolated\",\"pattern\":{\"Regex\":\""
    "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\\\r\\\\n\\\\p{L}\\\\p{N}]?\\\\p{L}+|\\\\p{N}{1,3}|"
    " ?[^\\\\s\\\\p{L}\\\\p{N}]+[\\\\r\\\\n]*|\\\\s*[\\\\r\\\\n]+|\\\\s+(?!\\\\S)|\\\\s+\"}},"
    "{\"type\":\"ByteLevel\",\"add_prefix_space\":false,\"use_regex\":false}]},"
    "\"post_processor\":{\"type\":\"Sequence\",\"processors\":[{\"type\":\"ByteLevel\"},"
    "{\"type\":\"TemplateProcessing\",\"single\":["
    "{\"SpecialToken\":{\"id\":\"<|begin_of_text|>\"}},{\"Sequence\":{\"id\":\"A\"}}],\"pair\":["
    "{\"SpecialToken\":{\"id\":\"<|begin_of_text|>\"}},{\"Sequence\":{\"id\":\"A\"}},"
    "{\"SpecialToken\":{\"id\":\"<|begin_of_text|>\"}},{\"Sequence\":{\"id\":\"B\"}}],"
    "\"special_tokens\":{\"<|begin_of_text|>\":{\"ids\":[%u]}}}]},"
    /* those that tokenizer_config.json names */
    "\"added_tokens\":[{\"content\":\"<|begin_of_text|>\",\"id\":%u},"
    "{\"content\":\"<|end_of_text|>\",\"id\":%u},{\"content\":\"<|eot_id|>\",\"id\":%u}]}";

enum { END_OF_TEXT = 1, END_OF_TURN = 9 };

struct tiktoken {
    struct arch_work *w;
    struct arena *a;
    struct ranks ranks;
    struct json *tokenizer;
};

static bool encode_word(const void *self, struct str word, struct ids *out, struct arena *a) {
    const struct str bytes = byte_level_decode(a, word);
    return bytes.p && ranks_encode(self, bytes, out, a);
}

static int find_pre(struct tiktoken *t, const char **out) {
    const struct word_model model = { &t->ranks, &t->ranks.by_bytes, encode_word };
    struct added none = { 0 };
    if (t->w->form->pre) {
        *out = t->w->form->pre;
        return 0;
    }
    if (!token_map_init(&none.by_text, t->a, 0))
        return work_no_memory(t->w);
    struct text_encoder e = { .steps = t->tokenizer,
                              .processor = json_get(t->tokenizer, "post_processor"),
                              .model = &model,
                              .added = &none };
    const int rc = pre_name(out, &e, t->a, t->w->err);
    text_encoder_fini(&e);
    return rc;
}

/* Positions are scaled since 3.1. */
static bool is_since_3_1(const struct arch_work *w) {
    return !json_is_null(json_get(w->folder->config, "rope_scaling"));
}

static int fill(struct tiktoken *t, struct vocab *v) {
    struct arch_work *w = t->w;
    struct arena *a = w->form->arena;
    const uint32_t n = t->ranks.n + ORIGINAL_SPECIALS;
    uint64_t rows;
    int rc = hf_config_need(&w->config, "vocab_size", &rows, w->err);
    if (rc == 0 && rows != n)
        rc = err_set(w->err, -EBADMSG,
                     "tok_embeddings.weight has %llu rows, " FILE_NAME " and the special tokens "
                     "are %u",
                     (unsigned long long)rows, n);
    if (rc == 0)
        rc = vocab_init(v, w, n, false);
    for (uint32_t i = 0; i < n && rc == 0; i++) {
        const bool special = i >= t->ranks.n;
        v->texts[i] = special ? original_special(a, is_since_3_1(w), i - t->ranks.n)
                              : byte_level(a, t->ranks.tokens[i]);
        v->types[i] = special ? TOKEN_CONTROL : TOKEN_NORMAL;
        rc = v->texts[i].p ? 0 : work_no_memory(w);
    }
    return rc;
}

static int add_pairs(struct tiktoken *t) {
    struct arch_work *w = t->w;
    struct words merges = { 0 };
    struct vocab v;
    const char *pre = NULL;
    const uint32_t n = t->ranks.n;
    const struct str text = arena_printf(t->a, steps, n, n, n + END_OF_TEXT, n + END_OF_TURN);
    int rc = text.p ? json_parse(&t->tokenizer, text, w->err) : work_no_memory(w);
    if (rc == 0)
        rc = ranks_all_merges(&t->ranks, &merges, t->a, w->err);
    if (rc == 0)
        rc = find_pre(t, &pre);
    if (rc == 0)
        rc = fill(t, &v);
    if (rc == 0)
        rc = vocab_add(w, &v, "gpt2", pre);
    if (rc == 0 && !kv_set_strs(&w->form->kvs, w->form->arena, "tokenizer.ggml.merges",
                                merges.items, merges.n))
        rc = work_no_memory(w);
    return rc < 0 ? rc : special_add(w, t->tokenizer, 0, false);
}

static int tiktoken_add(struct arch_work *w) {
    struct arena a = { 0 };
    struct tiktoken t = { .w = w, .a = &a };
    char *text = NULL;
    size_t n;
    bool fits;
    int rc = original_is_tiktoken(w->folder, &fits, w->err);
    if (rc < 0 || !fits)
        return rc;
    rc = folder_slurp(w->folder, FILE_NAME, FOLDER_MAX_TOKENIZER, &text, &n, w->err);
    if (rc == 0) {
        rc = ranks_read(&t.ranks, (struct str){ text, n }, &a, w->err);
        if (rc < 0)
            err_prefix(w->err, FILE_NAME);
    }
    if (rc == 0)
        rc = add_pairs(&t);
    json_free(t.tokenizer);
    free(text);
    arena_fini(&a);
    return rc < 0 ? rc : 1;
}

/* Llama 1 and 2. */
static int spm_original_add(struct arch_work *w) {
    static const char tokenizer[] =
        "{\"added_tokens\":[{\"id\":0,\"content\":\"<unk>\"},{\"id\":1,\"content\":\"<s>\"},"
        "{\"id\":2,\"content\":\"</s>\"}],\"post_processor\":{\"type\":\"TemplateProcessing\","
        "\"single\":[{\"SpecialToken\":{\"id\":\"<s>\"}},{\"Sequence\":{\"id\":\"A\"}}],\"pair\":["
        "{\"SpecialToken\":{\"id\":\"<s>\"}},{\"Sequence\":{\"id\":\"A\"}},"
        "{\"SpecialToken\":{\"id\":\"<s>\"}},{\"Sequence\":{\"id\":\"B\"}}]}}";
    return spm_add_with(w, tokenizer);
}

const struct tokenizer_kind tokenizer_tiktoken = { FILE_NAME, tiktoken_add };
const struct tokenizer_kind tokenizer_spm_original = { FILE_NAME, spm_original_add };
