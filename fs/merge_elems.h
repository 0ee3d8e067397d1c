/* SPDX-License-Identifier: Apache-2.0
 * fs/merge_elems.h - the numbers of a tensor with adapters (formats/merge.h), for just the elements
 * that are wanted. */
#pragma once
#include "fs/reader.h"
#include "kernels/kernels.h"

/* Elements [elem, elem + count) of @t, which has t->merged. Thread-safe; takes 16 MiB and what
 * @count rows of an adapter's rank need. */
int merge_elems(struct reader *r, const struct kernels *k, const struct tensor *t, uint64_t elem,
                uint64_t count, float *dst);
