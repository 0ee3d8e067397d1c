/* SPDX-License-Identifier: Apache-2.0
 * kernels/gpu.h - the door to a GPU. Other than the kernels of the table it allocates, and fails:
 * then the CPU goes on, with the same bytes. Thread-safe. */
#pragma once
#include "kernels/gpu_module.h"

/* Which device: none, the first that will do, or GPU_DEVICE_0 plus its number as CUDA counts. */
enum { GPU_OFF = -1, GPU_AUTO = 0, GPU_DEVICE_0 = 1 };

enum { GPU_QUEUES = 3, GPU_ELEMS = 4 << 20 }; /* batches at once; floats of each: 16 MiB */

struct gpu;

/* Told a reason once: when a device that was asked for by number is not to be had, or when one
 * failed while it was used. */
typedef void gpu_report_fn(const char *reason);

/* The device is opened by the first gpu_type, in a thread of its own, as that takes a while; the
 * module is $WEIGHTFS_GPU_MODULE, or else where it is installed. NULL when @device is GPU_OFF, and
 * without memory. */
struct gpu *gpu_open(int device, gpu_report_fn *report);
void gpu_close(struct gpu *g); /* waits for that thread; NULL is fine; no queue may be held */
bool gpu_wait(struct gpu *g);  /* until it is open; false: there is none */

/* The module's row of a type of kernels.h, by name; NULL: it has none, or there is no GPU, or none
 * yet: only one that was asked for by number is waited for. */
const struct gpu_type *gpu_type(struct gpu *g, const char *name);

/* A queue of one's own until gpu_give; NULL: all are busy, or there is no GPU (any more). */
struct gpu_queue *gpu_take(struct gpu *g);
void gpu_give(struct gpu *g, struct gpu_queue *q);

/* As gpu_module.encode. False: not done; from then on there is no GPU. */
bool gpu_encode(struct gpu *g, struct gpu_queue *q, const struct gpu_work *work);
