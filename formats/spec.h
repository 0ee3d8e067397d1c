/* SPDX-License-Identifier: Apache-2.0
 * formats/spec.h - what stands behind the '@': "q4_0", "bf16+requantize". */
#pragma once
#include "formats/err.h"
#include "formats/str.h"
#include "quant/recipe.h"
#include <stdbool.h>

enum format { FORMAT_NONE, FORMAT_GGUF, FORMAT_SAFETENSORS, FORMAT_COUNT };

enum { SPEC_MAX_TEXT = 200 };

struct spec {
    enum format format;
    const struct ftype *type; /* a row of quant/recipe.h's table */
    bool requantize;          /* a quantized source may be quantized again */
};

const char *format_name(enum format f); /* "gguf": the name's part before the '@' */
const char *format_suffix(enum format f); /* ".gguf": of ordinary files */

/* Parse TYPE[+OPTION...]; letters in either case. -ENOENT with a reason when it is not well
 * formed, or names a type that @format does not have. */
int spec_parse(struct spec *out, enum format format, struct str text, struct err *err);

/* The one spelling of a spec, as listed and hashed: lower case, aliases resolved, options in
 * alphabetical order. Fits SPEC_MAX_TEXT. */
void spec_text(const struct spec *s, char *buf, size_t size);
