/* SPDX-License-Identifier: Apache-2.0
 * tests/fuzz_replay.c - runs a fuzz target over files without a fuzzer: SUFFIX FOLDER... gives it
 * each file below the folders whose name ends in SUFFIX, whole, cut in half, and with each of its
 * first 512 bytes changed. */
#include "tests/fuzz.h"
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_FILE = 1 << 20, CHANGED = 512 };

static const char *suffix;
static unsigned n_files;

static void run(uint8_t *data, size_t size) {
    LLVMFuzzerTestOneInput(data, size);
    LLVMFuzzerTestOneInput(data, size / 2);
    for (size_t i = 0; i < size && i < CHANGED; i++) {
        uint8_t was = data[i];
        data[i] = (uint8_t)(was ^ (1u << (i * 5 % 8)));
        LLVMFuzzerTestOneInput(data, size);
        data[i] = was;
    }
}

static int each(const char *path, const struct stat *st, int type, struct FTW *ftw) {
    (void)ftw;
    size_t n = strlen(path), tail = strlen(suffix);
    if (type != FTW_F || n < tail || strcmp(path + n - tail, suffix) || st->st_size > MAX_FILE)
        return 0;
    size_t size = (size_t)st->st_size;
    uint8_t *data = malloc(size ? size : 1);
    FILE *f = fopen(path, "r");
    if (!data || !f || fread(data, 1, size, f) != size)
        return perror(path), 1;
    fclose(f);
    run(data, size);
    free(data);
    n_files++;
    return 0;
}

int main(int argc, char **argv) {
    suffix = argc > 1 ? argv[1] : "";
    for (int i = 2; i < argc; i++)
        if (nftw(argv[i], each, 16, FTW_PHYS) != 0)
            return 1;
    printf("%u files\n", n_files);
    return n_files ? 0 : 1;
}
