/* SPDX-License-Identifier: Apache-2.0
 * formats/tokenizer/pre_hashes.h - llama.cpp's test of pre-tokenizers: its text, and the name for
 * each hash of the ids that the text is encoded to. */
#pragma once
#include <stddef.h>

extern const char pre_text[];

struct pre_hash {
    char sha256[65];
    const char *name; /* tokenizer.ggml.pre */
};
extern const struct pre_hash pre_hashes[];
extern const size_t pre_hash_count;
