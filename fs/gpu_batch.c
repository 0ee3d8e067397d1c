/* SPDX-License-Identifier: Apache-2.0
 * fs/gpu_batch.c - see gpu_batch.h. */
#include "fs/gpu_batch.h"
#include "fs/chunk.h"
#include "quant/codec.h"
#include <stdlib.h>

enum {
    ELEMS_MIN = 32 << 10, /* fewer are encoded before a GPU is asked */
    DEVICE_MAX = 1023,
};

/* Only what is a search is worth the way; NULL: not for the GPU. */
static const struct gpu_type *find_type(struct gpu *g, const struct conversion *c) {
    if (!g || !dtype_is_quantized(c->to) || expr_copies(c->expr) == c->to)
        return NULL;
    const struct gpu_type *t = gpu_type(g, dtype_info[c->to].name);
    return t && (t->search || (t->weighted && c->importance)) ? t : NULL;
}

uint64_t gpu_batch_chunks(struct gpu *g, const struct conversion *c) {
    const struct gpu_type *t = find_type(g, c);
    if (!t || c->bytes / t->block_bytes * t->block_elems < ELEMS_MIN)
        return 0;
    const uint64_t n = GPU_ELEMS / (chunk_stride(c) / t->block_bytes * t->block_elems);
    return n > 1 ? n : 1;
}

struct gpu_queue *gpu_batch_take(struct gpu *g, const struct conversion *c, uint64_t elems) {
    if (elems < ELEMS_MIN || !find_type(g, c))
        return NULL;
    struct gpu_queue *q = gpu_take(g);
    if (q && c->importance && c->importance->cols > q->row_elems) {
        gpu_give(g, q);
        return NULL;
    }
    return q;
}

uint64_t gpu_batch_elems(const struct gpu_queue *q, const struct conversion *c) {
    const bool by_row = c->importance && codec_importance(c->to) == IMPORTANCE_ROW;
    return by_row ? q->elems / c->importance->cols * c->importance->cols : q->elems;
}

bool gpu_batch_encode(struct gpu *g, struct gpu_queue *q, const struct conversion *c,
                      const float *importance, uint64_t elem, uint64_t n, uint8_t *dst) {
    struct gpu_work work = { .type = find_type(g, c), .elems = n };
    if (n < ELEMS_MIN || !work.type)
        return false;
    if (importance && work.type->weighted) {
        work.importance = importance;
        work.row_elems = c->importance->cols;
        work.column = elem % c->importance->cols;
    }
    if (!gpu_encode(g, q, &work))
        return false;
    memcpy(dst, q->output, n / work.type->block_elems * work.type->block_bytes);
    return true;
}

bool gpu_batch_parse(const char *text, int *out) {
    if (strcmp(text, "auto") == 0) {
        *out = GPU_AUTO;
        return true;
    }
    if (strcmp(text, "off") == 0) {
        *out = GPU_OFF;
        return true;
    }
    char *end;
    const unsigned long n = strtoul(text, &end, 10);
    if (*text < '0' || *text > '9' || *end || n > DEVICE_MAX)
        return false;
    *out = GPU_DEVICE_0 + (int)n;
    return true;
}
