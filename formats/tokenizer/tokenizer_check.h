/* SPDX-License-Identifier: Apache-2.0
 * formats/tokenizer/tokenizer_check.h - do the parts of a tokenizer belong together? */
#pragma once
#include "formats/kv.h"
#include "formats/err.h"

/* The pairs tokenizer.ggml.*: lists of one length, finite scores, types that exist, merges of
 * tokens that exist, special tokens that exist. @rows: of the embedding, which must be as many as
 * the tokens; 0: not known. *n: the tokens; 0 with a return of 0: there is no tokenizer.
 * -EBADMSG with what is wrong. */
int tokenizer_check(const struct kv_list *kvs, uint64_t rows, uint64_t *n, struct err *err);
