/* SPDX-License-Identifier: Apache-2.0
 * tests/check_golden.c - the tested kernels against what a real ggml wrote: tests/data/kernels.bin,
 * made by tests/golden_kernels.py, which describes the file. */
#include "tests/check.h"
#include "quant/codec.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FILE_MAX = 1 << 20, ROW = 256 };

struct record {
    uint32_t gguf_id, elems, bytes, weighted;
    uint8_t hash[8];
};

struct golden {
    uint8_t data[FILE_MAX];
    size_t bytes;
    float importance[ROW], floats[FILE_MAX / 4], decoded[FILE_MAX / 4];
    uint8_t encoded[FILE_MAX];
};

static uint64_t hash_floats(const float *x, size_t n) {
    uint64_t h = 0xcbf29ce484222325;
    for (size_t i = 0; i < n; i++) {
        uint32_t bits;
        memcpy(&bits, &x[i], sizeof bits);
        if (x[i] != x[i])
            bits = UINT32_MAX;
        for (int b = 0; b < 32; b += 8)
            h = (h ^ (bits >> b & 255)) * 0x100000001b3;
    }
    return h;
}

static void check_record(struct check *t, struct golden *g, const struct record *r,
                         const uint8_t *blocks) {
    const enum dtype type = dtype_from_gguf(r->gguf_id);
    uint64_t bytes, hash;
    if (!dtype_bytes(type, r->elems, &bytes) || bytes != r->bytes) {
        check_fail(t, dtype_info[type].name, "golden: size");
        return;
    }
    int code;
    if (r->weighted && codec_can_encode_weighted(type))
        code = codec_encode_weighted(&t->tested, type, g->encoded, g->floats, g->importance,
                                     r->elems / ROW, ROW);
    else
        code = r->weighted ? -1 : codec_encode(&t->tested, type, g->encoded, g->floats, r->elems);
    if (!code)
        check_bytes(t, dtype_info[type].name, r->weighted ? "golden weighted" : "golden encode",
                    blocks, g->encoded, bytes, dtype_info[type].block_bytes);
    if (codec_decode(&t->tested, type, g->decoded, blocks, r->elems))
        return;
    hash = hash_floats(g->decoded, r->elems);
    check_bytes(t, dtype_info[type].name, "golden decode", r->hash, &hash, 8, 8);
}

static bool load(struct golden *g, const char *path) {
    FILE *f = fopen(path, "rb");
    if (!f)
        return false;
    g->bytes = fread(g->data, 1, FILE_MAX, f);
    fclose(f);
    return g->bytes >= 8 && !memcmp(g->data, "wfk1", 4);
}

void check_golden(struct check *t, const char *path) {
    struct golden *g = calloc(1, sizeof *g);
    struct record r;
    uint32_t n;
    if (!g || !load(g, path)) {
        check_fail(t, path, "golden: not there");
        free(g);
        return;
    }
    memcpy(&n, g->data + 4, sizeof n);
    size_t at = 8 + 4 * (size_t)n;
    for (int i = 0; i < ROW; i++)
        g->importance[i] = (float)(i * 37 % 101 + 1) / 16;
    memcpy(g->floats, g->data + 8, 4 * (size_t)n);
    for (; at + sizeof r <= g->bytes; at += sizeof r + (r.bytes + 3u) / 4 * 4) {
        memcpy(&r, g->data + at, sizeof r);
        check_record(t, g, &r, g->data + at + sizeof r);
    }
    free(g);
}
