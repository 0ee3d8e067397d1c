/* SPDX-License-Identifier: Apache-2.0
 * formats/quantized/scaled.c - weights of 8 bits, one a byte, that a scale is multiplied with: of
 * the whole weight, of a row, or of blocks. FP8 of several makers, int8 of compressed-tensors.
 * Source: dequant_simple in conversion/base.py (llama.cpp 0c1e570). */
#include "formats/quantized/method.h"
#include <errno.h>

/* The size of blocks by dimension of the scales, 1 where none is told. */
struct blocks {
    uint64_t size[TENSOR_MAX_DIMS];
};

/* "weight_block_size" and its like: sizes of the last dimensions. A list, null, or absent. */
static int read_blocks(const struct quantization *q, const struct json *list, uint32_t n_dims,
                       struct blocks *out) {
    const size_t n = json_len(list);
    for (uint32_t i = 0; i < n_dims; i++)
        out->size[i] = 1;
    for (size_t i = 0; i < n; i++) {
        const uint32_t dim = n_dims - (uint32_t)(n - i);
        if (n > n_dims || !json_u64(json_at(list, i), &out->size[dim]) || !out->size[dim])
            return err_set(q->err, -ENOTSUP, "%s: the block size in config.json does not fit",
                           q->method->name);
    }
    return 0;
}

/* How many numbers of a dimension have one scale: all, or a block of them. 0: it does not fit. */
static uint64_t group_of(uint64_t dim, uint64_t scales, uint64_t block) {
    if (scales == 1 && (block == 1 || block >= dim))
        return dim;
    return scales == dim / block + (dim % block != 0) ? block : 0;
}

/* Scales spread over the weight as torch broadcasts: dimensions that they lack come last. */
static int spread(const struct quantization *q, struct quant_weight *w, const struct blocks *b) {
    struct packed *p = w->p;
    const struct tensor *s = p->scales;
    const uint32_t n = w->n_dims;
    uint64_t dims[TENSOR_MAX_DIMS];
    bool all = true, none = true; /* matrices of the stack with scales of their own */
    for (uint32_t i = 0; i < n; i++)
        dims[i] = i < s->n_dims ? s->dims[i] : 1;
    for (uint32_t i = 0; i + 2 < n; i++) {
        all = all && dims[i] == w->dims[i];
        none = none && dims[i] == 1;
    }
    const uint32_t r = n - 2, c = n - 1;
    p->group_rows = group_of(p->rows, dims[r], r < s->n_dims ? b->size[r] : 1);
    p->group_cols = group_of(p->cols, dims[c], c < s->n_dims ? b->size[c] : 1);
    p->groups = dims[c];
    p->one_scale = !all;
    return p->group_rows && p->group_cols && (all || none)
               ? 0
               : quant_bad(q, s, "its shape does not fit its weight's");
}

/* w->p->words and scales are set. @blocks: as read_blocks takes them; @group: columns that share a
 * scale, where that is told otherwise, else 0. */
static int build(struct quantization *q, struct quant_weight *w, const struct json *blocks,
                 uint64_t group) {
    struct packed *p = w->p;
    struct blocks b;
    const struct tensor *words = p->words, *scales = p->scales;
    p->packing = (struct packing){ LANES_NONE, 8, 8, NULL, NULL };
    if (words->n_dims < 2 || scales->n_dims > words->n_dims)
        return quant_bad(q, words, "it and its scales have no dimensions that are read");
    w->n_dims = words->n_dims;
    memcpy(w->dims, words->dims, sizeof w->dims);
    p->rows = w->dims[w->n_dims - 2];
    p->cols = w->dims[w->n_dims - 1];
    int rc = read_blocks(q, blocks, scales->n_dims, &b);
    if (group && scales->n_dims)
        b.size[scales->n_dims - 1] = group;
    return rc < 0 ? rc : spread(q, w, &b);
}

/* The scale is what the weight was found by. */
static int find_words(struct quantization *q, struct quant_weight *w) {
    w->p->scales = w->anchor;
    w->p->words = model_find(q->model, w->name);
    return w->p->words ? 0 : quant_bad(q, w->anchor, "its weight is missing");
}

int quant_build_fp8(struct quantization *q, struct quant_weight *w) {
    int rc = find_words(q, w);
    w->p->fp8 = rc == 0 && dtype_is_float(w->p->words->dtype);
    return rc < 0 ? rc : build(q, w, json_get(q->config, "weight_block_size"), 0);
}

int quant_build_bytes(struct quantization *q, struct quant_weight *w) {
    const struct json *how;
    int64_t size = 0;
    int rc = quant_weights_config(q, &how);
    if (rc == 0)
        rc = find_words(q, w);
    if (rc < 0)
        return rc;
    if (quant_find(q, w, ".weight_zero_point"))
        return quant_bad(q, w->p->words, "zero points beside bytes are not read");
    json_i64(json_get(how, "group_size"), &size);
    w->p->fp8 = str_is(str_from(q->method->format), "float-quantized") &&
                dtype_is_float(w->p->words->dtype);
    return build(q, w, json_get(how, "block_structure"), size > 0 ? (uint64_t)size : 0);
}
