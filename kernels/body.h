/* SPDX-License-Identifier: Apache-2.0
 * kernels/body.h - functions that the portable kernels and the GPU's share: a BODY is compiled for
 * both, so that what tests the portable code tests the GPU's arithmetic. They are written in what
 * C11 and C++17 have in common: no compound literals, no designated initializers, casts from void
 * pointers. */
#pragma once
#ifdef __CUDACC__
#define BODY       static inline __device__
#define BODY_TABLE static __device__ const
#else
#define BODY       static inline
#define BODY_TABLE static const
#endif
#ifdef __cplusplus
#define _Static_assert static_assert
#endif
