/* SPDX-License-Identifier: Apache-2.0
 * formats/quantized/compressed.c - compressed-tensors, "pack-quantized": words of 32 bits along
 * rows, a scale for each group of columns, zeros packed along columns. Source: dequant_packed in
 * conversion/base.py (llama.cpp 0c1e570). */
#include "formats/quantized/method.h"
#include <endian.h>
#include <errno.h>

int quant_weights_config(const struct quantization *q, const struct json **out) {
    const struct json *groups = json_get(q->config, "config_groups");
    struct json_iter it = json_iter(groups);
    if (json_len(groups) != 1 || !json_next(&it))
        return err_set(q->err, -ENOTSUP, "%s: %zu \"config_groups\" in config.json, one is read",
                       q->method->name, json_len(groups));
    *out = json_get(it.value, "weights");
    return 0;
}

/* The shape is stored beside the words, which end in padding. */
static int read_shape(struct quantization *q, struct quant_weight *w) {
    const struct tensor *t = quant_need(q, w, ".weight_shape");
    uint64_t shape[2];
    uint32_t narrow[2];
    if (!t)
        return -EBADMSG;
    const bool wide = t->dtype == DTYPE_I64;
    if (t->elems != 2 || (!wide && t->dtype != DTYPE_I32))
        return quant_bad(q, t, "not the two dimensions of a weight");
    int rc = source_pread(q->model->sources[t->src], wide ? (void *)shape : (void *)narrow,
                          t->bytes, t->off, q->err);
    if (rc < 0)
        return rc;
    w->n_dims = 2;
    for (int i = 0; i < 2; i++)
        w->dims[i] = wide ? le64toh(shape[i]) : le32toh(narrow[i]);
    if (!w->dims[0] || !w->dims[1] || w->dims[0] > INT64_MAX || w->dims[1] > INT64_MAX)
        return quant_bad(q, t, "not the two dimensions of a weight");
    w->p->rows = w->dims[0];
    w->p->cols = w->dims[1];
    return 0;
}

/* Columns that have one scale: a group, or, by channel and by tensor, all. */
static int read_groups(const struct quantization *q, struct packed *p, const struct json *how) {
    int64_t size = 0;
    json_i64(json_get(how, "group_size"), &size);
    p->group_cols = size > 0 ? (uint64_t)size : p->cols;
    p->group_rows = p->scales->elems == 1 ? p->rows : 1;
    p->groups = p->cols / p->group_cols;
    return p->cols % p->group_cols
               ? quant_bad(q, p->words, "its columns are no whole groups of \"group_size\"")
               : 0;
}

int quant_build_compressed(struct quantization *q, struct quant_weight *w) {
    struct packed *p = w->p;
    const struct json *how;
    struct str type = STR("int");
    int64_t bits;
    int rc = quant_weights_config(q, &how);
    if (rc == 0)
        rc = quant_number(q, how, "num_bits", 1, 8, &bits);
    if (rc < 0)
        return rc;
    json_str(json_get(how, "type"), &type);
    if (!str_is(type, "int"))
        return err_set(q->err, -ENOTSUP, "%s: packed numbers of type %.*s are not read",
                       q->method->name, STR_ARG(type));
    p->packing = (struct packing){ LANES_COLS, (uint32_t)bits, 32, NULL, NULL };
    p->words = w->anchor;
    p->scales = quant_need(q, w, ".weight_scale");
    p->zeros = quant_find(q, w, ".weight_zero_point");
    p->index = quant_find(q, w, ".weight_g_idx");
    p->zero = p->zeros ? 0 : (float)(1 << (bits - 1));
    if (!p->scales)
        return -EBADMSG;
    rc = read_shape(q, w);
    return rc < 0 ? rc : read_groups(q, p, how);
}
