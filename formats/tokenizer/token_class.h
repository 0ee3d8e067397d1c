/* SPDX-License-Identifier: Apache-2.0
 * formats/tokenizer/token_class.h - the classes of transformers that make a tokenizer of their own
 * from the vocabulary and the merges of tokenizer.json, whatever else stands there. Source:
 * transformers 5.23, models/auto/tokenization_auto.py and models/.../tokenization_*.py. */
#pragma once
#include "formats/json.h"

/* What is done with the tokens that have a role when all others are there. */
enum roles_again {
    ROLES_ONCE,
    ROLES_AS_TEXTS,  /* all are added as plain texts, which takes their flags away */
    ROLES_AS_SPECIAL /* they are added with their flags, as special ones */
};

/* What the class reads where there is no tokenizer.json. */
enum vocab_files {
    FILES_NONE,  /* or SentencePiece's, which are read elsewhere */
    FILES_PAIRS, /* vocab.json and merges.txt */
    FILES_LINES  /* vocab.txt */
};

struct token_class {
    const char *names; /* without "Fast", separated by spaces */
    const char *model; /* "type" of the models that it reads */
    /* As tokenizer.json has them: normalizer, pre_tokenizer, decoder, "model" without vocabulary
     * and merges; post_processor: where it is absent, the file's. {bos_token} is the text of a
     * role, {name|default} a field of tokenizer_config.json, or that default. @config may be NULL.
     * No function: nothing but roles is asked of that class. */
    const char *(*steps)(const struct json *config);
    struct {
        const char *role, *text;
    } own[8]; /* tokens with a role where no file says; NULL behind the last */
    enum roles_again again;
    enum vocab_files files;
    bool unpadded; /* no pad_token where no file says, though the padding of tokenizer.json does */
};

/* The class for a folder: of its config.json, tokenizer_config.json (NULL: absent) and
 * tokenizer.json. NULL: tokenizer.json counts as it stands. */
const struct token_class *token_class_find(const struct json *config,
                                           const struct json *tokenizer_config,
                                           const struct json *tokenizer);
