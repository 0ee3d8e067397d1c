/* SPDX-License-Identifier: Apache-2.0
 * formats/general.h - the general.* pairs of a GGUF: from generation_config.json, the model card,
 * config.json and the folder's name, as gguf-py's Metadata.load finds them. */
#pragma once
#include "formats/folder.h"
#include "formats/kv.h"
#include "formats/model_name.h"

/* Append general.sampling.* and general.name to general.languages, in the converter's order. */
int general_add(struct kv_list *kvs, struct arena *a, const struct folder *f,
                const struct param_count *params, struct err *err);
