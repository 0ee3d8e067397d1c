/* SPDX-License-Identifier: Apache-2.0
 * formats/tokenizer/hf_json.h - the tokenizer of a GGUF as the files of a Hugging Face folder. They
 * split text as llama.cpp does with those pairs. Source: llama.cpp 0c1e570, src/llama-vocab.cpp;
 * transformers 5.23, convert_slow_tokenizer.py; tokenizers 0.23. */
#pragma once
#include "formats/arena.h"
#include "formats/buffer.h"
#include "formats/err.h"
#include "formats/kv.h"

/* Append tokenizer.json. -ENOTSUP for a model of tokenizer, or a pre-tokenizer, that has no way
 * back; -ENOENT: the GGUF has no tokenizer. */
int hf_tokenizer_json_add(struct buffer *b, const struct kv_list *kvs, struct err *err);
/* tokenizer_config.json: special tokens, chat template. */
void hf_tokenizer_config_add(struct buffer *b, const struct kv_list *kvs);
/* generation_config.json: which tokens begin and end. */
void hf_generation_config_add(struct buffer *b, const struct kv_list *kvs);

/* --- the inside --- */

struct hf_vocab {
    struct arena arena;
    struct str *texts;    /* as tokenizer.json spells them */
    const uint8_t *types; /* enum token_type */
    const float *scores;  /* NULL: there are none */
    uint64_t n;
    uint32_t *slots; /* by text: id + 1; n_slots is a power of two */
    uint64_t n_slots;
};

int hf_vocab_read(struct hf_vocab *v, const struct kv_list *kvs, struct err *err);
void hf_vocab_fini(struct hf_vocab *v);
bool hf_vocab_find(const struct hf_vocab *v, struct str text, uint32_t *id);

/* hf_json_merges.c: of pieces with scores the merges that join them: those into pieces of higher
 * scores come first. As transformers' generate_merges. Appends the list's elements. */
int hf_merges_add(struct buffer *b, const struct hf_vocab *v, struct err *err);

/* hf_json_pre.c: how text is cut before byte-level BPE. */
struct hf_pre {
    const char *names;      /* of llama.cpp's pre-tokenizers, separated by spaces */
    const char *normalizer; /* JSON */
    const char *splits[6];  /* patterns, one after the other; none: ByteLevel's own */
    const char *whole;      /* JSON of all steps, where they are of other kinds; or NULL */
    bool digits;            /* each digit alone, before the splits */
    bool ignore_merges;     /* a whole word that is a token is that */
    bool add_bos, add_sep;  /* where the GGUF does not say */
};
const struct hf_pre *hf_pre_find(struct str name); /* NULL: not known */

struct hf_writer {
    struct buffer *b; /* tokenizer.json, which is appended to */
    const struct kv_list *kvs;
    struct hf_vocab v;
    struct err *err;
};

/* hf_json.c: a pair that is true or false; @absent where it is not there. */
bool hf_flag(const struct kv_list *kvs, const char *key, bool absent);
/* The id and the text of the special token that the pair names; false: there is none. */
bool hf_special(const struct hf_writer *w, const char *key, uint64_t *id, struct str *text);

/* hf_json_frame.c: what stands around a text and a pair of texts. */
struct hf_frame {
    /* One character each: 'A' and 'B' the texts, '[' and ']' what begins and ends them, '|' what
     * stands between two. The pair has all marks that the single text has. */
    const char *single, *pair;
    int second; /* type_id of what belongs to the second text */
    uint64_t ids[3];
    struct str texts[3]; /* by "[]|" */
};
void hf_frame_add(struct hf_writer *w, const struct hf_frame *f);

/* hf_json_pieces.c: all behind the added tokens, of WordPiece and of Unigram. */
int hf_wordpiece_add(struct hf_writer *w);
int hf_unigram_add(struct hf_writer *w);
