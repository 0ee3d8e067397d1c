/* SPDX-License-Identifier: Apache-2.0
 * tests/check_gpu.c - every encoder of the GPU against the portable one, bit for bit, on the fills
 * of checkkernel, in batches of all sizes, rows that begin in the middle; then, with --bench,
 * rates. check_gpu [--device N] [--seed N] [--rounds N] [--bench] Exits 77, a skip, where there is
 * no GPU. Without a seed, the time is one; it is printed. */
#include "kernels/gpu.h"
#include "tests/check.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { ELEMS = 16384, ROW_MAX = 4096 };

/* One batch, by both. */
struct batch {
    const struct gpu_type *type;
    struct block_kernel portable;
    const float *importance; /* NULL: without */
    size_t elems, row_elems, column;
};

static void encode_portable(const struct batch *b, const float *src, uint8_t *dst) {
    const size_t size = b->type->block_bytes, per = b->type->block_elems;
    if (!b->importance) {
        b->portable.encode(dst, src, b->elems / per);
        return;
    }
    for (size_t done = 0, column = b->column; done < b->elems; column = 0) {
        size_t n = b->row_elems - column;
        n = n < b->elems - done ? n : b->elems - done;
        b->portable.encode_weighted(dst + done / per * size, src + done, b->importance + column, 1,
                                    n);
        done += n;
    }
}

static void run(struct check *t, struct gpu *g, const struct batch *b, const float *src,
                enum check_fill fill) {
    static uint8_t want[ELEMS * 2];
    const struct gpu_work work = { b->type, b->elems, b->importance, b->row_elems, b->column };
    struct gpu_queue *q = gpu_take(g);
    encode_portable(b, src, want);
    if (q)
        memcpy(q->input, src, b->elems * sizeof *src);
    if (q && gpu_encode(g, q, &work))
        check_bytes(t, b->type->name, check_fill_name(fill), want, q->output,
                    b->elems / b->type->block_elems * b->type->block_bytes, b->type->block_bytes);
    else
        check_fail(t, b->type->name, "the GPU failed");
    if (q)
        gpu_give(g, q);
}

static size_t random_below(struct check *t, size_t n) {
    return (size_t)(check_random(t) >> 20) % n;
}

static void check_plain(struct check *t, struct gpu *g, struct batch *b) {
    static const size_t runs[] = { 16, 32, 256 };
    static float src[ELEMS];
    const size_t per = b->type->block_elems, most = ELEMS / per;
    for (enum check_fill fill = 0; fill < FILL_COUNT; fill++) {
        for (int r = 0; r < 3; r++) {
            b->elems = per * (r ? 1 + random_below(t, most) : most);
            check_fill_f32(t, src, b->elems, runs[r], fill);
            run(t, g, b, src, fill);
        }
    }
}

static void check_importance(struct check *t, struct gpu *g, struct batch *b) {
    static float src[ELEMS], importance[ROW_MAX];
    const size_t per = b->type->block_elems;
    for (enum check_fill fill = 0; fill < FILL_COUNT; fill++) {
        for (int r = 0; r < 2; r++) {
            b->row_elems = (size_t)256 << (fill % 5);
            b->column = r ? per * random_below(t, b->row_elems / per) : 0;
            b->elems = r ? per * (1 + random_below(t, ELEMS / per)) : ELEMS;
            for (size_t i = 0; i < b->row_elems; i++)
                importance[i] = (float)(check_random(t) % 64 * (check_random(t) % 4)) / 16;
            b->importance = importance;
            check_fill_f32(t, src, b->elems, 32, fill);
            run(t, g, b, src, fill);
        }
    }
}

static double now(void) {
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (double)ts.tv_sec + (double)ts.tv_nsec * 1e-9;
}

/* A whole batch at once, copies in both directions included. */
static void measure(struct check *t, struct gpu *g, const struct gpu_type *type) {
    struct gpu_queue *q = gpu_take(g);
    const struct gpu_work work = { .type = type, .elems = q ? q->elems : 0 };
    double best = 0;
    if (!q)
        return;
    check_fill_f32(t, q->input, q->elems, 256, FILL_NORMAL);
    for (int i = 0; i < 10 && gpu_encode(g, q, &work); i++) {
        const double begin = now();
        if (!gpu_encode(g, q, &work))
            break;
        const double rate = (double)q->elems / (now() - begin) * 1e-6;
        best = rate > best ? rate : best;
    }
    printf("%-8s %10.0f million numbers a second\n", type->name, best);
    gpu_give(g, q);
}

static void say(const char *reason) {
    fprintf(stderr, "check_gpu: %s\n", reason);
}

static void check_types(struct check *t, struct gpu *g, bool bench) {
    for (enum dtype d = DTYPE_NONE + 1; d < DTYPE_COUNT; d++) {
        struct batch b = { .type = gpu_type(g, dtype_info[d].name) };
        if (!b.type)
            continue;
        if (b.type->block_elems != dtype_info[d].block_elems ||
            b.type->block_bytes != dtype_info[d].block_bytes)
            check_fail(t, b.type->name, "not the same block");
        b.portable = check_kernel(&t->portable, d);
        check_plain(t, g, &b);
        if (b.type->weighted)
            check_importance(t, g, &b);
        if (bench)
            measure(t, g, b.type);
    }
}

int main(int argc, char **argv) {
    struct check t = { .cpu_name = "gpu", .blocks = ELEMS, .seed = (uint64_t)time(NULL) };
    int device = GPU_AUTO, rounds = 1;
    bool bench = false;
    for (int i = 1; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : "";
        if (!strcmp(argv[i], "--bench"))
            bench = true;
        else if (!strcmp(argv[i], "--device"))
            device = GPU_DEVICE_0 + atoi(value), i++;
        else if (!strcmp(argv[i], "--seed"))
            t.seed = strtoull(value, NULL, 0), i++;
        else if (!strcmp(argv[i], "--rounds"))
            rounds = atoi(value), i++;
        else
            return fprintf(stderr, "check_gpu: what is %s?\n", argv[i]), 2;
    }
    struct gpu *g = gpu_open(device, say);
    if (!gpu_wait(g)) {
        gpu_close(g);
        return 77;
    }
    kernels_init(&t.portable, 0);
    t.random = t.seed;
    for (int i = 0; i < rounds && !t.failed; i++)
        check_types(&t, g, bench && i == 0);
    gpu_close(g);
    printf("seed %llu: %u comparisons, %u failed\n", (unsigned long long)t.seed, t.done, t.failed);
    return t.failed || t.done == 0 ? 1 : 0;
}
