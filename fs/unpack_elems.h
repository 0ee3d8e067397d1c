/* SPDX-License-Identifier: Apache-2.0
 * fs/unpack_elems.h - the numbers of a packed tensor (formats/packed.h), for just the elements that
 * are wanted. */
#pragma once
#include "fs/reader.h"
#include "kernels/kernels.h"

/* Elements [elem, elem + count) of @t, which has t->packed. Needs some MiB at most, and
 * keeps them in @r until unpack_fini. */
int unpack_elems(struct reader *r, const struct kernels *k, const struct tensor *t, uint64_t elem,
                 uint64_t count, float *dst);

/* Forget what unpack_elems has kept. */
void unpack_fini(struct reader *r);

/* Bytes [off, off + len), whole blocks, of a tensor that packed_blocks has made. */
int unpack_blocks(struct reader *r, const struct tensor *t, uint64_t off, uint64_t len,
                  uint8_t *dst);
