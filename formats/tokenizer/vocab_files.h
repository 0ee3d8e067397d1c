/* SPDX-License-Identifier: Apache-2.0
 * formats/tokenizer/vocab_files.h - the files of a tokenizer without tokenizer.json: vocab.json
 * with merges.txt, or vocab.txt. */
#pragma once
#include "formats/arch/work.h"
#include "formats/tokenizer/token_class.h"

/* What tokenizer.json would say of the model, from the files that @by (NULL: none) reads. *out is
 * NULL when they are not there. */
int vocab_files_read(struct json **out, const struct token_class *by, const struct arch_work *w);
