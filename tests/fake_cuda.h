/* SPDX-License-Identifier: Apache-2.0
 * tests/fake_cuda.h - as much of CUDA's runtime as kernels/cuda uses, on the CPU, so that
 * the module runs where there is no GPU: memory of the device is memory, a stream is a list that
 * is worked off when it is waited for, and the threads of a block take turns at each step. One
 * call can be made to fail: the WEIGHTFS_CUDA_FAIL-th, of all that the process makes. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define __global__
#define __device__
#define __shared__ static

typedef enum { cudaSuccess, cudaErrorMemoryAllocation = 2, cudaErrorUnknown = 999 } cudaError_t;
enum cudaDeviceAttr {
    cudaDevAttrComputeCapabilityMajor = 75,
    cudaDevAttrComputeCapabilityMinor = 76
};
enum cudaMemcpyKind { cudaMemcpyHostToDevice = 1, cudaMemcpyDeviceToHost = 2 };
enum { cudaStreamNonBlocking = 1, cudaDeviceScheduleBlockingSync = 4 };
typedef struct {
    unsigned x, y, z;
} dim3;
typedef struct fake_stream *cudaStream_t;

extern dim3 blockIdx, threadIdx, blockDim; /* of the one thread that runs */

#define FOR_STEPS(n)                       \
    for (int step = 0; step < (n); step++) \
        for (threadIdx.x = 0; threadIdx.x < blockDim.x; threadIdx.x++)

const char *cudaGetErrorString(cudaError_t e);
cudaError_t cudaGetDeviceCount(int *n);
cudaError_t cudaSetDevice(int device);
cudaError_t cudaSetDeviceFlags(unsigned flags);
cudaError_t cudaDeviceGetAttribute(int *value, enum cudaDeviceAttr attribute, int device);
cudaError_t cudaMalloc(void **out, size_t bytes);
cudaError_t cudaMallocHost(void **out, size_t bytes);
cudaError_t cudaFree(void *p);
cudaError_t cudaFreeHost(void *p);
cudaError_t cudaStreamCreateWithFlags(cudaStream_t *out, unsigned flags);
cudaError_t cudaStreamDestroy(cudaStream_t s);
cudaError_t cudaStreamSynchronize(cudaStream_t s);
cudaError_t cudaMemcpyAsync(void *dst, const void *src, size_t bytes, enum cudaMemcpyKind kind,
                            cudaStream_t s);
cudaError_t cudaLaunchKernel(const void *kernel, dim3 grid, dim3 block, void **args, size_t shared,
                             cudaStream_t s);
