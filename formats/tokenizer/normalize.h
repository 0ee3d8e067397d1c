/* SPDX-License-Identifier: Apache-2.0
 * formats/tokenizer/normalize.h - the normalizer of tokenizer.json, and the door to utf8proc. */
#pragma once
#include "formats/arena.h"
#include "formats/err.h"
#include "formats/json.h"

/* @text (UTF-8) as the "normalizer" @spec changes it (NULL or null: not at all), in @a.
 * -ENOTSUP for a kind that is not known here, with its name. */
int normalize(struct str *text, const struct json *spec, struct arena *a, struct err *err);
