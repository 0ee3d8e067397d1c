/* SPDX-License-Identifier: Apache-2.0
 * formats/tokenizer/text_encoder.h - text to ids, by tokenizer.json: added tokens, normalizer,
 * pre-tokenizer, model (BPE or WordPiece) and post-processor. Held against tokenizers 0.23 by
 * tests/compare_tokenizers.py. */
#pragma once
#include "formats/tokenizer/added.h"
#include "formats/tokenizer/pretokenize.h"

/* A model of tokenizer.json. */
struct word_model {
    const void *self;
    const struct token_map *vocab;
    /* The tokens of one word, appended. False: no memory. */
    bool (*encode)(const void *self, struct str word, struct ids *out, struct arena *a);
};

/* @model: "model" of tokenizer.json, whose texts are borrowed. @settings: it too, or another object
 * that has all but vocabulary and merges. Memory in @a. -ENOTSUP for a type that is not BPE or
 * WordPiece. */
int word_model_init(struct word_model *m, const struct json *model, const struct json *settings,
                    struct arena *a, struct err *err);

/* The tokens of words that were met before: a word takes the place of another. */
enum { WORD_CACHE_SLOTS = 1 << 13, WORD_CACHE_TEXT = 24, WORD_CACHE_IDS = 6 };
struct cached_word {
    uint8_t n_text, n_ids; /* n_text 0: free */
    char text[WORD_CACHE_TEXT];
    uint32_t ids[WORD_CACHE_IDS];
};

/* By one thread at a time. All that it points at is borrowed. */
struct text_encoder {
    const struct json *steps;     /* an object with normalizer and pre_tokenizer */
    const struct json *processor; /* post_processor; "special_tokens" of a template may be absent */
    const struct word_model *model;
    const struct added *added;
    struct patterns patterns;
    struct cached_word *cache; /* WORD_CACHE_SLOTS; NULL: none */
};
void text_encoder_fini(struct text_encoder *e);

/* The ids of @text with the special tokens around it, in @a. */
int text_encode(struct text_encoder *e, struct str text, struct ids *out, struct arena *a,
                struct err *err);
