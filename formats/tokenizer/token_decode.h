/* SPDX-License-Identifier: Apache-2.0
 * formats/tokenizer/token_decode.h - the decoder of tokenizer.json, for the text of one token. */
#pragma once
#include "formats/arena.h"
#include "formats/json.h"

/* What decoding gives for the token @text alone, in @a. @spec: "decoder"; NULL or null: none; a
 * kind that is not known changes nothing. @clean: and then clean_up_tokenization of transformers. p
 * is NULL for lack of memory. Source: tokenizers 0.23, src/decoders; transformers 5.23,
 * clean_up_tokenization. */
struct str token_decode(struct arena *a, struct str text, const struct json *spec, bool clean);
