/* SPDX-License-Identifier: Apache-2.0
 * formats/tokenizer/pre_name.h - the name by which llama.cpp knows a pre-tokenizer. */
#pragma once
#include "formats/tokenizer/added.h"

/* A model of tokenizer.json. */
struct word_model {
    const void *self;
    const struct token_map *vocab;
    /* The tokens of one word, appended. False: no memory. */
    bool (*encode)(const void *self, struct str word, struct ids *out, struct arena *a);
};

/* Encode upstream's test text with the tokenizer itself and look the hash of the ids up.
 * -ENOTSUP where the hash is not known. */
int pre_name(const char **out, const struct json *tokenizer, const struct json *config,
             const struct word_model *model, const struct added *added, struct arena *a,
             struct err *err);
