/* SPDX-License-Identifier: Apache-2.0
 * formats/quantized/quantized.h - Hugging Face folders whose weights are quantized already
 * ("quantization_config"): their tensors as those of the plain model. */
#pragma once
#include "formats/model.h"

struct json;

/* Is @config (all of config.json) that of a plain model, or of a method that is read? Else -ENOTSUP
 * with the method's name. */
int quantized_check(const struct json *config, struct err *err);

/* Put packed tensors (formats/packed.h) in the place of what a weight is made of. The tensors as
 * they are stored stay in m->stored. A method that is not known changes nothing. */
int quantized_unpack(struct model *m, struct err *err);
