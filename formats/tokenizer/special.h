/* SPDX-License-Identifier: Apache-2.0
 * formats/tokenizer/special.h - the state of special.c, and the parts that have files of their
 * own: chat templates and merges. */
#pragma once
#include "formats/tokenizer/tokenizer.h"

enum special_kind {
    SPECIAL_BOS,
    SPECIAL_EOS,
    SPECIAL_UNK,
    SPECIAL_SEP,
    SPECIAL_PAD,
    SPECIAL_CLS,
    SPECIAL_MASK,
    SPECIAL_EOT,
    SPECIAL_EOM,
    SPECIAL_COUNT
};

enum flag { FLAG_ABSENT, FLAG_FALSE, FLAG_TRUE };

/* A value of tokenizer_config.json such as "bos_token": a string, or an object with "content". */
struct special_token {
    struct str text;
    bool set;    /* neither absent nor empty */
    bool named;  /* text is valid */
    bool object; /* equal to no string, whatever its content */
};

struct special {
    struct arch_work *w;
    uint64_t n_vocab;
    const struct json *config; /* tokenizer_config.json; NULL: absent or empty */
    struct special_token tokens[SPECIAL_COUNT];
    bool counts[SPECIAL_COUNT]; /* the kinds that are looked for */
    struct {
        enum special_kind kind;
        uint32_t id;
    } ids[SPECIAL_COUNT];
    struct {
        enum special_kind kind;
        bool value;
    } adds[SPECIAL_COUNT];
    uint32_t n_ids, n_adds;
    enum flag lowercase, strip_accents;
};

/* chat_template.c: tokenizer.chat_template and those with names. The text is passed through. */
int template_add(struct arch_work *w);

/* merges.c: tokenizer.ggml.merges from tokenizer.json, else from merges.txt. */
int merges_add(struct arch_work *w, const struct json *tokenizer);
