/* SPDX-License-Identifier: Apache-2.0
 * formats/safetensors.h - reading one more safetensors file into a model. */
#pragma once
#include "formats/model.h"

/* Append the tensors of @s, which the model takes over, on failure too. No model_index. */
int safetensors_read_into(struct model *m, struct source *s, struct err *err);

enum { SAFETENSORS_MAX_HEADER = 100000000 }; /* bytes, as the reference implementation */
