/* SPDX-License-Identifier: Apache-2.0
 * formats/tokenizer/roles.h - the tokens that have a role ("bos_token", "image_token", ...), as
 * transformers 5.23 gathers them (tokenization_utils_base.py). */
#pragma once
#include "formats/tokenizer/added_token.h"
#include "formats/tokenizer/bpe.h"
#include "formats/tokenizer/token_class.h"

struct role {
    struct str name; /* "" for those without one: extra_special_tokens */
    struct added_token token;
    bool plain; /* a text: its flags are those of a special token */
    bool own;   /* the class has it, no file says */
};

struct roles {
    struct role *items; /* those with a name first */
    uint32_t n, cap;
    uint32_t n_named;
    struct token_map by_text; /* to the first with that text */
};

struct roles_source {
    const struct token_class *by; /* NULL for a tokenizer.json as it stands */
    const struct json *file;      /* tokenizer.json */
    const struct json *config;    /* tokenizer_config.json; NULL: absent */
    const struct json *map;       /* special_tokens_map.json where it counts, else NULL */
};

/* Texts are borrowed. */
int roles_read(struct roles *r, const struct roles_source *from, struct arena *a, struct err *err);

bool roles_have(const struct roles *r, struct str text);
/* NULL: no token has that role. */
const struct role *roles_find(const struct roles *r, struct str name);
