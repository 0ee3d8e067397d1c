/* SPDX-License-Identifier: Apache-2.0
 * formats/tokenizer/pre_name.h - the name by which llama.cpp knows a pre-tokenizer. */
#pragma once
#include "formats/tokenizer/text_encoder.h"

/* Encode upstream's test text with the tokenizer itself and look the hash of the ids up.
 * -ENOTSUP where the hash is not known. Memory in @a. */
int pre_name(const char **out, struct text_encoder *encoder, struct arena *a, struct err *err);
