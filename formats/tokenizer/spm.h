/* SPDX-License-Identifier: Apache-2.0
 * formats/tokenizer/spm.h - SentencePiece models, for the kinds of tokenizers that begin with one.
 */
#pragma once
#include "formats/tokenizer/protobuf.h"
#include "formats/tokenizer/tokenizer.h"

enum { MODEL_PIECE = 1, MODEL_TRAINER = 2, MODEL_NORMALIZER = 3 }; /* fields of ModelProto */

/* The number of pieces: -EBADMSG where there is none or @model is damaged. */
int spm_count(struct arch_work *w, struct str model, uint64_t *n);
/* The pieces, as far as the vocabulary has room; their texts stay in @model. */
int spm_take(struct arch_work *w, struct vocab *v, struct str model);
/* added_tokens.json, where there is one. */
int spm_take_added(struct arch_work *w, struct vocab *v);
/* An id as a key: decimal digits. */
bool spm_parse_id(struct str key, uint64_t *out);
/* As tokenizer_spm, with special tokens of the caller's (or NULL), and add_space_prefix before
 * them (or NULL). */
int spm_add_own(struct arch_work *w, const struct named_token *own, const bool *space_prefix);
/* As tokenizer_spm, with @tokenizer in the place of tokenizer.json. */
int spm_add_with(struct arch_work *w, const char *tokenizer);
