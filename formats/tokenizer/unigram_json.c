/* SPDX-License-Identifier: Apache-2.0
 * formats/tokenizer/unigram_json.c - tokenizer.json with a model of type Unigram, as XLM-RoBERTa
 * has it. Source: conversion/bert.py, _xlmroberta_set_vocab; transformers 5.23,
 * XLMRobertaTokenizer. */
#include "formats/tokenizer/hf_tokenizer.h"
#include "formats/tokenizer/unigram.h"
#include <errno.h>
#include <stdlib.h>

#define FILE_NAME "tokenizer.json"

enum { UNK_ID = 3 /* where the model names none */ };

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

static int put_pieces(struct arch_work *w, struct vocab *v, struct token_map *map,
                      const struct json *pieces) {
    for (size_t i = 0; i < json_len(pieces); i++) {
        const struct json *piece = json_at(pieces, i);
        struct str text;
        double score;
        if (!json_str(json_at(piece, 0), &text) || !json_f64(json_at(piece, 1), &score))
            return err_set(w->err, -EBADMSG, FILE_NAME ": piece %zu is no text with a score", i);
        v->texts[i] = arena_str(w->form->arena, text);
        v->scores[i] = (float)score;
        v->types[i] = TOKEN_NORMAL;
        if (!v->texts[i].p)
            return work_no_memory(w);
        token_map_put(map, v->texts[i], (uint32_t)i);
    }
    map->n = (uint32_t)json_len(pieces); /* pieces with one text count */
    return 0;
}

/* The unknown token, those with a role, those that are added; the first that fits counts. */
static void set_types(struct vocab *v, size_t n_pieces, const struct token_map *map,
                      const struct added *added, const struct roles *roles, uint64_t unknown) {
    uint32_t id;
    if (unknown < n_pieces)
        v->types[unknown] = TOKEN_UNKNOWN;
    for (uint32_t i = 0; i < roles->n; i++)
        if (added_id(added, map, roles->items[i].token.text, &id) && id < n_pieces && id != unknown)
            v->types[id] = TOKEN_CONTROL;
    for (uint32_t i = 0; i < added->n; i++)
        if (added->items[i].id < n_pieces && v->types[added->items[i].id] == TOKEN_NORMAL)
            v->types[added->items[i].id] = TOKEN_USER_DEFINED;
}

static uint64_t find_unknown(const struct json *model, const struct json *config,
                             const struct added *added) {
    const struct json *own = json_get(model, "unk_id");
    uint64_t unknown = own ? UINT64_MAX : UNK_ID;
    uint32_t at;
    struct str text;
    (void)json_u64(own, &unknown);
    if (json_str(json_get(config, "unk_token"), &text) && token_map_get(&added->by_text, text, &at))
        unknown = added->items[at].id;
    return unknown;
}

static int add_all(struct arch_work *w, const struct hf_tokenizer *t, struct arena *a) {
    const struct json *config = w->folder->tokenizer_config, *model = json_get(t->file, "model");
    const struct json *pieces = json_get(model, "vocab");
    struct unigram u = { .add_prefix = t->by != NULL };
    struct token_map map;
    struct added added;
    struct str text;
    struct vocab v;
    uint64_t n = 0;
    (void)json_bool(json_get(config, "add_prefix_space"), &u.add_prefix);
    (void)json_bool(json_get(config, "clean_up_tokenization_spaces"), &u.trim_spaces);
    if (!json_str(json_get(json_get(t->file, "normalizer"), "precompiled_charsmap"), &text))
        return err_set(w->err, -ENOTSUP, FILE_NAME ": a normalizer without precompiled_charsmap");
    u.charsmap = decode(w->form->arena, text);
    if (!u.charsmap.p)
        return err_set(w->err, -EBADMSG, FILE_NAME ": precompiled_charsmap is not base64");
    int rc = hf_config_u64(&w->config, "vocab_size", &n, w->err);
    if (rc >= 0)
        rc = vocab_init(&v, w, n > json_len(pieces) ? n : json_len(pieces), true);
    if (rc == 0 && !token_map_init(&map, a, json_len(pieces)))
        rc = work_no_memory(w);
    if (rc == 0)
        rc = put_pieces(w, &v, &map, pieces);
    if (rc == 0)
        rc = hf_tokenizer_added(t, &added, w, &map, a);
    if (rc < 0)
        return rc;
    set_types(&v, json_len(pieces), &map, &added, &t->roles, find_unknown(model, config, &added));
    return unigram_add_pairs(w, &v, &u, unigram_add_token_types);
}

static int unigram_json_add(struct arch_work *w) {
    struct arena a = { 0 };
    struct hf_tokenizer t;
    struct str type;
    int rc = hf_tokenizer_open(&t, w, &a);
    const bool fits = rc == 0 && json_str(json_get(json_get(t.file, "model"), "type"), &type) &&
                      str_is(type, "Unigram");
    if (fits)
        rc = add_all(w, &t, &a);
    hf_tokenizer_close(&t);
    arena_fini(&a);
    return rc < 0 ? rc : fits;
}

const struct tokenizer_kind tokenizer_unigram_json = { FILE_NAME, unigram_json_add };
