/* SPDX-License-Identifier: Apache-2.0
 * kernels/kernels.h - the table of block kernels. A kernel is pure: flat arrays in and out, no
 * allocation, no I/O, no errors. Every entry writes the same bytes as the portable C one. */
#pragma once
#include <stddef.h>
#include <stdint.h>

/* Decode @blocks whole blocks at @src (any alignment) into blocks * block_elems floats. */
typedef void block_decode_fn(float *dst, const void *src, size_t blocks);

/* Encode blocks * block_elems floats into @blocks whole blocks at @dst (any alignment). */
typedef void block_encode_fn(void *dst, const float *src, size_t blocks);

struct block_kernel {
    block_decode_fn *decode;
    block_encode_fn *encode;
};

/* One member a type. f16 and bf16 are blocks of one element. */
struct kernels {
    unsigned cpu; /* the mask it was filled for; first, so that no block_kernel has offset 0 */
    struct block_kernel f16, bf16;
};

enum cpu { CPU_AVX2 = 1 << 0, CPU_AVX512 = 1 << 1, CPU_ALL = ~0 };

/* What the CPU *and* the OS allow. */
unsigned cpu_detect(void);

/* Fill the table: portable C, then whatever @cpu (a mask of enum cpu) adds; 0: portable only. */
void kernels_init(struct kernels *k, unsigned cpu);
