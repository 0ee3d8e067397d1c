/* SPDX-License-Identifier: Apache-2.0
 * formats/tokenizer/pretokenize.h - the pre-tokenizer of tokenizer.json: text to words. */
#pragma once
#include "formats/arena.h"
#include "formats/err.h"
#include "formats/json.h"

struct words {
    struct str *items;
    size_t n, cap;
};

bool words_add(struct words *w, struct arena *a, struct str word);

/* The patterns of a pre-tokenizer, compiled when they are first met. */
enum { PATTERNS_MAX = 16 };
struct patterns {
    struct {
        struct regex *re;
        struct str text;
        bool literal;
    } items[PATTERNS_MAX];
    unsigned n;
};
void patterns_fini(struct patterns *p);

/* Cut each of @words further, as the "pre_tokenizer" @spec says (NULL or null: not at all).
 * @at_start: they begin the text, no added token is in front of them. -ENOTSUP for a kind that is
 * not known here, with its name. @patterns serves one @spec, by one
 * thread at a time, and ends before it. */
int pretokenize(struct words *words, bool at_start, const struct json *spec,
                struct patterns *patterns, struct arena *a, struct err *err);

/* Bytes as the characters that stand for them in byte-level vocabularies. p is NULL for lack of
 * memory. */
struct str byte_level(struct arena *a, struct str bytes);
/* And back: p is NULL also where @text has a character that stands for no byte. */
struct str byte_level_decode(struct arena *a, struct str text);
