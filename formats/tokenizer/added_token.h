/* SPDX-License-Identifier: Apache-2.0
 * formats/tokenizer/added_token.h - one token beside the vocabulary. */
#pragma once
#include "formats/arena.h"
#include "formats/err.h"
#include "formats/json.h"

struct added_token {
    struct str text;
    struct str sought; /* what is found in a text: where @normalized, as the normalizer has it */
    struct str shown;  /* what its id gives back: so, too, if it was normalized once */
    uint32_t id;
    bool special, normalized, lstrip, rstrip, single_word;
    bool was_normalized;
};

/* {"content": ..., "special": ...}, or a text alone, which is special then. False: neither. */
bool added_token_read(const struct json *v, struct added_token *out);
