/* SPDX-License-Identifier: Apache-2.0
 * formats/tokenizer/unigram.h - what the kinds of Unigram tokenizers share. */
#pragma once
#include "formats/tokenizer/tokenizer.h"

/* Settings of the normalizer. */
struct unigram {
    uint64_t type; /* of a SentencePiece model; not for tokenizer.json */
    bool add_prefix, trim_spaces;
    struct str charsmap; /* precompiled_charsmap, as bytes; empty: none */
};

/* All pairs of such a tokenizer: @between (or NULL) adds those behind add_space_prefix. */
int unigram_add_pairs(struct arch_work *w, const struct vocab *v, const struct unigram *u,
                      int (*between)(struct arch_work *w));
/* tokenizer.ggml.token_type_count, as XLM-RoBERTa has it: for @between. */
int unigram_add_token_types(struct arch_work *w);
