/* SPDX-License-Identifier: Apache-2.0
 * kernels/plain.h - for kernels that are plain loops, which a compiler turns into SIMD by itself:
 * widen.c, narrow.c and decode_*.c are compiled once as they are and once for each instruction
 * set. The bytes cannot differ: every element is computed apart, by the same operations. */
#pragma once
#include "kernels/blocks.h"
#include "kernels/f16.h"
#include "kernels/portable.h"

#if defined LANES_AVX512 || defined LANES_AVX2
#include "kernels/simd/lanes.h"
#define PLAIN(name) LANES(name)
#else
#define PLAIN(name) name##_c
#endif
