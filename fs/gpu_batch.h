/* SPDX-License-Identifier: Apache-2.0
 * fs/gpu_batch.h - which conversions are offered to a GPU, and how: several chunks at once, whose
 * floats are put into its page-locked memory. */
#pragma once
#include "formats/layout.h"
#include "kernels/gpu.h"

/* How many chunks of @c are best made together on a GPU; 0: it is not for the GPU. */
uint64_t gpu_batch_chunks(struct gpu *g, const struct conversion *c);

/* For @elems elements of @c: a queue to be given back with gpu_give; NULL: it is for the CPU. Its
 * input takes gpu_batch_elems at a time, whole rows where the type is encoded by rows. */
struct gpu_queue *gpu_batch_take(struct gpu *g, const struct conversion *c, uint64_t elems);
uint64_t gpu_batch_elems(const struct gpu_queue *q, const struct conversion *c);

/* Encode the @n elements from @elem of @c on, which are the queue's input, into @dst; @importance
 * is that of their columns, or NULL. False: not done. */
bool gpu_batch_encode(struct gpu *g, struct gpu_queue *q, const struct conversion *c,
                      const float *importance, uint64_t elem, uint64_t n, uint8_t *dst);

/* "auto", "off" or the number of a device, as engine_options.gpu has it; false: none of them. */
bool gpu_batch_parse(const char *text, int *out);
