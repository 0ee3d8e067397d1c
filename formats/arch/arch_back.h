/* SPDX-License-Identifier: Apache-2.0
 * formats/arch/arch_back.h - a GGUF's config.json, for those who do not know the tables. */
#pragma once
#include "formats/buffer.h"
#include "formats/model.h"

/* Append config.json of the GGUF @m; @dtype: what PyTorch calls the type of its weights, NULL: that
 * of most. -ENOTSUP for an architecture whose table does not say how. */
int arch_config_add(struct buffer *b, struct arena *a, const struct model *m, const char *dtype,
                    struct err *err);
