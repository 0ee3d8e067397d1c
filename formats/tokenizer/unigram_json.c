/* SPDX-License-Identifier: Apache-2.0
 * formats/tokenizer/unigram_json.c - tokenizer.json with a model of type Unigram, as XLM-RoBERTa
 * has it. Source: conversion/bert.py, _xlmroberta_set_vocab; transformers 5.23,
 * XLMRobertaTokenizer. */
#include "formats/tokenizer/unigram.h"
#include <errno.h>
#include <stdlib.h>

#define FILE_NAME "tokenizer.json"

enum { MAX_SPECIAL = 64, UNK_ID = 3 /* where the model names none */ };

/* The texts of tokens that have a role. */
struct roles {
    struct str texts[MAX_SPECIAL];
    size_t n;
};

static void add_role(struct roles *r, struct str text) {
    if (r->n < MAX_SPECIAL)
        r->texts[r->n++] = text;
}

static bool has_role(const struct roles *r, struct str text) {
    for (size_t i = 0; i < r->n; i++)
        if (str_eq(r->texts[i], text))
            return true;
    return false;
}

static bool token_text(const struct json *v, struct str *out) {
    return json_str(v, out) || json_str(json_get(v, "content"), out);
}

/* Is it of the class whose tokens have a role without being named? */
static bool is_xlm_roberta(const struct json *config) {
    struct str name;
    return !json_str(json_get(config, "tokenizer_class"), &name) ||
           str_starts(name, STR("XLMRoberta"));
}

static void find_roles(struct roles *r, const struct json *config) {
    static const struct {
        const char *key, *absent;
    } roles[] = { { "bos_token", "<s>" },    { "eos_token", "</s>" },  { "unk_token", "<unk>" },
                  { "sep_token", "</s>" },   { "pad_token", "<pad>" }, { "cls_token", "<s>" },
                  { "mask_token", "<mask>" } };
    static const char *const lists[] = { "additional_special_tokens", "extra_special_tokens" };
    struct str text;
    for (size_t i = 0; i < sizeof roles / sizeof *roles; i++) {
        const struct json *v = json_get(config, roles[i].key);
        if (token_text(v, &text))
            add_role(r, text);
        else if (!v && is_xlm_roberta(config))
            add_role(r, str_from(roles[i].absent));
    }
    for (size_t l = 0; l < 2; l++)
        for (size_t i = 0; i < json_len(json_get(config, lists[l])); i++)
            if (token_text(json_at(json_get(config, lists[l]), i), &text))
                add_role(r, text);
}

/* --- base64 --- */

static int digit(char c) {
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *found = c ? strchr(digits, c) : NULL;
    return found ? (int)(found - digits) : -1;
}

/* p is NULL: no memory, or no base64. */
static struct str decode(struct arena *a, struct str text) {
    const struct str none = { NULL, 0 };
    char *out = arena_alloc(a, text.n / 4 * 3 + 3, 1);
    size_t n = 0, i = 0;
    uint32_t bits = 0;
    for (; out && i < text.n && text.p[i] != '='; i++) {
        const int d = digit(text.p[i]);
        if (d < 0)
            return none;
        bits = bits << 6 | (uint32_t)d;
        if (i % 4) /* the first of four gives no byte yet */
            out[n++] = (char)(bits >> (6 - 2 * (i % 4)));
    }
    return out && text.n % 4 == 0 && i + 2 >= text.n ? (struct str){ out, n } : none;
}

/* --- the tokens --- */

static int put_pieces(struct arch_work *w, struct vocab *v, const struct json *pieces,
                      const struct roles *roles, uint64_t unknown) {
    for (size_t i = 0; i < json_len(pieces); i++) {
        const struct json *piece = json_at(pieces, i);
        struct str text;
        double score;
        if (!json_str(json_at(piece, 0), &text) || !json_f64(json_at(piece, 1), &score))
            return err_set(w->err, -EBADMSG, FILE_NAME ": piece %zu is no text with a score", i);
        v->texts[i] = arena_str(w->form->arena, text);
        v->scores[i] = (float)score;
        v->types[i] = i == unknown            ? TOKEN_UNKNOWN
                      : has_role(roles, text) ? TOKEN_CONTROL
                                              : TOKEN_NORMAL;
        if (!v->texts[i].p)
            return work_no_memory(w);
    }
    return 0;
}

/* Added tokens without a role; the id of the one whose text is @unk. */
static void read_added(struct vocab *v, const struct json *list, struct str unk, size_t n_pieces,
                       uint64_t *unknown) {
    for (size_t i = 0; i < json_len(list); i++) {
        uint64_t id;
        struct str text;
        if (!json_u64(json_get(json_at(list, i), "id"), &id) ||
            !json_str(json_get(json_at(list, i), "content"), &text))
            continue;
        if (v && id < n_pieces && v->types[id] == TOKEN_NORMAL)
            v->types[id] = TOKEN_USER_DEFINED;
        if (unk.p && str_eq(text, unk))
            *unknown = id;
    }
}

static int add_all(struct arch_work *w, const struct json *tokenizer) {
    const struct json *config = w->folder->tokenizer_config, *model = json_get(tokenizer, "model");
    const struct json *pieces = json_get(model, "vocab"), *unk_id = json_get(model, "unk_id");
    const struct json *added = json_get(tokenizer, "added_tokens");
    struct unigram u = { .add_prefix = is_xlm_roberta(config) };
    struct roles roles = { .n = 0 };
    struct str text, unk = { NULL, 0 };
    struct vocab v;
    uint64_t n = 0, unknown = unk_id ? UINT64_MAX : UNK_ID;
    (void)json_bool(json_get(config, "add_prefix_space"), &u.add_prefix);
    (void)json_bool(json_get(config, "clean_up_tokenization_spaces"), &u.trim_spaces);
    (void)json_str(json_get(config, "unk_token"), &unk);
    (void)json_u64(unk_id, &unknown);
    if (!json_str(json_get(json_get(tokenizer, "normalizer"), "precompiled_charsmap"), &text))
        return err_set(w->err, -ENOTSUP, FILE_NAME ": a normalizer without precompiled_charsmap");
    u.charsmap = decode(w->form->arena, text);
    if (!u.charsmap.p)
        return err_set(w->err, -EBADMSG, FILE_NAME ": precompiled_charsmap is not base64");
    find_roles(&roles, config);
    read_added(NULL, added, unk, 0, &unknown);
    int rc = hf_config_u64(&w->config, "vocab_size", &n, w->err);
    if (rc >= 0)
        rc = vocab_init(&v, w, n > json_len(pieces) ? n : json_len(pieces), true);
    if (rc == 0)
        rc = put_pieces(w, &v, pieces, &roles, unknown);
    if (rc < 0)
        return rc;
    read_added(&v, added, (struct str){ NULL, 0 }, json_len(pieces), &unknown);
    return unigram_add_pairs(w, &v, &u, unigram_add_token_types);
}

static int unigram_json_add(struct arch_work *w) {
    struct json *tokenizer;
    struct str type;
    int rc = folder_json(w->folder, FILE_NAME, FOLDER_MAX_TOKENIZER, &tokenizer, w->err);
    if (rc < 0 || !tokenizer)
        return rc;
    const bool fits =
        json_str(json_get(json_get(tokenizer, "model"), "type"), &type) && str_is(type, "Unigram");
    if (fits)
        rc = add_all(w, tokenizer);
    json_free(tokenizer);
    return rc < 0 ? rc : fits;
}

const struct tokenizer_kind tokenizer_unigram_json = { FILE_NAME, unigram_json_add };
