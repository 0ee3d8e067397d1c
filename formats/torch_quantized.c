/* SPDX-License-Identifier: Apache-2.0
 * formats/torch_quantized.c - tensors of torch.quantize_per_tensor and quantize_per_channel: bytes
 * with a scale and a zero point, for all or along one dimension, as the floats of .dequantize(),
 * (byte - zero) * scale. Source: torch/_utils.py, _rebuild_qtensor. */
#include "formats/packed.h"
#include "formats/torch.h"
#include <errno.h>
#include <stdlib.h>

enum { MAX_CHANNELS = 1 << 20, MAX_ZERO = 255 };

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

/* The zero point of all channels. */
static int read_zero(const struct torch_file *f, const struct tensor *t,
                     const struct torch_qparams *q, uint64_t n, float *zero, struct err *err) {
    int64_t *x = malloc(n * sizeof *x);
    if (!x)
        return err_set(err, -ENOMEM, "no memory for zero points");
    int rc = source_pread(f->m->sources[f->src], x, n * sizeof *x, q->zeros.off, err);
    for (uint64_t i = 0; i < n && rc == 0; i++)
        if (x[i] != x[0] || x[i] < -MAX_ZERO || x[i] > MAX_ZERO)
            rc = refuse(t, "with zero points that differ: save it after .dequantize()", err);
    if (rc == 0)
        *zero = (float)x[0];
    free(x);
    return rc;
}

/* Scales and zero points along the first dimension. */
static int find_channels(const struct torch_file *f, const struct tensor *t,
                         const struct torch_qparams *q, struct packed *p, struct err *err) {
    if (q->axis != 0 || t->n_dims == 0 || t->dims[0] > MAX_CHANNELS)
        return refuse(t, "along another dimension than the first: save it after .dequantize()",
                      err);
    p->rows = t->dims[0];
    if (!is_list(&q->scales, DTYPE_F64, p->rows) || !is_list(&q->zeros, DTYPE_I64, p->rows))
        return refuse(t, "but not with a scale and a zero point for each channel", err);
    struct tensor *scales = arena_new(&f->m->arena, struct tensor);
    if (!scales)
        return err_set(err, -ENOMEM, "no memory for a tensor");
    *scales = q->scales;
    p->scales = scales;
    return read_zero(f, t, q, p->rows, &p->zero, err);
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
    p->rows = 1;
    p->scales = scale;
    p->zero = (float)q->zero;
    return 0;
}

int torch_unpack(const struct torch_file *f, struct torch_scales *all, struct tensor *t,
                 const struct torch_qparams *q, struct err *err) {
    struct packed *p = arena_new(&f->m->arena, struct packed);
    struct tensor *words = arena_new(&f->m->arena, struct tensor), made = *t;
    if (!p || !words)
        return err_set(err, -ENOMEM, "no memory for a tensor");
    if (t->dtype != DTYPE_I8 && t->dtype != DTYPE_U8)
        return refuse(t, "in a type other than qint8 and quint8: save it after .dequantize()", err);
    if (t->strides)
        return refuse(t, "and its elements do not lie in order: save it after .contiguous()", err);
    if (!t->elems)
        return refuse(t, "and empty", err);
    *words = *t;
    p->method = "quantized";
    p->words = words;
    p->packing.lanes = t->dtype == DTYPE_I8 ? LANES_NONE : LANES_COLS;
    p->packing.bits = p->packing.word_bits = 8;
    p->factor = p->input_scale = 1;
    p->type = DTYPE_F32;
    int rc = q->per_channel ? find_channels(f, t, q, p, err) : keep_scale(f, all, q, p, err);
    if (rc < 0)
        return rc;
    p->cols = p->group_cols = t->elems / p->rows;
    p->group_rows = p->groups = 1;
    const uint64_t dims[2] = { p->rows, p->cols };
    rc = packed_tensor(&made, p, dims, 2, err);
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
