/* SPDX-License-Identifier: Apache-2.0
 * formats/tokenizer/added.h - tokens beside the vocabulary: those that tokenizer.json and
 * tokenizer_config.json add. */
#pragma once
#include "formats/tokenizer/bpe.h"
#include "formats/tokenizer/roles.h"

struct added {
    struct added_token *items;
    uint32_t n, cap;
    struct token_map by_text; /* to the index in items */
    uint32_t last_id;         /* the largest; valid when n > 0 */
    bool starts[256];         /* the first bytes of what is sought */
};

enum { ADDED_MAX = 1 << 17 };

/* Where they stand. All may be NULL. */
struct added_source {
    const struct json *list;    /* "added_tokens" of tokenizer.json */
    bool list_first;            /* these are there before all others, in their order */
    const struct json *decoder; /* "added_tokens_decoder" of tokenizer_config.json; where it is, the
                                 * files of old, @list among them, do not count besides */
    const struct json *texts;   /* added_tokens.json */
    const struct roles *roles;
    enum roles_again again;
    const struct json *normalizer;
};

/* As transformers loads them: tokenizer.json's in order, then those of the other files by id, then
 * tokens with a role. A token that is not in @vocab gets the next id; what is said of it last
 * counts. */
int added_read(struct added *out, const struct added_source *from, const struct token_map *vocab,
               struct arena *a, struct err *err);
/* Its id, as a token that is added or one of @vocab. */
bool added_id(const struct added *added, const struct token_map *vocab, struct str text,
              uint32_t *id);

/* The first added token in @text from byte @from on, the longest of those that begin there: its
 * bounds with the white space that it takes; those of nothing at the end where there is none, which
 * is NULL. */
const struct added_token *added_find(const struct added *added, struct str text, size_t from,
                                     bool normalized, size_t *start, size_t *end);
