/* SPDX-License-Identifier: Apache-2.0
 * formats/gguf_split.c - names of the parts of a split GGUF (llama_split_path in llama.cpp). */
#include "formats/gguf.h"

/* Five digits at @p; -1: no. */
static int five_digits(const char *p) {
    int v = 0;
    for (int i = 0; i < 5; i++) {
        if (p[i] < '0' || p[i] > '9')
            return -1;
        v = 10 * v + (p[i] - '0');
    }
    return v;
}

unsigned gguf_split_parts(const char *path, size_t *prefix) {
    static const char form[] = "-00001-of-00001.gguf";
    const size_t n = strlen(path), tail = sizeof form - 1;
    if (n <= tail)
        return 0;
    const char *p = path + n - tail;
    int part = five_digits(p + 1), parts = five_digits(p + 10);
    if (p[0] != '-' || memcmp(p + 6, "-of-", 4) || strcmp(p + 15, ".gguf") || part < 1 ||
        part > parts)
        return 0;
    *prefix = n - tail;
    return (unsigned)parts;
}
