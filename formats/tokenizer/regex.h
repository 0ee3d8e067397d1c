/* SPDX-License-Identifier: Apache-2.0
 * formats/tokenizer/regex.h - the door to PCRE2: patterns of pre-tokenizers over UTF-8, and of
 * tensors' names, by bytes. */
#pragma once
#include "formats/err.h"
#include "formats/str.h"

struct regex;

/* In a class: the characters of words as Rust's \w has them, but for joiners. */
#define REGEX_WORD                                                              \
    "\\p{L}\\p{M}\\p{Nd}\\p{Nl}\\p{Pc}\\x{24b6}-\\x{24e9}\\x{1f130}-\\x{1f149}" \
    "\\x{1f150}-\\x{1f169}\\x{1f170}-\\x{1f189}"

enum { REGEX_MAX_PATTERN = 1 << 16 /* bytes */ };

/* How a pattern is written: for Oniguruma; as text to be found as it is; for std::regex. */
enum regex_syntax { REGEX_ONIGURUMA, REGEX_LITERAL, REGEX_ECMASCRIPT };

/* -ENOTSUP for what PCRE2 does not take. */
int regex_new(struct regex **out, struct str pattern, enum regex_syntax syntax, struct err *err);
void regex_free(struct regex *re); /* NULL is fine */

/* The next match at or after byte *start: 1 with its bounds in *start and *end, 0 for none. A
 * pattern that takes too many steps is -ENOTSUP. The matches of a text are asked for from its
 * beginning on: only the first call looks whether it is UTF-8. */
int regex_find(struct regex *re, struct str text, size_t *start, size_t *end, struct err *err);
