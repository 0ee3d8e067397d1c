/* SPDX-License-Identifier: Apache-2.0
 * kernels/cuda/module.cu - the CUDA module: devices, queues and launches. It links CUDA's runtime
 * statically, which looks for the driver itself: without one there is no device, and that is all.
 * C11 and C++17 both read it, so that tests/fake_cuda.c can run it without a GPU. */
#include "kernels/cuda/encode.cuh"
#include <stdio.h>
#include <stdlib.h>

enum { ROW_ELEMS_MAX = 256 << 10, MIN_BLOCK_ELEMS = 32 };

typedef void kernel_fn(struct encode_args a);

/* The kernels of a type; blocks that one thread block encodes. */
struct encoder {
    kernel_fn *plain, *weighted;
    uint32_t blocks;
};

#define NUMBER_ROW(type)          { #type, 1, 2, false, false },
#define PLAIN_ROW(type, elems)    { #type, elems, sizeof(struct type), false, false },
#define WEIGHTED_ROW(type, elems) { #type, elems, sizeof(struct type), false, true },
#define TEAM_ROW(type, members)   { #type, SUPER_ELEMS, sizeof(struct type), true, true },
/* clang-format off */
static const struct gpu_type types[] = {
    NUMBER_ROW(f16) NUMBER_ROW(bf16)
    BODIES_PLAIN(PLAIN_ROW) BODIES_WEIGHTED(WEIGHTED_ROW) BODIES_TEAM(TEAM_ROW)
};
/* clang-format on */

#define NUMBER_ENCODER(type)          { type##_encode, NULL, THREADS },
#define PLAIN_ENCODER(type, elems)    { type##_encode, NULL, THREADS },
#define WEIGHTED_ENCODER(type, elems) { type##_encode, type##_encode_weighted, THREADS },
#define TEAM_ENCODER(type, members)   { type##_encode, type##_encode_weighted, THREADS / (members) },
/* clang-format off */
static const struct encoder encoders[] = { /* in the order of types[] */
    NUMBER_ENCODER(f16) NUMBER_ENCODER(bf16)
    BODIES_PLAIN(PLAIN_ENCODER) BODIES_WEIGHTED(WEIGHTED_ENCODER) BODIES_TEAM(TEAM_ENCODER)
};
/* clang-format on */

/* The public part first. */
struct cuda_queue {
    struct gpu_queue q;
    int device;
    cudaStream_t stream;
    float *src, *importance; /* these and below: of the device */
    uint8_t *dst;
    struct row *rows;
};

static bool good(cudaError_t e, const char *what, char why[GPU_WHY]) {
    if (e != cudaSuccess)
        snprintf(why, GPU_WHY, "CUDA, %s: %s", what, cudaGetErrorString(e));
    return e == cudaSuccess;
}

/* Its binaries begin with compute capability 7.5. */
static bool device_fits(int device) {
    int major = 0, minor = 0;
    return cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, device) ==
               cudaSuccess &&
           cudaDeviceGetAttribute(&minor, cudaDevAttrComputeCapabilityMinor, device) ==
               cudaSuccess &&
           10 * major + minor >= 75;
}

/* -1: none, with the reason. */
static int find_device(int wanted, char why[GPU_WHY]) {
    int n = 0;
    if (!good(cudaGetDeviceCount(&n), "looking for devices", why))
        return -1;
    for (int i = wanted < 0 ? 0 : wanted; i < n; i++) {
        if (device_fits(i))
            return i;
        if (wanted >= 0)
            break;
    }
    snprintf(why, GPU_WHY,
             wanted < n ? "no device of compute capability 7.5 or newer"
                        : "there is no such device");
    return -1;
}

static void queue_free(struct gpu_queue *queue) {
    struct cuda_queue *q = (struct cuda_queue *)queue;
    if (!q)
        return;
    cudaSetDevice(q->device);
    if (q->stream)
        cudaStreamDestroy(q->stream);
    cudaFreeHost(q->q.input);
    cudaFreeHost(q->q.output);
    cudaFree(q->src);
    cudaFree(q->importance);
    cudaFree(q->dst);
    cudaFree(q->rows);
    free(q);
}

static bool queue_allocate(struct cuda_queue *q, char why[GPU_WHY]) {
    const size_t elems = q->q.elems, rows = elems / MIN_BLOCK_ELEMS + 2;
    return good(cudaSetDevice(q->device), "choosing the device", why) &&
           good(cudaStreamCreateWithFlags(&q->stream, cudaStreamNonBlocking), "a stream", why) &&
           good(cudaMallocHost((void **)&q->q.input, elems * sizeof(float)), "pinned memory",
                why) &&
           good(cudaMallocHost((void **)&q->q.output, elems * 2), "pinned memory", why) &&
           good(cudaMalloc((void **)&q->src, elems * sizeof(float)), "memory", why) &&
           good(cudaMalloc((void **)&q->dst, elems * 2), "memory", why) &&
           good(cudaMalloc((void **)&q->importance, ROW_ELEMS_MAX * sizeof(float)), "memory",
                why) &&
           good(cudaMalloc((void **)&q->rows, rows * sizeof(struct row)), "memory", why);
}

static struct gpu_queue *queue_new(int wanted, size_t elems, char why[GPU_WHY]) {
    const int device = find_device(wanted, why);
    if (device < 0)
        return NULL;
    struct cuda_queue *q = (struct cuda_queue *)calloc(1, sizeof *q);
    if (!q) {
        snprintf(why, GPU_WHY, "no memory");
        return NULL;
    }
    q->device = device;
    q->q.elems = elems;
    q->q.row_elems = ROW_ELEMS_MAX;
    /* Whoever waits sleeps: the cores have work. It fails where a context exists, and may. */
    if (cudaSetDevice(device) == cudaSuccess)
        cudaSetDeviceFlags(cudaDeviceScheduleBlockingSync);
    if (queue_allocate(q, why))
        return &q->q;
    queue_free(&q->q);
    return NULL;
}

static bool launch(kernel_fn *kernel, uint64_t threads, uint64_t a_block, struct encode_args args,
                   cudaStream_t stream, char why[GPU_WHY]) {
    const dim3 grid = { (unsigned)((threads + a_block - 1) / a_block), 1, 1 };
    const dim3 block = { THREADS, 1, 1 };
    void *argv[] = { &args };
    return good(cudaLaunchKernel((const void *)kernel, grid, block, argv, 0, stream), "launching",
                why);
}

/* Rows that the work touches. */
static bool upload_importance(struct cuda_queue *q, const struct gpu_work *w, struct encode_args *a,
                              char why[GPU_WHY]) {
    const uint64_t rows = (w->column + w->elems + w->row_elems - 1) / w->row_elems;
    if (!good(cudaMemcpyAsync(q->importance, w->importance, w->row_elems * sizeof(float),
                              cudaMemcpyHostToDevice, q->stream),
              "copying", why))
        return false;
    a->importance = q->importance;
    a->row_blocks = w->row_elems / w->type->block_elems;
    a->first = w->column / w->type->block_elems;
    return launch(measure_rows, rows, THREADS, *a, q->stream, why);
}

static bool encode(struct gpu_queue *queue, const struct gpu_work *w, char why[GPU_WHY]) {
    struct cuda_queue *q = (struct cuda_queue *)queue;
    const struct encoder *e = &encoders[w->type - types];
    const uint64_t blocks = w->elems / w->type->block_elems;
    struct encode_args a = { q->dst, q->src, blocks, NULL, q->rows, 0, 0, w->type->block_elems };
    if (blocks == 0)
        return true;
    if (!good(cudaSetDevice(q->device), "choosing the device", why) ||
        !good(cudaMemcpyAsync(q->src, q->q.input, w->elems * sizeof(float), cudaMemcpyHostToDevice,
                              q->stream),
              "copying", why))
        return false;
    const bool weighted = w->importance && e->weighted;
    if (weighted && !upload_importance(q, w, &a, why))
        return false;
    return launch(weighted ? e->weighted : e->plain, blocks, e->blocks, a, q->stream, why) &&
           good(cudaMemcpyAsync(q->q.output, q->dst, blocks * w->type->block_bytes,
                                cudaMemcpyDeviceToHost, q->stream),
                "copying back", why) &&
           good(cudaStreamSynchronize(q->stream), "encoding", why);
}

#ifdef __cplusplus
extern "C"
#endif
    const struct gpu_module *
    weightfs_gpu_module(void);
const struct gpu_module *weightfs_gpu_module(void) {
    static const struct gpu_module module = {
        GPU_MODULE_VERSION, types, sizeof types / sizeof *types, queue_new, encode, queue_free
    };
    return &module;
}
