/* SPDX-License-Identifier: Apache-2.0
 * tests/check_compare.c - what ought to be equal, and what is said where it is not. */
#include "tests/check.h"
#include <stdio.h>
#include <string.h>

void check_fail(struct check *t, const char *what, const char *how) {
    if (t->failed++ < 20)
        fprintf(stderr, "FAIL %s, %s: cpu %s, seed %llu, blocks %zu\n", what, how, t->cpu_name,
                (unsigned long long)t->seed, t->blocks);
}

void check_bytes(struct check *t, const char *what, const char *how, const void *want,
                 const void *got, size_t bytes, size_t block_bytes) {
    const uint8_t *w = want, *g = got;
    t->done++;
    if (!memcmp(w, g, bytes))
        return;
    size_t i = 0;
    while (w[i] == g[i])
        i++;
    check_fail(t, what, how);
    if (t->failed <= 20)
        fprintf(stderr, "  block %zu of %zu, byte %zu: want %02x, got %02x\n", i / block_bytes,
                bytes / block_bytes, i % block_bytes, w[i], g[i]);
}

struct block_kernel check_kernel(const struct kernels *k, enum dtype type) {
    struct block_kernel found = { NULL, NULL, NULL };
    if (dtype_info[type].kernel)
        memcpy(&found, (const char *)k + dtype_info[type].kernel, sizeof found);
    return found;
}

void check_unify_nans(float *x, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (x[i] != x[i])
            memset(&x[i], 0xff, sizeof x[i]);
}

bool check_wants(const struct check *t, enum dtype type) {
    return !t->only || !strcmp(t->only, dtype_info[type].name);
}
