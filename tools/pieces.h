/* SPDX-License-Identifier: Apache-2.0
 * tools/pieces.h - numbered pieces of work, handed to threads in order. */
#pragma once
#include "formats/err.h"
#include <stddef.h>
#include <stdint.h>

/* Piece @index, on some thread; @scratch is that thread's alone. */
typedef int piece_work(void *user, uint64_t index, void *scratch, struct err *err);

/* All of 0 to n - 1, on @threads threads with @scratch bytes each. 0, or the first failure, after
 * which no piece is begun any more. */
int pieces_run(uint64_t n, unsigned threads, size_t scratch, piece_work *work, void *user,
               struct err *err);
