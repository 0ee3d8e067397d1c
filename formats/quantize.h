/* SPDX-License-Identifier: Apache-2.0
 * formats/quantize.h - what llama-quantize does to a GGUF, done to a form. */
#pragma once
#include "formats/extras.h"
#include "formats/form.h"

/* Types, order and shapes of the targets and the pairs become those of llama-quantize's output for
 * @x->spec (whose type is not auto) with the file that @f describes as its input. -EACCES when a
 * quantized tensor would be quantized again without leave, -ENOTSUP for what cannot be made. */
int form_quantize(struct form *f, const struct extras *x, struct err *err);
