/* SPDX-License-Identifier: Apache-2.0
 * tools/types_tool.c - `weightfs types`: what can be asked for behind the '@', and how fast this
 * machine makes it. */
#include "formats/cleanup.h"
#include "quant/codec.h"
#include "quant/recipe.h"
#include "tools/text.h"
#include "tools/verbs.h"
#include <errno.h>
#include <getopt.h>
#include <string.h>
#include <stdlib.h>
#include <time.h>

static const char help[] =
    "usage: weightfs types [--json]\n"
    "\n"
    "List the types of tensors and the types of files with their bits a weight, and the millions "
    "of\n"
    "weights that one core of this machine reads and writes a second, measured now.\n"
    "\n"
    "Exit status: 0 done, 1 wrong usage, 2 failed.\n";

static const struct option options[] = {
    { "json", no_argument, NULL, 'j' },
    { "help", no_argument, NULL, 'h' },
    { 0 },
};

enum { ELEMS = 1 << 16, ROW = 4096, MEASURE_NS = 20000000 };

struct rates {
    double read, write; /* weights a second; 0: not possible */
    bool needs_imatrix; /* to be written */
};

struct bench {
    struct kernels k;
    float *x, *ones;
    uint8_t *packed;
};

static int64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* Roughly as weights are: sums of uniform numbers, around 0. */
static void fill(float *x, size_t n) {
    uint32_t seed = 1;
    for (size_t i = 0; i < n; i++) {
        float sum = 0;
        for (int j = 0; j < 4; j++) {
            seed = seed * 1664525 + 1013904223;
            sum += (float)(seed >> 8) * 0x1p-24f - 0.5f;
        }
        x[i] = 0.03f * sum;
    }
}

enum what { READ, WRITE, WRITE_WEIGHTED };

static int once(struct bench *b, enum dtype type, enum what what) {
    switch (what) {
    case READ:
        return codec_decode(&b->k, type, b->x, b->packed, ELEMS);
    case WRITE:
        return codec_encode(&b->k, type, b->packed, b->x, ELEMS);
    default:
        return codec_encode_weighted(&b->k, type, b->packed, b->x, b->ones, ELEMS / ROW, ROW);
    }
}

static double rate(struct bench *b, enum dtype type, enum what what) {
    if (once(b, type, what) < 0) /* also so that the pages are there */
        return 0;
    const int64_t begin = now_ns();
    int64_t end = begin;
    uint64_t done = 0;
    while (end - begin < MEASURE_NS) {
        once(b, type, what);
        done += ELEMS;
        end = now_ns();
    }
    return (double)done * 1e9 / (double)(end - begin);
}

static struct rates measure(struct bench *b, enum dtype type) {
    struct rates r = { 0 };
    fill(b->x, ELEMS);
    r.needs_imatrix = !codec_can_encode(type) && codec_can_encode_weighted(type);
    if (codec_can_encode(type))
        r.write = rate(b, type, WRITE);
    else if (r.needs_imatrix)
        r.write = rate(b, type, WRITE_WEIGHTED);
    else
        memset(b->packed, 0, ELEMS * sizeof(double));
    if (codec_can_decode(type))
        r.read = rate(b, type, READ);
    return r;
}

static double bits(enum dtype type) {
    const struct dtype_info *d = &dtype_info[type];
    return 8.0 * d->block_bytes / d->block_elems;
}

static void print_rate(double r) {
    if (r > 0)
        printf(" %8.*f", r < 1e7 ? 1 : 0, r / 1e6);
    else
        printf(" %8s", "-");
}

static void print_text(const struct rates *r) {
    printf("%-10s %6s %6s %8s %8s\n", "tensor", "bits", "block", "read", "write");
    for (enum dtype t = DTYPE_NONE + 1; t < DTYPE_COUNT; t++) {
        if (r[t].read == 0)
            continue;
        printf("%-10s %6.2f %6u", dtype_info[t].name, bits(t), dtype_info[t].block_elems);
        print_rate(r[t].read);
        print_rate(r[t].write);
        puts(r[t].needs_imatrix ? "  with an importance matrix" : "");
    }
    printf("\n%-10s %6s %-8s %8s\n", "file", "bits", "mostly", "write");
    for (size_t i = 0; i < ftype_count; i++) {
        const struct ftype *f = &ftype_table[i];
        if (f->base == DTYPE_NONE)
            continue;
        printf("%-10s %6.2f %-8s", f->name, bits(f->base), dtype_info[f->base].name);
        print_rate(r[f->base].write);
        putchar('\n');
    }
    puts("\nRates: millions of weights a second, on one core. A file has tensors of other types "
         "too.");
}

static void print_json(const struct rates *r) {
    const char *comma = "";
    printf("{\"tensor_types\": [");
    for (enum dtype t = DTYPE_NONE + 1; t < DTYPE_COUNT; t++) {
        if (r[t].read == 0)
            continue;
        printf("%s\n  {\"name\": \"%s\", \"bits\": %.4f, \"block\": %u, \"read_per_s\": %.0f,"
               " \"write_per_s\": %.0f, \"needs_imatrix\": %s}",
               comma, dtype_info[t].name, bits(t), dtype_info[t].block_elems, r[t].read, r[t].write,
               r[t].needs_imatrix ? "true" : "false");
        comma = ",";
    }
    comma = "";
    printf("],\n \"file_types\": [");
    for (size_t i = 0; i < ftype_count; i++) {
        const struct ftype *f = &ftype_table[i];
        if (f->base == DTYPE_NONE)
            continue;
        printf(
            "%s\n  {\"name\": \"%s\", \"mostly\": \"%s\", \"bits\": %.4f, \"write_per_s\": %.0f}",
            comma, f->name, dtype_info[f->base].name, bits(f->base), r[f->base].write);
        comma = ",";
    }
    printf("]}\n");
}

int tool_types(int argc, char **argv) {
    bool json = false;
    int opt;
    opterr = 0;
    while ((opt = getopt_long(argc, argv, "h", options, NULL)) != -1) {
        if (opt == 'h')
            return fputs(help, stdout), TOOL_OK;
        if (opt != 'j')
            return text_option("types", argv);
        json = true;
    }
    if (argc > optind)
        return text_usage("types", "it takes no argument");
    struct rates r[DTYPE_COUNT] = { { 0 } };
    struct err err = { 0 };
    auto_free float *memory =
        malloc(ELEMS * (sizeof(float) + sizeof(double)) + ROW * sizeof(float));
    if (!memory) {
        err_set(&err, -ENOMEM, "no memory");
        return text_fail("types", &err);
    }
    struct bench b = { .x = memory, .ones = memory + ELEMS };
    b.packed = (uint8_t *)(b.ones + ROW);
    for (int i = 0; i < ROW; i++)
        b.ones[i] = 1;
    kernels_init(&b.k, cpu_detect());
    for (enum dtype t = DTYPE_NONE + 1; t < DTYPE_COUNT; t++)
        r[t] = measure(&b, t);
    (json ? print_json : print_text)(r);
    return TOOL_OK;
}
