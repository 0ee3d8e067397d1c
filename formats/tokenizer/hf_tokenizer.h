/* SPDX-License-Identifier: Apache-2.0
 * formats/tokenizer/hf_tokenizer.h - a folder's tokenizer.json as AutoTokenizer of
 * transformers 5.23 reads it, with the files beside it. */
#pragma once
#include "formats/arch/work.h"
#include "formats/tokenizer/roles.h"
#include "formats/tokenizer/text_encoder.h"

struct hf_tokenizer {
    struct json *file;            /* tokenizer.json, or what older files say; NULL: neither */
    struct json *map, *texts;     /* special_tokens_map.json, added_tokens.json, where they count */
    struct json *own;             /* what the class has instead of the file's steps */
    struct json *around;          /* the post-processor where there is no tokenizer.json */
    const struct json *steps;     /* normalizer, pre_tokenizer, decoder */
    const struct json *settings;  /* of the model: unk_token and so forth */
    const struct json *processor; /* post_processor */
    const struct token_class *by; /* NULL: tokenizer.json counts as it stands */
    struct roles roles;
};

/* The files, the class and the roles. Close also after an error. Memory in @a. */
int hf_tokenizer_open(struct hf_tokenizer *t, const struct arch_work *w, struct arena *a);
void hf_tokenizer_close(struct hf_tokenizer *t);

/* The added tokens of it, beside @vocab. */
int hf_tokenizer_added(const struct hf_tokenizer *t, struct added *out, const struct arch_work *w,
                       const struct token_map *vocab, struct arena *a);
