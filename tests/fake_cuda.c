/* SPDX-License-Identifier: Apache-2.0
 * tests/fake_cuda.c - a GPU module that runs on the CPU: kernels/cuda over fake_cuda.h. What it
 * shows: the kernels' indices, batches, the order of copies and launches, errors. What it does not:
 * a compiler's arithmetic, and threads at once. */
#include "tests/fake_cuda.h"
#include "kernels/cuda/module.cu"
#include <pthread.h>

enum { OPS_MAX = 8, DEVICES = 2 };

struct op {
    void *dst;
    const void *src; /* of a copy */
    size_t bytes;
    kernel_fn *kernel; /* NULL: a copy */
    struct encode_args args;
    dim3 grid, block;
};

struct fake_stream {
    struct op ops[OPS_MAX];
    unsigned n;
};

dim3 blockIdx, threadIdx, blockDim;
static pthread_mutex_t running = PTHREAD_MUTEX_INITIALIZER;
static _Thread_local int current_device = -1;

/* What the call returns: an error when its turn has come. */
static cudaError_t outcome(void) {
    static _Atomic long calls;
    const char *which = getenv("WEIGHTFS_CUDA_FAIL");
    return ++calls == (which ? atol(which) : 0) ? cudaErrorUnknown : cudaSuccess;
}

const char *cudaGetErrorString(cudaError_t e) {
    return e == cudaErrorUnknown ? "made to fail" : "no memory";
}

cudaError_t cudaGetDeviceCount(int *n) {
    *n = DEVICES;
    return outcome();
}

cudaError_t cudaSetDevice(int device) {
    current_device = device;
    return outcome();
}

cudaError_t cudaSetDeviceFlags(unsigned flags) {
    (void)flags;
    return outcome();
}

/* The first one is too old. */
cudaError_t cudaDeviceGetAttribute(int *value, enum cudaDeviceAttr attribute, int device) {
    *value = attribute == cudaDevAttrComputeCapabilityMinor ? 5 : device == 0 ? 6 : 7;
    return outcome();
}

/* Filled with what nobody wrote; no address is like another's. */
cudaError_t cudaMalloc(void **out, size_t bytes) {
    const cudaError_t e = current_device == 1 ? outcome() : cudaErrorUnknown;
    *out = e == cudaSuccess ? malloc(bytes) : NULL;
    if (e == cudaSuccess && *out)
        memset(*out, 0xa5, bytes);
    return e != cudaSuccess ? e : *out ? cudaSuccess : cudaErrorMemoryAllocation;
}

cudaError_t cudaMallocHost(void **out, size_t bytes) {
    return cudaMalloc(out, bytes);
}

cudaError_t cudaFree(void *p) {
    free(p);
    return cudaSuccess;
}

cudaError_t cudaFreeHost(void *p) {
    return cudaFree(p);
}

cudaError_t cudaStreamCreateWithFlags(cudaStream_t *out, unsigned flags) {
    const cudaError_t e = outcome();
    (void)flags;
    *out = e == cudaSuccess ? calloc(1, sizeof **out) : NULL;
    return e != cudaSuccess ? e : *out ? cudaSuccess : cudaErrorMemoryAllocation;
}

cudaError_t cudaStreamDestroy(cudaStream_t s) {
    free(s);
    return cudaSuccess;
}

static cudaError_t push(cudaStream_t s, const struct op *op) {
    const cudaError_t e = s->n < OPS_MAX && current_device == 1 ? outcome() : cudaErrorUnknown;
    if (e == cudaSuccess)
        s->ops[s->n++] = *op;
    return e;
}

cudaError_t cudaMemcpyAsync(void *dst, const void *src, size_t bytes, enum cudaMemcpyKind kind,
                            cudaStream_t s) {
    const struct op op = { .dst = dst, .src = src, .bytes = bytes };
    (void)kind;
    return push(s, &op);
}

cudaError_t cudaLaunchKernel(const void *kernel, dim3 grid, dim3 block, void **args, size_t shared,
                             cudaStream_t s) {
    struct op op = { .grid = grid, .block = block };
    memcpy(&op.kernel, &kernel, sizeof kernel);
    memcpy(&op.args, args[0], sizeof op.args);
    return shared == 0 && grid.x > 0 ? push(s, &op) : cudaErrorUnknown;
}

static void run(const struct op *op) {
    if (!op->kernel) {
        memcpy(op->dst, op->src, op->bytes);
        return;
    }
    blockDim = op->block;
    for (blockIdx.x = 0; blockIdx.x < op->grid.x; blockIdx.x++)
        op->kernel(op->args);
}

cudaError_t cudaStreamSynchronize(cudaStream_t s) {
    const cudaError_t e = outcome();
    pthread_mutex_lock(&running);
    for (unsigned i = 0; i < s->n && e == cudaSuccess; i++)
        run(&s->ops[i]);
    s->n = 0;
    pthread_mutex_unlock(&running);
    return e;
}
