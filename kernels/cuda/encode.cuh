/* SPDX-License-Identifier: Apache-2.0
 * kernels/cuda/encode.cuh - the encoders as CUDA kernels: the bodies of kernels/bodies.h, a thread
 * for each block, or for each member of a super-block's team. nvcc includes the runtime itself. */
#pragma once
#include "kernels/bodies.h"
#include "kernels/gpu_module.h"

enum { THREADS = 128 }; /* of a thread block */

/* What is known of a row before its blocks are encoded with importance data. */
struct row {
    float mean_square;
    int finite;
};

/* What every kernel is given; pointers of the device. */
struct encode_args {
    uint8_t *dst;
    const float *src;
    uint64_t blocks;
    const float *importance; /* of a row; NULL: without, and then what follows is not looked at */
    struct row *rows;
    uint64_t row_blocks, first; /* blocks of a row; the number of the first block in its own */
    uint32_t block_elems;
};

/* A kernel is a number of steps; all threads of a block are through with one before the next
 * begins. (The emulation of tests/fake_cuda.h runs them one thread after the other.) */
#ifdef __CUDACC__
#define FOR_STEPS(n) _Pragma("unroll") for (int step = 0; step < (n); step++, __syncthreads())
#endif

static __device__ uint64_t thread_number(void) {
    return (uint64_t)blockIdx.x * THREADS + threadIdx.x;
}

static __device__ int is_finite(const float *x, int n) {
    int finite = 1;
    for (int i = 0; i < n; i++)
        finite &= (f32_bits(x[i]) & 0x7fffffff) < 0x7f800000;
    return finite;
}

static __device__ const float *block_importance(const struct encode_args *a, uint64_t block) {
    return a->importance + (a->first + block) % a->row_blocks * a->block_elems;
}

static __device__ const struct row *block_row(const struct encode_args *a, uint64_t block) {
    return a->rows + (a->first + block) / a->row_blocks;
}

/* One thread a row; the first and the last may be parts of rows. */
static __global__ void measure_rows(struct encode_args a) {
    FOR_STEPS(1) {
        const uint64_t row = thread_number();
        const uint64_t begin = row * a.row_blocks > a.first ? row * a.row_blocks - a.first : 0;
        uint64_t end = (row + 1) * a.row_blocks - a.first;
        end = end < a.blocks ? end : a.blocks;
        if (begin < end) {
            const float *x = a.src + begin * a.block_elems;
            const size_t n = (size_t)((end - begin) * a.block_elems);
            int finite = 1;
            for (size_t i = 0; i < n; i++)
                finite &= is_finite(x + i, 1);
            a.rows[row].mean_square = sum_squares(x, n) / (float)n;
            a.rows[row].finite = finite;
        }
    }
}

#define NUMBER_KERNEL(type)                                                 \
    static __global__ void type##_encode(struct encode_args a) {            \
        FOR_STEPS(1) {                                                      \
            const uint64_t i = thread_number();                             \
            if (i < a.blocks)                                               \
                ((uint16_t *)(void *)a.dst)[i] = type##_from_f32(a.src[i]); \
        }                                                                   \
    }

#define BLOCK_KERNEL(type, elems)                                \
    static __global__ void type##_encode(struct encode_args a) { \
        FOR_STEPS(1) {                                           \
            const uint64_t i = thread_number();                  \
            const float *x = a.src + i * (elems);                \
            struct type *b = (struct type *)(void *)a.dst + i;   \
            if (i < a.blocks && is_finite(x, elems))             \
                type##_block(b, x);                              \
            else if (i < a.blocks)                               \
                memset(b, 0, sizeof *b);                         \
        }                                                        \
    }

#define WEIGHTED_KERNEL(type, elems)                                                   \
    BLOCK_KERNEL(type, elems)                                                          \
    static __global__ void type##_encode_weighted(struct encode_args a) {              \
        FOR_STEPS(1) {                                                                 \
            const uint64_t i = thread_number();                                        \
            struct type *b = (struct type *)(void *)a.dst + i;                         \
            if (i < a.blocks && block_row(&a, i)->finite)                              \
                type##_block_weighted(b, a.src + i * (elems), block_importance(&a, i), \
                                      block_row(&a, i)->mean_square);                  \
            else if (i < a.blocks)                                                     \
                memset(b, 0, sizeof *b);                                               \
        }                                                                              \
    }

/* The steps of TEAM_BLOCK in team.h. @is_weighted is a constant, so that each kernel has the code
 * of one case only. zeros[k]: the team's block is not finite (or its row, with importance data). */
#define TEAM_KERNEL(type, name, members, is_weighted)                                      \
    static __global__ void name(struct encode_args a) {                                    \
        __shared__ struct team teams[THREADS / (members)];                                 \
        __shared__ int zeros[THREADS / (members)];                                         \
        FOR_STEPS(7) {                                                                     \
            const int k = (int)threadIdx.x / (members), s = (int)threadIdx.x % (members);  \
            const uint64_t i = (uint64_t)blockIdx.x * (THREADS / (members)) + (uint64_t)k; \
            struct team *t = &teams[k];                                                    \
            struct type *b = (struct type *)(void *)a.dst + i;                             \
            const float *x = a.src + i * SUPER_ELEMS;                                      \
            const int share = SUPER_ELEMS / (members);                                     \
            if (i >= a.blocks)                                                             \
                continue;                                                                  \
            const float *importance = (is_weighted) ? block_importance(&a, i) : NULL;      \
            if (step == 0 && s == 0)                                                       \
                zeros[k] = (is_weighted) && !block_row(&a, i)->finite;                     \
            if (step == 1 && !(is_weighted) && !is_finite(x + share * s, share))           \
                zeros[k] = 1;                                                              \
            if (step == 2 && s == 0 && zeros[k])                                           \
                memset(b, 0, sizeof *b);                                                   \
            if (step < 2 || zeros[k])                                                      \
                continue;                                                                  \
            if (step == 2 && s == 0)                                                       \
                team_begin(t, x, importance);                                              \
            if (step == 3)                                                                 \
                type##_search(t, s, x, importance);                                        \
            if (step == 4 && s == 0)                                                       \
                type##_round(b, t, is_weighted);                                           \
            if (step == 5)                                                                 \
                type##_levels(t, s, x);                                                    \
            if (step == 6 && s == 0)                                                       \
                type##_pack(b, t);                                                         \
        }                                                                                  \
    }

#define TEAM_KERNELS(type, members)                  \
    TEAM_KERNEL(type, type##_encode, members, false) \
    TEAM_KERNEL(type, type##_encode_weighted, members, true)

NUMBER_KERNEL(f16)
NUMBER_KERNEL(bf16)
BODIES_PLAIN(BLOCK_KERNEL)
BODIES_WEIGHTED(WEIGHTED_KERNEL)
BODIES_TEAM(TEAM_KERNELS)
