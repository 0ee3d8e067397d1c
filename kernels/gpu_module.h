/* SPDX-License-Identifier: Apache-2.0
 * kernels/gpu_module.h - what gpu.c and a module for a kind of GPU have in common: kernels/cuda is
 * one, built by another compiler and opened with dlopen. C11 and C++17 both read it. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { GPU_MODULE_VERSION = 1 }; /* raised with every change of this file */
enum { GPU_WHY = 200 };          /* bytes of a reason */

/* A type that the module encodes; @name as in struct kernels. */
struct gpu_type {
    const char *name;
    uint32_t block_elems, block_bytes;
    bool search;   /* encoding is a search, worth the way to the GPU; others are for tests */
    bool weighted; /* knows importance data, which makes a search of every type */
};

/* Blocks to encode: @elems floats at the start of the queue's input, whole blocks. With importance
 * data (NULL: without) @importance[row_elems] belongs to each row, and the first element is in
 * column @column of its row; row_elems and column are whole blocks. */
struct gpu_work {
    const struct gpu_type *type;
    size_t elems;
    const float *importance;
    size_t row_elems, column;
};

/* Page-locked memory and an order of execution. One thread at a time may use a queue. */
struct gpu_queue {
    float *input;     /* of @elems floats */
    uint8_t *output;  /* of 2 * elems bytes */
    size_t elems;     /* that fit */
    size_t row_elems; /* of the longest row with importance data */
};

struct gpu_module {
    uint32_t version; /* GPU_MODULE_VERSION */
    const struct gpu_type *types;
    size_t n_types;
    /* A queue on @device, or on the first that will do where @device < 0; NULL: none, with the
     * reason in @why. */
    struct gpu_queue *(*queue_new)(int device, size_t elems, char why[GPU_WHY]);
    /* Encode, and wait for it: q->output has the blocks. The bytes are those of the portable
     * encoder, blocks and rows that are not finite included. False: something failed, with the
     * reason in @why; the queue is then only good for queue_free. */
    bool (*encode)(struct gpu_queue *q, const struct gpu_work *work, char why[GPU_WHY]);
    void (*queue_free)(struct gpu_queue *q); /* NULL is fine */
};

typedef const struct gpu_module *gpu_module_fn(void);
#define GPU_MODULE_SYMBOL "weightfs_gpu_module" /* a gpu_module_fn */
