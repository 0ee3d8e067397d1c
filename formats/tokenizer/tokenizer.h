/* SPDX-License-Identifier: Apache-2.0
 * formats/tokenizer/tokenizer.h - the tokenizer of a Hugging Face folder as tokenizer.* pairs. */
#pragma once
#include "formats/arch/work.h"

/* A kind of tokenizer. */
struct tokenizer_kind {
    const char *files; /* that it is read from, for messages */
    /* 1: the pairs were added; 0: the folder's tokenizer is not of this kind; else an error. */
    int (*add)(struct arch_work *w);
};

extern const struct tokenizer_kind tokenizer_spm; /* spm.c: SentencePiece, tokenizer.model */
extern const struct tokenizer_kind
    tokenizer_gpt2; /* json_vocab.c: byte-level BPE, tokenizer.json */
extern const struct tokenizer_kind tokenizer_llama_json; /* llama_json.c: SentencePiece as JSON */
extern const struct tokenizer_kind tokenizer_gemma4;     /* the same as Gemma 4 has it */
extern const struct tokenizer_kind tokenizer_wordpiece;  /* the same file with WordPiece */

/* tiktoken_vocab.c: tokenizer.model of Llama as Meta gives it out, of both kinds */
extern const struct tokenizer_kind tokenizer_tiktoken, tokenizer_spm_original;
extern const struct tokenizer_kind tokenizer_qwen;    /* qwen_vocab.c: qwen.tiktoken */
extern const struct tokenizer_kind tokenizer_mistral; /* mistral_vocab.c: tekken.json */
extern const struct tokenizer_kind tokenizer_rwkv;     /* rwkv_vocab.c: RWKV "World" */
extern const struct tokenizer_kind tokenizer_internlm; /* internlm_vocab.c: SentencePiece */
extern const struct tokenizer_kind tokenizer_internlm3;

/* unigram.c: SentencePiece's Unigram as T5 has it, and as XLM-RoBERTa has it. */
extern const struct tokenizer_kind tokenizer_t5, tokenizer_unigram_bert;
/* unigram_json.c: the latter as tokenizer.json */
extern const struct tokenizer_kind tokenizer_unigram_json;

/* spm.c: the same files for Phi-3, which reads them in a way of its own; not where
 * tokenizer_config.json says GPT2Tokenizer. */
extern const struct tokenizer_kind tokenizer_spm_phi3;

/* The first of the architecture's kinds that the folder has. */
int tokenizer_add(struct arch_work *w);

/* config.json's number of tokens by the first of @names, padded as the architecture does. 1: found;
 * 0: absent. */
int tokenizer_vocab_size(struct arch_work *w, const char *names, uint64_t *n);

/* How many tokens the folder's tokenizer has: of tokenizer.model with the padding, else of
 * tokenizer.json, vocabulary and added tokens. */
int tokenizer_count(struct arch_work *w, uint64_t *n);

/* Types of tokens (enum llama_token_type). */
enum token_type {
    TOKEN_NORMAL = 1,
    TOKEN_UNKNOWN,
    TOKEN_CONTROL,
    TOKEN_USER_DEFINED,
    TOKEN_UNUSED,
    TOKEN_BYTE
};

struct vocab {
    struct str *texts;
    int32_t *types;
    float *scores; /* NULL: the kind has none */
    uint64_t n;
};

enum { VOCAB_MAX = 1 << 24 };

/* @n tokens "[PADi]" of type UNUSED, in the form's arena. */
int vocab_init(struct vocab *v, struct arch_work *w, uint64_t n, bool scores);
/* tokenizer.ggml.model, pre (NULL: none), tokens, scores, token_type. */
int vocab_add(struct arch_work *w, const struct vocab *v, const char *model, const char *pre);

/* Text that the converter takes for a control token even where it is not marked as one. */
bool token_looks_special(struct str text);
/* A copy of @text with each U+2581 as a space: user-defined tokens are stored as they are read. */
struct str token_unescape(struct arena *a, struct str text);

/* special.c: ids of special tokens, whether bos, eos, sep are added, chat templates, flags of the
 * normalizer, as gguf-py's SpecialVocab finds them. @tokenizer: tokenizer.json or NULL; @n_vocab:
 * ids from there on are left out; 0: no limit; @merges: write model.merges of tokenizer.json. */
int special_add(struct arch_work *w, const struct json *tokenizer, uint64_t n_vocab, bool merges);
/* The same, and @own behind the architecture's. */
int special_add_own(struct arch_work *w, const struct json *tokenizer, uint64_t n_vocab,
                    bool merges, const struct named_token *own);
