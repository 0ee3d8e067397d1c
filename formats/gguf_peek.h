/* SPDX-License-Identifier: Apache-2.0
 * formats/gguf_peek.h - see gguf_peek.c. */
#pragma once
#include "formats/source.h"

/* general.file_type (enum llama_ftype), where it stands in the first bytes of the file; false: it
 * does not, or the file is no GGUF. */
bool gguf_peek_file_type(struct root *root, const char *path, uint32_t *out);
