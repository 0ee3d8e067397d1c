/* SPDX-License-Identifier: Apache-2.0
 * kernels/simd/add.h - the doors of the instruction sets: each puts its kernels into the table. */
#pragma once
#include "kernels/kernels.h"

void lanes_add_avx2(struct kernels *k);
void lanes_add_plain(struct kernels *k); /* for tests */
void lanes_add_avx512(struct kernels *k);
void lanes_add_neon(struct kernels *k);
