/* SPDX-License-Identifier: Apache-2.0
 * formats/tokenizer/wordpiece.h - WordPiece by the vocabulary of tokenizer.json: the longest
 * piece that begins a word, then the longest that goes on. */
#pragma once
#include "formats/tokenizer/bpe.h"

struct wordpiece {
    struct token_map vocab;
    struct str prefix; /* of pieces that go on */
    uint32_t unk;
    bool has_unk;
    uint64_t max_chars; /* a longer word is unk */
};

/* As bpe_init. */
int wordpiece_init(struct wordpiece *p, const struct json *model, const struct json *settings,
                   struct arena *a, struct err *err);

/* The tokens of one word, appended. False: no memory. */
bool wordpiece_encode(const struct wordpiece *p, struct str word, struct ids *out, struct arena *a);
