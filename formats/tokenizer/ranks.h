/* SPDX-License-Identifier: Apache-2.0
 * formats/tokenizer/ranks.h - vocabularies of byte-level BPE as tiktoken has them: strings of
 * bytes, each with a rank; merges follow from the ranks. */
#pragma once
#include "formats/tokenizer/bpe.h"
#include "formats/tokenizer/pretokenize.h"

struct ranks {
    struct str *tokens; /* by rank; p is NULL: none */
    uint32_t n;
    struct token_map by_bytes;
};

enum { RANKS_MAX = 1 << 22, RANKS_MAX_TOKEN = 4096 /* bytes */ };

/* For ranks below @n. Memory in @a. */
int ranks_init(struct ranks *r, uint32_t n, struct arena *a, struct err *err);
/* Base64 @text is the token of @rank. -EBADMSG for what is no base64, a rank beyond, or one that is
 * there twice. */
int ranks_put(struct ranks *r, uint64_t rank, struct str text, struct arena *a, struct err *err);

/* The file of tiktoken: a line for each token, base64 and its rank, up to the first that is empty.
 */
int ranks_read(struct ranks *r, struct str file, struct arena *a, struct err *err);

/* The tokens of one word of at most RANKS_MAX_TOKEN bytes, appended, by BPE; bytes without one are
 * left out. False: no memory, or too long. */
bool ranks_encode(const struct ranks *r, struct str bytes, struct ids *out, struct arena *a);

/* Pairs of tokens, as lines of merges in byte-level characters, by the rank of what they make. All
 * that make a token (Mistral, Llama 3); -EBADMSG where a token of several bytes has none. */
int ranks_all_merges(const struct ranks *r, struct words *out, struct arena *a, struct err *err);
/* The one that BPE comes to with the tokens of lower ranks (Qwen); likewise. */
int ranks_last_merges(const struct ranks *r, struct words *out, struct arena *a, struct err *err);
