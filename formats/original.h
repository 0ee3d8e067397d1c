/* SPDX-License-Identifier: Apache-2.0
 * formats/original.h - a folder of Llama as Meta gives it out: consolidated.00.pth and, where it
 * was cut for several devices, its like; params.json; tokenizer.model. */
#pragma once
#include "formats/folder.h"

#define ORIGINAL_FIRST "consolidated.00.pth"

/* The tensors of all files as those of one model, in the order that they have in a folder of
 * transformers. Before model_index. */
int original_join(struct model *m, struct err *err);

/* In the place of the folder's small files: what transformers' convert_llama_weights_to_hf.py
 * writes for them. Behind model_index. */
int original_configs(struct model *m, struct err *err);

/* Is its tokenizer.model one of tiktoken (Llama 3), not of SentencePiece? */
int original_is_tiktoken(const struct folder *f, bool *out, struct err *err);

/* A special token of Llama 3 by its place behind the ranks; 3.1 names some more. In @a. */
enum { ORIGINAL_SPECIALS = 256 };
struct str original_special(struct arena *a, bool since_3_1, uint32_t i);
