/* SPDX-License-Identifier: Apache-2.0
 * tests/check_transpose.c - matrices of all sizes of elements turned over, against the definition,
 * with canaries between lines and behind what is written. */
#include "tests/check.h"
#include <stdlib.h>
#include <string.h>

enum { MAX_SIDE = 71, CANARY = 64, GAP = 24 /* bytes between lines */ };

static void check_matrix(struct check *t, size_t rows, size_t cols, size_t size) {
    const size_t src_step = cols * size + check_random(t) % 2 * GAP;
    const size_t dst_step = rows * size + check_random(t) % 2 * GAP;
    const size_t bytes = rows * src_step, out = cols * dst_step + CANARY;
    uint8_t *src = malloc(bytes), *want = malloc(out), *got = malloc(out);
    if (!src || !want || !got)
        abort();
    for (size_t i = 0; i < bytes; i++)
        src[i] = (uint8_t)(check_random(t) >> 32);
    memset(want, 0xa5, out);
    memset(got, 0xa5, out);
    for (size_t r = 0; r < rows; r++)
        for (size_t c = 0; c < cols; c++)
            memcpy(want + c * dst_step + r * size, src + r * src_step + c * size, size);
    t->tested.transpose(got, dst_step, src, src_step, rows, cols, size);
    check_bytes(t, "transpose", "random bytes", want, got, out, size);
    free(src);
    free(want);
    free(got);
}

void check_transpose(struct check *t) {
    for (size_t size = 1; size <= 8; size *= 2)
        for (int round = 0; round < 40; round++)
            check_matrix(t, 1 + check_random(t) % MAX_SIDE, 1 + check_random(t) % MAX_SIDE, size);
}
