/* SPDX-License-Identifier: Apache-2.0
 * formats/arch/arch_back.h - a GGUF's config.json, for those who do not know the tables. */
#pragma once
#include "formats/buffer.h"
#include "formats/model.h"

/* Is there a way back for the architecture of the GGUF @m? -ENOTSUP, and why not. */
int arch_config_check(const struct model *m, struct err *err);
/* Append config.json of the GGUF @m; @dtype: what PyTorch calls the type of its weights, NULL: that
 * of most. -ENOTSUP as arch_config_check. */
int arch_config_add(struct buffer *b, struct arena *a, const struct model *m, const char *dtype,
                    struct err *err);
