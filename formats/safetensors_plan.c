/* SPDX-License-Identifier: Apache-2.0
 * formats/safetensors_plan.c - a form as a safetensors file: the bytes of serialize() in the
 * reference implementation (safetensors/src/tensor.rs, 0.8). Tensors are ordered by falling
 * alignment of their type, then by name, so that each lies aligned. */
#include "formats/buffer.h"
#include "formats/checked.h"
#include "formats/json.h"
#include "formats/plan.h"
#include "formats/safetensors.h"
#include <errno.h>
#include <stdlib.h>

/* The reference orders types as its enum does; this is that order. */
static int dtype_rank(enum dtype type) {
    static const enum dtype order[] = {
        DTYPE_BOOL,        DTYPE_F4,      DTYPE_F6_E2M3, DTYPE_F6_E3M2, DTYPE_U8,
        DTYPE_I8,          DTYPE_F8_E5M2, DTYPE_F8_E4M3, DTYPE_F8_E8M0, DTYPE_F8_E4M3FNUZ,
        DTYPE_F8_E5M2FNUZ, DTYPE_I16,     DTYPE_U16,     DTYPE_F16,     DTYPE_BF16,
        DTYPE_I32,         DTYPE_U32,     DTYPE_F32,     DTYPE_C64,     DTYPE_F64,
        DTYPE_I64,         DTYPE_U64,
    };
    for (int i = 0; i < (int)(sizeof order / sizeof *order); i++)
        if (order[i] == type)
            return i;
    return -1;
}

static int by_rank_and_name(const void *a, const void *b) {
    const struct target *x = *(const struct target *const *)a;
    const struct target *y = *(const struct target *const *)b;
    int rx = dtype_rank(x->dtype), ry = dtype_rank(y->dtype);
    return rx != ry ? (rx < ry) - (rx > ry) : str_cmp(x->name, y->name);
}

static void add_shape(struct buffer *b, const struct target *t) {
    for (uint32_t i = 0; i < t->n_dims; i++) {
        buffer_z(b, i ? "," : "");
        buffer_decimal(b, t->dims[i]);
    }
}

static int add_tensor(struct buffer *b, const struct target *t, uint64_t *off, struct err *err) {
    uint64_t bytes, elems = t->expr->rows * t->expr->cols;
    const struct dtype_info *info = &dtype_info[t->dtype];
    if (!info->safetensors)
        return err_set(err, -ENOTSUP, "%.*s: safetensors has no type %s", STR_ARG(t->name),
                       info->name);
    if (!json_is_utf8(t->name))
        return err_set(err, -ENOTSUP, "a tensor's name is not UTF-8");
    buffer_z(b, b->n > 1 ? "," : "");
    buffer_json(b, t->name);
    buffer_z(b, ":{\"dtype\":\"");
    buffer_z(b, info->safetensors);
    buffer_z(b, "\",\"shape\":[");
    add_shape(b, t);
    buffer_z(b, "],\"data_offsets\":[");
    buffer_decimal(b, *off);
    if (!dtype_bytes(t->dtype, elems, &bytes) || !checked_add(*off, bytes, off))
        return err_set(err, -EFBIG, "the view would be larger than a file can be");
    buffer_z(b, ",");
    buffer_decimal(b, *off);
    buffer_z(b, "]}");
    return 0;
}

/* The JSON, padded with spaces to a multiple of 8. */
static int add_json(struct buffer *b, const struct form *f, const struct target *const *order,
                    struct err *err) {
    uint64_t off = 0;
    buffer_z(b, "{");
    if (f->metadata.n) {
        buffer_z(b, "\"__metadata__\":");
        buffer_add(b, f->metadata.p, f->metadata.n);
    }
    for (uint32_t i = 0; i < f->n_targets; i++) {
        int ret = add_tensor(b, order[i], &off, err);
        if (ret < 0)
            return ret;
    }
    buffer_z(b, "}");
    while (b->n % 8 && !b->failed)
        buffer_z(b, " ");
    if (b->failed)
        return err_set(err, -ENOMEM, "no memory for the header");
    if (b->n > SAFETENSORS_MAX_HEADER)
        return err_set(err, -EFBIG, "%u tensors are too many for a header", f->n_targets);
    return 0;
}

static int add_header(struct layout *l, const struct form *f, const struct target *const *order,
                      struct err *err) {
    struct buffer json = { 0 }, file = { 0 };
    struct str header = { 0 };
    int ret = add_json(&json, f, order, err);
    if (ret == 0) {
        buffer_u64(&file, json.n);
        buffer_add(&file, json.p, json.n);
        if (!file.failed)
            header = arena_str(l->arena, (struct str){ file.p, file.n });
    }
    buffer_fini(&json);
    buffer_fini(&file);
    if (ret < 0)
        return ret;
    if (!header.p)
        return err_set(err, -ENOMEM, "no memory for the header");
    return layout_literal(l, header.p, header.n, err);
}

int safetensors_plan(struct layout *l, const struct form *f, struct err *err) {
    const struct target **order = arena_array(f->arena, const struct target *, f->n_targets);
    if (!order)
        return err_set(err, -ENOMEM, "no memory for %u tensors", f->n_targets);
    for (uint32_t i = 0; i < f->n_targets; i++)
        order[i] = &f->targets[i];
    qsort(order, f->n_targets, sizeof *order, by_rank_and_name);
    int ret = add_header(l, f, order, err);
    for (uint32_t i = 0; ret == 0 && i < f->n_targets; i++)
        ret = layout_tensor(l, order[i]->name, order[i]->expr, order[i]->dtype, NULL, err);
    return ret;
}
