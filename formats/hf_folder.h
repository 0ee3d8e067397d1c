/* SPDX-License-Identifier: Apache-2.0
 * formats/hf_folder.h - the files that make a model a Hugging Face folder, each as text. */
#pragma once
#include "formats/buffer.h"
#include "formats/model.h"
#include "formats/spec.h"

/* hf_config_json.c: config.json of the view of @m, whose weights get @spec's type. */
int hf_config_json_add(struct buffer *b, struct arena *a, const struct model *m,
                       const struct spec *spec, struct err *err);
