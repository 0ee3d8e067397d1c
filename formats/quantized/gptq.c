/* SPDX-License-Identifier: Apache-2.0
 * formats/quantized/gptq.c - GPTQ and AWQ: words of 32 bits with a weight's columns as rows, a
 * scale and a zero for each group of columns. Sources: dequant_gptq in conversion/base.py
 * (llama.cpp 0c1e570); awq/utils/packing_utils.py of AutoAWQ 0.2. */
#include "formats/quantized/method.h"
#include <errno.h>

/* What both keep: qweight (the anchor), scales [groups][rows] and qzeros. */
static int read_parts(struct quantization *q, struct quant_weight *w) {
    struct packed *p = w->p;
    int64_t bits;
    int rc = quant_number(q, q->config, "bits", 2, 8, &bits);
    if (rc < 0)
        return rc;
    if (bits != 2 && bits != 4 && bits != 8)
        return err_set(q->err, -ENOTSUP, "%s: %d bits are not read", q->method->name, (int)bits);
    p->words = w->anchor;
    p->scales = quant_need(q, w, ".scales");
    p->zeros = p->scales ? quant_need(q, w, ".qzeros") : NULL;
    if (!p->zeros)
        return -EBADMSG;
    if (p->words->n_dims != 2 || p->scales->n_dims != 2)
        return quant_bad(q, p->words, "it and its scales are no matrices");
    p->packing.bits = (uint32_t)bits;
    p->packing.word_bits = 32;
    p->transposed = true;
    p->group_rows = 1;
    p->groups = p->scales->dims[0];
    return 0;
}

/* A group of "group_size" columns; -1: all. */
static int read_group_size(const struct quantization *q, struct packed *p) {
    int64_t size;
    int rc = quant_number(q, q->config, "group_size", -1, INT32_MAX, &size);
    if (rc < 0)
        return rc;
    p->group_cols = size > 0 ? (uint64_t)size : p->cols;
    if (!p->group_cols || p->groups != p->cols / p->group_cols + (p->cols % p->group_cols != 0))
        return quant_bad(q, p->scales, "has not the rows that \"group_size\" asks for");
    return 0;
}

static void set_dims(struct quant_weight *w, uint64_t rows, uint64_t cols) {
    w->p->rows = w->dims[0] = rows;
    w->p->cols = w->dims[1] = cols;
    w->n_dims = 2;
}

/* The first format stores each zero less one. */
int quant_build_gptq(struct quantization *q, struct quant_weight *w) {
    struct packed *p = w->p;
    struct str format = STR("gptq");
    int rc = read_parts(q, w);
    if (rc < 0)
        return rc;
    json_str(json_get(q->config, "checkpoint_format"), &format);
    p->zero = str_is(format, "gptq");
    p->packing.lanes = LANES_COLS;
    set_dims(w, p->words->dims[1], p->words->dims[0] * packing_count(&p->packing));
    p->index = quant_find(q, w, ".g_idx");
    p->group_cols = 1;
    return p->index ? 0 : read_group_size(q, p);
}

int quant_build_awq(struct quantization *q, struct quant_weight *w) {
    /* number i of a word of eight lies at nibble order[i] */
    static const uint8_t order[8] = { 0, 4, 1, 5, 2, 6, 3, 7 };
    struct packed *p = w->p;
    struct str version = STR("gemm");
    json_str(json_get(q->config, "version"), &version);
    if (strncasecmp(version.p, "gemv", version.n < 4 ? version.n : 4) == 0)
        return err_set(q->err, -ENOTSUP, "%s: the version %.*s is not read", q->method->name,
                       STR_ARG(version));
    int rc = read_parts(q, w);
    if (rc < 0)
        return rc;
    if (p->packing.bits != 4)
        return err_set(q->err, -ENOTSUP, "%s: only 4 bits are read", q->method->name);
    p->packing.lanes = LANES_ROWS;
    p->packing.order = order;
    set_dims(w, p->words->dims[1] * packing_count(&p->packing), p->words->dims[0]);
    return read_group_size(q, p);
}
