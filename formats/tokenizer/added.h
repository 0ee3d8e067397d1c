/* SPDX-License-Identifier: Apache-2.0
 * formats/tokenizer/added.h - tokens beside the vocabulary: those that tokenizer.json and
 * tokenizer_config.json add. */
#pragma once
#include "formats/tokenizer/bpe.h"

struct added_token {
    struct str text;
    struct str sought; /* what is found in a text: where @normalized, as the normalizer has it */
    uint32_t id;
    bool special, normalized, lstrip, rstrip, single_word;
};

struct added {
    struct added_token *items;
    uint32_t n, cap;
    struct token_map by_text; /* to the index in items */
    uint32_t last_id;         /* the largest; valid when n > 0 */
    bool starts[256];         /* the first bytes of what is sought */
};

enum { ADDED_MAX = 1 << 17 };

/* As transformers loads them: tokenizer.json's in order, then those of added_tokens_decoder by id,
 * then special tokens that are still missing. A token that is not in @vocab gets the next id. */
int added_read(struct added *out, const struct json *tokenizer, const struct json *config,
               const struct token_map *vocab, struct arena *a, struct err *err);

/* The first added token in @text from byte @from on, the longest of those that begin there: its
 * bounds with the white space that it takes; those of nothing at the end where there is none, which
 * is NULL. */
const struct added_token *added_find(const struct added *added, struct str text, size_t from,
                                     bool normalized, size_t *start, size_t *end);
