/* SPDX-License-Identifier: Apache-2.0
 * formats/torch_quantized.c - tensors of torch.quantize_per_tensor and quantize_per_channel:
 * integers with a scale and a zero point, for all or along one dimension, as the floats of
 * .dequantize(), (integer - zero) * scale. Source: torch/_utils.py, _rebuild_qtensor; of the
 * arithmetic aten/src/ATen/native/quantized/cpu/kernels/QuantizedOpKernels.cpp. */
#include "formats/packed.h"
#include "formats/torch.h"
#include <errno.h>
#include <stdlib.h>

enum { MAX_CHANNELS = 1 << 20 };

#define IN_MEMORY UINT32_MAX /* a source that is not there yet */

static int refuse(const struct tensor *t, const char *why, struct err *err) {
    return err_set(err, -ENOTSUP, "%.*s: quantized, %s", STR_ARG(t->name), why);
}

/* Room for one more; NULL: no memory. */
static float *grow(struct torch_scales *s) {
    if (s->n == s->cap) {
        const uint64_t cap = s->cap ? 2 * s->cap : 64;
        float *grown = realloc(s->values, cap * sizeof *grown);
        if (!grown)
            return NULL;
        s->values = grown;
        s->cap = cap;
    }
    return &s->values[s->n++];
}

static bool is_list(const struct tensor *x, enum dtype dtype, uint64_t n) {
    return x->dtype == dtype && x->n_dims == 1 && x->elems == n && !x->strides;
}

/* @t as matrices, so that each scale is one of a row, in all matrices, or of a column. */
static void find_matrices(struct packed *p, const struct tensor *t, uint64_t axis) {
    uint64_t outer = 1, inner = 1;
    for (uint64_t i = 0; i < t->n_dims; i++)
        if (i != axis)
            *(i < axis ? &outer : &inner) *= t->dims[i];
    p->rows = inner == 1 ? outer : t->dims[axis];
    p->cols = inner == 1 ? t->dims[axis] : inner;
    p->group_rows = inner == 1 ? p->rows : 1;
    p->group_cols = inner == 1 ? 1 : p->cols;
    p->groups = p->cols / p->group_cols;
    p->one_scale = true;
}

/* Scales in f64 with integers as zero points, or both in f32. */
static int find_channels(const struct torch_file *f, const struct tensor *t,
                         const struct torch_qparams *q, struct packed *p, struct err *err) {
    if (q->axis >= t->n_dims || t->dims[q->axis] > MAX_CHANNELS)
        return refuse(t, "along a dimension that it does not have, or a very long one", err);
    const uint64_t n = t->dims[q->axis];
    if (!(is_list(&q->scales, DTYPE_F64, n) && is_list(&q->zeros, DTYPE_I64, n)) &&
        !(is_list(&q->scales, DTYPE_F32, n) && is_list(&q->zeros, DTYPE_F32, n)))
        return refuse(t, "but not with a scale and a zero point for each channel", err);
    struct tensor *parts = arena_array(&f->m->arena, struct tensor, 2);
    if (!parts)
        return err_set(err, -ENOMEM, "no memory for a tensor");
    parts[0] = q->scales;
    parts[1] = q->zeros;
    p->scales = &parts[0];
    p->zeros = &parts[1];
    find_matrices(p, t, q->axis);
    return 0;
}

/* One scale, as a float that will lie in memory. */
static int keep_scale(const struct torch_file *f, struct torch_scales *all,
                      const struct torch_qparams *q, struct packed *p, struct err *err) {
    struct tensor *scale = arena_new(&f->m->arena, struct tensor);
    float *value = scale ? grow(all) : NULL;
    if (!value)
        return err_set(err, -ENOMEM, "no memory for a scale");
    *value = (float)q->scale;
    *scale = (struct tensor){ .name = STR("scale"), .dtype = DTYPE_F32, .elems = 1 };
    scale->bytes = sizeof *value;
    scale->off = (all->n - 1) * sizeof *value;
    scale->src = IN_MEMORY;
    p->scales = scale;
    p->rows = p->group_rows = p->groups = 1;
    p->cols = p->group_cols = p->words->elems;
    if (p->words->dtype == DTYPE_I32)
        p->base = (int32_t)q->zero;
    else
        p->zero = (float)q->zero;
    return 0;
}

int torch_unpack(const struct torch_file *f, struct torch_scales *all, struct tensor *t,
                 const struct torch_qparams *q, struct err *err) {
    struct packed *p = arena_new(&f->m->arena, struct packed);
    struct tensor *words = arena_new(&f->m->arena, struct tensor), made = *t;
    if (!p || !words)
        return err_set(err, -ENOMEM, "no memory for a tensor");
    if (t->strides)
        return refuse(t, "and its elements do not lie in order: save it after .contiguous()", err);
    if (!t->elems)
        return refuse(t, "and empty", err);
    *words = *t;
    p->method = "quantized";
    p->words = words;
    p->packing.lanes = t->dtype == DTYPE_U8 ? LANES_COLS : LANES_NONE;
    p->packing.bits = p->packing.word_bits = dtype_info[t->dtype].block_bytes * 8;
    p->factor = p->input_scale = 1;
    p->type = DTYPE_F32;
    int rc = q->per_channel ? find_channels(f, t, q, p, err) : keep_scale(f, all, q, p, err);
    if (rc < 0)
        return rc;
    const uint64_t dims[3] = { t->elems / p->rows / p->cols, p->rows, p->cols };
    rc = packed_tensor(&made, p, dims, 3, err);
    if (rc < 0)
        return rc;
    made.n_dims = t->n_dims;
    memcpy(made.dims, t->dims, sizeof made.dims);
    *t = made;
    return 0;
}

/* Those that keep_scale made. */
static void place_scale(const struct tensor *t, uint32_t src) {
    struct tensor *scale = t->packed ? (struct tensor *)t->packed->scales : NULL;
    if (scale && scale->src == IN_MEMORY)
        scale->src = src;
}

int torch_scales_end(const struct torch_file *f, struct torch_scales *all, uint32_t first,
                     struct err *err) {
    struct source *memory;
    if (!all->n)
        return 0;
    float *values = all->values;
    all->values = NULL;
    int rc = source_memory(&memory, f->m->sources[f->src], values, all->n * sizeof *values, err);
    const int src = rc < 0 ? rc : model_add_source(f->m, memory, err);
    for (uint32_t i = first; src >= 0 && i < f->m->n_tensors; i++)
        place_scale(&f->m->tensors[i], (uint32_t)src);
    return src < 0 ? src : 0;
}
