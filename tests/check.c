/* SPDX-License-Identifier: Apache-2.0
 * tests/check.c - checkkernel: runs the tests of kernels for one set of CPU features.
 *   checkkernel [--cpu none|plain|avx2|avx512|neon] [--type NAME] [--seed N] [--blocks N]
 *               [--golden FILE] [--ggml libggml-base.so] [--bench]
 * --ggml compares with that library instead, --bench prints rates instead. Exits 77, a skip, where
 * the CPU lacks the set. Without a seed, the time is one; it is printed. */
#include "tests/check.h"
#include "kernels/simd/add.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* plain: the lanes in plain C, 16 of them, where the build has them. */
static const struct set {
    const char *name;
    unsigned cpu;
    void (*add)(struct kernels *k);
} sets[] = {
    { "none", 0, NULL },
    { "avx2", CPU_AVX2, NULL },
    { "avx512", CPU_AVX2 | CPU_AVX512, NULL },
    { "neon", CPU_NEON, NULL },
#ifdef CHECK_PLAIN
    { "plain", 0, lanes_add_plain },
#endif
};

static const struct set *find_set(const char *name) {
    for (size_t i = 0; i < sizeof sets / sizeof *sets; i++)
        if (!strcmp(sets[i].name, name))
            return &sets[i];
    fprintf(stderr, "checkkernel: no such CPU set: %s\n", name);
    exit(2);
}

/* What the command line asks for. */
struct options {
    const char *golden, *ggml;
    bool bench;
};

static bool read_options(struct check *t, struct options *options, int argc, char **argv) {
    for (int i = 1; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : "";
        if (!strcmp(argv[i], "--bench"))
            options->bench = true;
        else if (!strcmp(argv[i], "--cpu"))
            t->cpu_name = value, i++;
        else if (!strcmp(argv[i], "--type"))
            t->only = value, i++;
        else if (!strcmp(argv[i], "--seed"))
            t->seed = strtoull(value, NULL, 0), i++;
        else if (!strcmp(argv[i], "--blocks"))
            t->blocks = strtoull(value, NULL, 0), i++;
        else if (!strcmp(argv[i], "--golden"))
            options->golden = value, i++;
        else if (!strcmp(argv[i], "--ggml"))
            options->ggml = value, i++;
        else
            return fprintf(stderr, "checkkernel: what is %s?\n", argv[i]), false;
    }
    return true;
}

int main(int argc, char **argv) {
    struct check t = { .cpu_name = "none", .blocks = 67, .seed = (uint64_t)time(NULL) };
    struct options options = { NULL, NULL, false };
    if (!read_options(&t, &options, argc, argv))
        return 2;
    const struct set *set = find_set(t.cpu_name);
    if ((cpu_detect() & set->cpu) != set->cpu)
        return 77;
    if (options.ggml && !check_ggml_load(&t.ggml, options.ggml))
        return 2;
    kernels_init(&t.portable, 0);
    kernels_init(&t.tested, set->cpu);
    if (set->add)
        set->add(&t.tested);
    t.random = t.seed;
    t.blocks += !t.blocks;
    if (options.bench)
        return check_bench(&t), 0;
    if (options.ggml) {
        check_ggml(&t);
    } else {
        check_dtype(&t);
        check_floats(&t);
        check_transpose(&t);
        check_range(&t);
        if (options.golden)
            check_golden(&t, options.golden);
        check_blocks(&t);
    }
    printf("cpu %s, seed %llu: %u comparisons, %u failed\n", t.cpu_name, (unsigned long long)t.seed,
           t.done, t.failed);
    return t.failed ? 1 : 0;
}
