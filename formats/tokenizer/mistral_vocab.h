/* SPDX-License-Identifier: Apache-2.0
 * formats/tokenizer/mistral_vocab.h - tokenizers as mistral-common has them. */
#pragma once
#include "formats/folder.h"

/* Does the converter take the folder's tokenizer from tekken.json, or, in Mistral's own layout,
 * from tokenizer.model.vN? */
bool mistral_vocab_fits(const struct folder *f);
