/* SPDX-License-Identifier: Apache-2.0
 * formats/tokenizer/normalize.h - the normalizer of tokenizer.json, and the door to utf8proc. */
#pragma once
#include "formats/arena.h"
#include "formats/err.h"
#include "formats/json.h"

/* Characters as Rust's \s and \w have them. @text is UTF-8; what is none is neither. */
size_t white_before(struct str text); /* bytes of white space that it ends with */
size_t white_behind(struct str text); /* and begins with */
bool word_before(struct str text);    /* does it end with a character of a word? */
bool word_behind(struct str text);

/* @text (UTF-8) as the "normalizer" @spec changes it (NULL or null: not at all), in @a.
 * -ENOTSUP for a kind that is not known here, with its name. */
int normalize(struct str *text, const struct json *spec, struct arena *a, struct err *err);
