/* SPDX-License-Identifier: Apache-2.0
 * formats/sampling.h - general.sampling.*: how a model's text is best sampled, of
 * generation_config.json and of the file beside the model (authorship.h). */
#pragma once
#include "formats/form.h"

struct json;

/* Append them in the converter's order. @config may be NULL. -EBADMSG with the key for a value of
 * another kind than it takes. */
int sampling_add(struct form *f, const struct json *config, struct err *err);
