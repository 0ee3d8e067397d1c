/* SPDX-License-Identifier: Apache-2.0
 * formats/tokenizer/tokenizer_check.h - do the parts of a tokenizer belong together? */
#pragma once
#include "formats/kv.h"
#include "formats/err.h"

struct json;

/* The pairs tokenizer.ggml.*: lists of one length, finite scores, types that exist, merges of
 * tokens that exist, special tokens that exist. @rows: of the embedding, which must be as many as
 * the tokens; 0: not known. *n: the tokens; 0 with a return of 0: there is no tokenizer.
 * -EBADMSG with what is wrong. */
int tokenizer_check(const struct kv_list *kvs, uint64_t rows, uint64_t *n, struct err *err);

/* Is no token's text there twice? llama.cpp gives up where it is, when it loads a GGUF. */
int tokenizer_check_once(const struct kv_list *kvs, struct err *err);

/* tokenizer.json (@file), and added_tokens.json (@added; NULL: there is none): no two tokens have
 * one id, of the vocabulary and of those that are added. -EBADMSG with both. */
int tokenizer_ids_check(const struct json *file, const struct json *added, struct err *err);
