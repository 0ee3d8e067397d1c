/* SPDX-License-Identifier: Apache-2.0
 * formats/torch_write.h - the parts of a written file of PyTorch. */
#pragma once
#include "formats/buffer.h"
#include "formats/form.h"

/* Append data.pkl: a dict of the targets, whose storages have the keys 0, 1, 2 ... in the order of
 * the form. -ENOTSUP for types that PyTorch does not have. */
int torch_pickle(struct buffer *b, const struct form *f, struct err *err);
