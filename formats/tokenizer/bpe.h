/* SPDX-License-Identifier: Apache-2.0
 * formats/tokenizer/bpe.h - byte-pair encoding by the vocabulary and merges of tokenizer.json. */
#pragma once
#include "formats/arena.h"
#include "formats/err.h"
#include "formats/json.h"

/* Texts to ids: a hash table whose texts belong to someone else. */
struct token_map {
    struct str *texts;
    uint32_t *ids;
    uint32_t n, n_slots; /* n_slots: a power of two, at least twice as many as texts */
};
bool token_map_init(struct token_map *m, struct arena *a, size_t n);
void token_map_put(struct token_map *m, struct str text, uint32_t id);
bool token_map_get(const struct token_map *m, struct str text, uint32_t *id);

/* "vocab" of tokenizer.json: text -> id. The texts are borrowed. */
int token_map_read(struct token_map *m, const struct json *vocab, struct arena *a, struct err *err);

struct bpe {
    struct token_map vocab;
    struct {
        uint64_t pair; /* left id << 32 | right id */
        uint32_t rank, id;
        bool used;
    } * merges;
    uint64_t n_slots;
    bool whole_words;       /* ignore_merges: a word that is a token is that token */
    bool has_unk, fuse_unk; /* fuse: one for neighbours */
    bool bytes; /* byte_fallback: a character that is no token is its bytes, if those all are */
    uint32_t unk;
};

/* @model: "model" of tokenizer.json; its texts are borrowed. @settings: it too, or another object
 * that has all but the vocabulary and the merges. Memory in @a. */
int bpe_init(struct bpe *b, const struct json *model, const struct json *settings, struct arena *a,
             struct err *err);

struct ids {
    uint32_t *items;
    size_t n, cap;
};
bool ids_add(struct ids *l, struct arena *a, uint32_t id);

/* The tokens of one word, appended. False: no memory. */
bool bpe_encode(const struct bpe *b, struct str word, struct ids *out, struct arena *a);
