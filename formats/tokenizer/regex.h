/* SPDX-License-Identifier: Apache-2.0
 * formats/tokenizer/regex.h - the door to PCRE2: patterns of pre-tokenizers over UTF-8. */
#pragma once
#include "formats/err.h"
#include "formats/str.h"

struct regex;

enum { REGEX_MAX_PATTERN = 1 << 16 /* bytes */ };

/* @literal: the pattern is text to be found as it is. -ENOTSUP for what PCRE2 does not take. */
int regex_new(struct regex **out, struct str pattern, bool literal, struct err *err);
void regex_free(struct regex *re); /* NULL is fine */

/* The next match at or after byte *start: 1 with its bounds in *start and *end, 0 for none. A
 * pattern that takes too many steps is -ENOTSUP. */
int regex_find(struct regex *re, struct str text, size_t *start, size_t *end, struct err *err);
