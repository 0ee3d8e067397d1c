/* SPDX-License-Identifier: Apache-2.0
 * tests/check_blocks.c - every kernel of the tested table against the portable one, bit for bit,
 * on all fills, at odd addresses, with a canary on both sides of what is written. */
#include "tests/check.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CANARY = 64, CANARY_BYTE = 0xa5 };

/* A buffer whose payload begins one byte past an aligned address. */
struct guarded {
    uint8_t *start, *payload;
    size_t bytes;
};

static struct guarded guarded_new(size_t bytes, size_t shift) {
    struct guarded g = { aligned_alloc(64, (bytes + 2 * CANARY + 127) / 64 * 64), NULL, bytes };
    if (!g.start)
        abort();
    g.payload = g.start + CANARY + shift;
    memset(g.start, CANARY_BYTE, bytes + 2 * CANARY + shift);
    return g;
}

static bool guarded_intact(const struct guarded *g) {
    for (const uint8_t *p = g->start; p < g->payload; p++)
        if (*p != CANARY_BYTE)
            return false;
    for (size_t i = 0; i < CANARY; i++)
        if (g->payload[g->bytes + i] != CANARY_BYTE)
            return false;
    return true;
}

static void run_encode(struct check *t, enum dtype type, const char *how, const float *src,
                       size_t blocks) {
    const struct dtype_info *info = &dtype_info[type];
    const size_t bytes = blocks * info->block_bytes;
    struct guarded want = guarded_new(bytes, 0), got = guarded_new(bytes, 1);
    check_kernel(&t->portable, type).encode(want.payload, src, blocks);
    check_kernel(&t->tested, type).encode(got.payload, src, blocks);
    check_bytes(t, info->name, how, want.payload, got.payload, bytes, info->block_bytes);
    if (!guarded_intact(&want) || !guarded_intact(&got))
        check_fail(t, info->name, "encode wrote outside");
    free(want.start);
    free(got.start);
}

static void run_decode(struct check *t, enum dtype type, const char *how, const uint8_t *src,
                       size_t blocks) {
    const struct dtype_info *info = &dtype_info[type];
    const size_t elems = blocks * info->block_elems, bytes = elems * sizeof(float);
    struct guarded want = guarded_new(bytes, 0), got = guarded_new(bytes, 4);
    check_kernel(&t->portable, type).decode((float *)(void *)want.payload, src, blocks);
    check_kernel(&t->tested, type).decode((float *)(void *)got.payload, src, blocks);
    if (info->block_elems > 1) {
        check_unify_nans((float *)(void *)want.payload, elems);
        check_unify_nans((float *)(void *)got.payload, elems);
    }
    check_bytes(t, info->name, how, want.payload, got.payload, bytes,
                info->block_elems * sizeof(float));
    if (!guarded_intact(&want) || !guarded_intact(&got))
        check_fail(t, info->name, "decode wrote outside");
    free(want.start);
    free(got.start);
}

/* Whole groups and rests, also where a block is one element. */
static size_t blocks_of(const struct check *t, enum dtype type) {
    return dtype_info[type].block_elems > 1 ? t->blocks : t->blocks * 32 + 5;
}

static void check_encode(struct check *t, enum dtype type) {
    const uint32_t elems = dtype_info[type].block_elems;
    static const size_t runs[] = { 16, 32, 256 };
    float *src = malloc((blocks_of(t, type) * elems + 64) * sizeof *src);
    if (!src)
        abort();
    for (enum check_fill fill = 0; fill < FILL_COUNT; fill++) {
        for (size_t r = 0; r < sizeof runs / sizeof *runs; r++) {
            /* Once fewer than one group. */
            const size_t blocks = r ? blocks_of(t, type) : 1 + (t->blocks - 1) / 6;
            float *at = src + 1 + check_random(t) % 16;
            check_fill_f32(t, at, blocks * elems, runs[r], fill);
            run_encode(t, type, check_fill_name(fill), at, blocks);
        }
    }
    free(src);
}

/* Rows of several lengths, half as many super-blocks as are asked for; importance data with zeros
 * among them. */
static void check_weighted(struct check *t, enum dtype type) {
    enum { ROW_MAX = 2048 };
    const struct dtype_info *info = &dtype_info[type];
    float *src = malloc((t->blocks * 128 + ROW_MAX) * sizeof *src);
    float *importance = malloc(ROW_MAX * sizeof *importance);
    if (!src || !importance)
        abort();
    for (enum check_fill fill = 0; fill < FILL_COUNT; fill++) {
        const size_t row = (size_t)256 << (fill % 4), rows = t->blocks * 128 / row + 1;
        const size_t bytes = rows * row / info->block_elems * info->block_bytes;
        check_fill_f32(t, src, rows * row, 32, fill);
        for (size_t i = 0; i < row; i++)
            importance[i] = (float)(check_random(t) % 64 * (check_random(t) % 4)) / 16;
        struct guarded want = guarded_new(bytes, 0), got = guarded_new(bytes, 1);
        check_kernel(&t->portable, type).encode_weighted(want.payload, src, importance, rows, row);
        check_kernel(&t->tested, type).encode_weighted(got.payload, src, importance, rows, row);
        check_bytes(t, info->name, check_fill_name(fill), want.payload, got.payload, bytes,
                    info->block_bytes);
        if (!guarded_intact(&want) || !guarded_intact(&got))
            check_fail(t, info->name, "weighted encode wrote outside");
        free(want.start);
        free(got.start);
    }
    free(importance);
    free(src);
}

static void check_decode(struct check *t, enum dtype type) {
    const size_t blocks = blocks_of(t, type), bytes = blocks * dtype_info[type].block_bytes;
    uint8_t *src = malloc(bytes + 16);
    if (!src)
        abort();
    for (int round = 0; round < 8; round++) {
        uint8_t *at = src + 1 + round;
        for (size_t i = 0; i < bytes; i++)
            at[i] = (uint8_t)(check_random(t) >> 32);
        run_decode(t, type, "random bytes", at, blocks);
    }
    free(src);
}

void check_blocks(struct check *t) {
    for (enum dtype type = DTYPE_NONE + 1; type < DTYPE_COUNT; type++) {
        const struct block_kernel k = check_kernel(&t->tested, type);
        const struct block_kernel c = check_kernel(&t->portable, type);
        if (!check_wants(t, type))
            continue;
        if (!k.encode != !c.encode || !k.decode != !c.decode)
            check_fail(t, dtype_info[type].name, "not the same kernels");
        if (k.encode && k.encode != c.encode)
            check_encode(t, type);
        if (k.encode_weighted && k.encode_weighted != c.encode_weighted)
            check_weighted(t, type);
        if (k.decode && k.decode != c.decode)
            check_decode(t, type);
    }
}
