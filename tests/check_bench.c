/* SPDX-License-Identifier: Apache-2.0
 * tests/check_bench.c - rates of all kernels, one thread, data in the L2 cache, the median of nine
 * runs: nanoseconds for 256 elements, and how many times the portable kernel's rate that is. */
#include "tests/check.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { ELEMS = 16384, RUNS = 9, RUN_NS = 10000000 };

static double now_ns(void) {
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (double)ts.tv_sec * 1e9 + (double)ts.tv_nsec;
}

static int compare(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

/* One of the two is NULL. */
static double measure(block_encode_fn *encode, block_decode_fn *decode, float *numbers,
                      uint8_t *packed, size_t blocks) {
    double ns[RUNS];
    for (int run = 0; run < RUNS; run++) {
        unsigned times = 0;
        const double start = now_ns();
        double end;
        do {
            if (encode)
                encode(packed, numbers, blocks);
            else
                decode(numbers, packed, blocks);
            times++;
            end = now_ns();
        } while (end - start < RUN_NS);
        ns[run] = (end - start) / times / (ELEMS / 256);
    }
    qsort(ns, RUNS, sizeof *ns, compare);
    return ns[RUNS / 2];
}

static struct block_kernel kernel_of(const struct kernels *k, enum dtype type) {
    struct block_kernel found = { NULL, NULL, NULL };
    if (dtype_info[type].kernel)
        memcpy(&found, (const char *)k + dtype_info[type].kernel, sizeof found);
    return found;
}

static void print_rate(const char *name, const char *what, double portable, double tested) {
    printf("%-8s %-7s %10.1f ns %10.1f ns %7.1f\n", name, what, portable, tested,
           portable / tested);
    fflush(stdout);
}

void check_bench(struct check *t) {
    float *numbers = aligned_alloc(64, ELEMS * sizeof *numbers);
    float *out = aligned_alloc(64, ELEMS * sizeof *out);
    uint8_t *packed = aligned_alloc(64, ELEMS * 8);
    if (!numbers || !out || !packed)
        abort();
    printf("%-8s %-7s %13s %13s %7s\n", "type", "", "portable", t->cpu_name, "ratio");
    check_fill_f32(t, numbers, ELEMS, ELEMS, FILL_NORMAL);
    for (enum dtype type = DTYPE_NONE + 1; type < DTYPE_COUNT; type++) {
        const struct block_kernel c = kernel_of(&t->portable, type);
        const struct block_kernel k = kernel_of(&t->tested, type);
        const size_t blocks =
            ELEMS / (dtype_info[type].block_elems ? dtype_info[type].block_elems : 1);
        memset(packed, 0x11, ELEMS * 8);
        if (k.encode)
            print_rate(dtype_info[type].name, "encode",
                       measure(c.encode, NULL, numbers, packed, blocks),
                       measure(k.encode, NULL, numbers, packed, blocks));
        if (k.decode)
            print_rate(dtype_info[type].name, "decode",
                       measure(NULL, c.decode, out, packed, blocks),
                       measure(NULL, k.decode, out, packed, blocks));
    }
    free(numbers);
    free(out);
    free(packed);
}
