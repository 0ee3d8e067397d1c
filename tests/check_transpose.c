/* SPDX-License-Identifier: Apache-2.0
 * tests/check_transpose.c - matrices of all sizes of elements turned over, against the definition,
 * with a canary behind what is written. */
#include "tests/check.h"
#include <stdlib.h>
#include <string.h>

enum { MAX_SIDE = 71, CANARY = 64 };

static void check_matrix(struct check *t, size_t rows, size_t cols, size_t size) {
    const size_t bytes = rows * cols * size;
    uint8_t *src = malloc(bytes), *want = malloc(bytes + CANARY), *got = malloc(bytes + CANARY);
    if (!src || !want || !got)
        abort();
    for (size_t i = 0; i < bytes; i++)
        src[i] = (uint8_t)(check_random(t) >> 32);
    memset(want, 0xa5, bytes + CANARY);
    memset(got, 0xa5, bytes + CANARY);
    for (size_t r = 0; r < rows; r++)
        for (size_t c = 0; c < cols; c++)
            memcpy(want + (c * rows + r) * size, src + (r * cols + c) * size, size);
    t->tested.transpose(got, src, rows, cols, size);
    check_bytes(t, "transpose", "random bytes", want, got, bytes + CANARY, size);
    free(src);
    free(want);
    free(got);
}

void check_transpose(struct check *t) {
    for (size_t size = 1; size <= 8; size *= 2)
        for (int round = 0; round < 40; round++)
            check_matrix(t, 1 + check_random(t) % MAX_SIDE, 1 + check_random(t) % MAX_SIDE, size);
}
