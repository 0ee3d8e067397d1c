/* SPDX-License-Identifier: Apache-2.0
 * tests/check_bench.c - rates of all kernels, one thread, data in the L2 cache, the least of 15
 * runs: nanoseconds for 256 elements, of the portable code, of the tested kernel and, where it is
 * loaded, of ggml; and how many times the rate of each the tested one's is. */
#include "tests/check.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { ROW = 1024, ELEMS = 16384, RUNS = 15, RUN_NS = 4000000 };

static double now_ns(void) {
    struct timespec ts;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts); /* also right on a busy machine */
    return (double)ts.tv_sec * 1e9 + (double)ts.tv_nsec;
}

struct buffers {
    float numbers[ELEMS], importance[ROW], out[ELEMS];
    uint8_t packed[ELEMS * 8];
};

/* What is measured: one way to encode or decode one type. */
struct work {
    enum dtype type;
    enum { ENCODE, WEIGHTED, DECODE, WAYS } way;
    const struct block_kernel *kernel; /* NULL: ggml's */
};

static void do_work(struct check *t, const struct work *work, struct buffers *b) {
    const struct dtype_info *info = &dtype_info[work->type];
    const size_t blocks = ELEMS / info->block_elems;
    const float *importance = work->way == WEIGHTED ? b->importance : NULL;
    if (!work->kernel && work->way == DECODE)
        check_ggml_decoder(&t->ggml, work->type)(b->packed, b->out, ELEMS);
    else if (!work->kernel)
        t->ggml.quantize(info->gguf_id, b->numbers, b->packed, 0, ELEMS / ROW, ROW, importance);
    else if (work->way == DECODE)
        work->kernel->decode(b->out, b->packed, blocks);
    else if (work->way == ENCODE)
        work->kernel->encode(b->packed, b->numbers, blocks);
    else
        work->kernel->encode_weighted(b->packed, b->numbers, importance, ELEMS / ROW, ROW);
}

/* Nanoseconds for 256 elements. */
static double measure(struct check *t, const struct work *work, struct buffers *b) {
    unsigned times = 0;
    const double start = now_ns();
    double end;
    do {
        do_work(t, work, b);
        times++;
        end = now_ns();
    } while (end - start < RUN_NS);
    return (end - start) / times / (ELEMS / 256);
}

static bool has_way(const struct block_kernel *k, int way) {
    return way == ENCODE ? !!k->encode : way == WEIGHTED ? !!k->encode_weighted : !!k->decode;
}

static bool ggml_has(const struct check *t, const struct work *work) {
    return t->ggml.quantize && dtype_is_quantized(work->type) &&
           (work->way == DECODE ? !!check_ggml_decoder(&t->ggml, work->type)
                                : work->way == WEIGHTED || !check_ggml_only_weighted(work->type));
}

/* In turns, so that what else the machine does is shared. */
static void bench_way(struct check *t, enum dtype type, int way, struct buffers *b) {
    static const char *const names[WAYS] = { "encode", "encode+imatrix", "decode" };
    const struct block_kernel c = check_kernel(&t->portable, type);
    const struct block_kernel k = check_kernel(&t->tested, type);
    const struct work works[] = { { type, way, &c }, { type, way, &k }, { type, way, NULL } };
    const int n = ggml_has(t, &works[2]) ? 3 : 2;
    double least[3] = { 1e99, 1e99, 1e99 };
    for (int run = 0; run < RUNS; run++) {
        for (int i = 0; i < n; i++) {
            if (!run)
                do_work(t, &works[i], b); /* ggml makes its tables */
            const double ns = measure(t, &works[i], b);
            least[i] = ns < least[i] ? ns : least[i];
        }
    }
    printf("%-8s %-14s %10.1f %10.1f %7.1f", dtype_info[type].name, names[way], least[0], least[1],
           least[0] / least[1]);
    if (n == 3)
        printf(" %10.1f %7.1f", least[2], least[2] / least[1]);
    putchar('\n');
    fflush(stdout);
}

void check_bench(struct check *t) {
    struct buffers *b = aligned_alloc(64, (sizeof *b + 63) / 64 * 64);
    if (!b)
        abort();
    printf("ns for 256 elements\n%-8s %-14s %10s %10s %7s %10s %7s\n", "type", "", "portable",
           t->cpu_name, "ratio", "ggml", "ratio");
    check_fill_f32(t, b->numbers, ELEMS, ELEMS, FILL_NORMAL);
    for (int i = 0; i < ROW; i++)
        b->importance[i] = (float)(1 + check_random(t) % 4096);
    for (enum dtype type = DTYPE_NONE + 1; type < DTYPE_COUNT; type++) {
        const struct block_kernel k = check_kernel(&t->tested, type);
        memset(b->packed, 0x11, sizeof b->packed);
        for (int way = 0; way < WAYS && check_wants(t, type); way++)
            if (has_way(&k, way))
                bench_way(t, type, way, b);
    }
    free(b);
}
