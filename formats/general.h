/* SPDX-License-Identifier: Apache-2.0
 * formats/general.h - the general.* pairs of a GGUF: from generation_config.json, the model card,
 * config.json, the folder's name, and the file beside it that overrides them (authorship.h), as
 * gguf-py's Metadata.load finds them. */
#pragma once
#include "formats/folder.h"
#include "formats/form.h"
#include "formats/model_name.h"

/* Append general.sampling.* and general.name to general.languages, in the converter's order. */
int general_add(struct form *form, const struct folder *f, const struct param_count *params,
                struct err *err);
