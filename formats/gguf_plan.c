/* SPDX-License-Identifier: Apache-2.0
 * formats/gguf_plan.c - a form as a GGUF v3 file: the bytes that gguf_write_to_file and gguf-py
 * write. Both pad the header, and each tensor including the last, to the alignment. */
#include "formats/buffer.h"
#include "formats/checked.h"
#include "formats/gguf.h"
#include "formats/plan.h"
#include <errno.h>

enum { SHARED_BYTES = 4096 };

static void add_string(struct buffer *b, struct str s) {
    buffer_u64(b, s.n);
    buffer_add(b, s.p, s.n);
}

/* Also where llama.cpp would refuse to read the file. */
static int check_target(const struct target *t, struct err *err) {
    if (dtype_info[t->dtype].gguf_id < 0)
        return err_set(err, -ENOTSUP, "%.*s: GGUF has no type %s", STR_ARG(t->name),
                       dtype_info[t->dtype].name);
    if (t->n_dims > GGUF_MAX_DIMS)
        return err_set(err, -ENOTSUP, "%.*s: %u dimensions, GGUF has at most %d", STR_ARG(t->name),
                       t->n_dims, GGUF_MAX_DIMS);
    if (t->name.n > GGUF_MAX_NAME)
        return err_set(err, -ENOTSUP, "%.*s: a name of more than %d bytes", STR_ARG(t->name),
                       GGUF_MAX_NAME);
    return 0;
}

/* Bytes in the file, without padding. */
static int target_bytes(const struct target *t, uint64_t *bytes, struct err *err) {
    uint64_t elems = 1;
    bool ok = true;
    for (uint32_t i = 0; i < t->n_dims; i++)
        ok = ok && checked_mul(elems, t->dims[i], &elems);
    ok = ok && t->expr && elems == t->expr->rows * t->expr->cols;
    if (!ok || !dtype_bytes(t->dtype, elems, bytes) ||
        tensor_row(t->dims, t->n_dims) % dtype_info[t->dtype].block_elems)
        return err_set(err, -ENOTSUP, "%.*s: its shape does not fit %s", STR_ARG(t->name),
                       dtype_info[t->dtype].name);
    return 0;
}

static int add_tensor(struct buffer *b, const struct target *t, uint64_t alignment, uint64_t *off,
                      struct err *err) {
    uint64_t bytes;
    int ret = check_target(t, err);
    if (ret == 0)
        ret = target_bytes(t, &bytes, err);
    if (ret < 0)
        return ret;
    add_string(b, t->name);
    buffer_u32(b, t->n_dims);
    for (uint32_t i = t->n_dims; i-- > 0;)
        buffer_u64(b, t->dims[i]);
    buffer_u32(b, (uint32_t)dtype_info[t->dtype].gguf_id);
    buffer_u64(b, *off);
    if (!checked_add(*off, bytes, off) || !checked_align(*off, alignment, off))
        return err_set(err, -EFBIG, "the view would be larger than a file can be");
    return 0;
}

/* What is in @b becomes a literal of its own, and @b is empty again. */
static int flush(struct layout *l, struct buffer *b, struct err *err) {
    struct str copy = { 0 };
    if (!b->failed)
        copy = arena_str(l->arena, (struct str){ b->p, b->n });
    b->n = 0;
    return copy.p ? layout_literal(l, copy.p, copy.n, err)
                  : err_set(err, -ENOMEM, "no memory for the header");
}

/* Large values stay where they are: tokens and merges are most of a header, and all views of a
 * model share them. */
static int add_pair(struct layout *l, struct buffer *b, const struct kv *kv, struct err *err) {
    add_string(b, kv->key);
    buffer_u32(b, kv->type);
    if (kv->value.n < SHARED_BYTES) {
        buffer_add(b, kv->value.p, kv->value.n);
        return 0;
    }
    const int ret = flush(l, b, err);
    return ret < 0 ? ret : layout_literal(l, kv->value.p, kv->value.n, err);
}

static int add_header(struct layout *l, struct buffer *b, const struct form *f, uint64_t alignment,
                      struct err *err) {
    uint64_t off = 0;
    int ret = 0;
    buffer_u32(b, GGUF_MAGIC);
    buffer_u32(b, GGUF_VERSION);
    buffer_u64(b, f->n_targets);
    buffer_u64(b, f->kvs.n);
    for (uint32_t i = 0; ret == 0 && i < f->kvs.n; i++)
        ret = add_pair(l, b, &f->kvs.items[i], err);
    for (uint32_t i = 0; ret == 0 && i < f->n_targets; i++)
        ret = add_tensor(b, &f->targets[i], alignment, &off, err);
    return ret < 0 ? ret : flush(l, b, err);
}

/* Zeros up to the next multiple of @alignment. */
static int pad(struct layout *l, uint64_t alignment, struct err *err) {
    uint64_t end;
    if (!checked_align(l->size, alignment, &end))
        return err_set(err, -EFBIG, "the view would be larger than a file can be");
    return layout_zero(l, end - l->size, err);
}

static int add_data(struct layout *l, const struct form *f, uint64_t alignment, struct err *err) {
    int ret = pad(l, alignment, err);
    for (uint32_t i = 0; ret == 0 && i < f->n_targets; i++) {
        const struct target *t = &f->targets[i];
        const struct layout_how how = { t->importance, t->strict };
        ret = layout_tensor(l, t->name, t->expr, t->dtype, &how, err);
        if (ret == 0)
            ret = pad(l, alignment, err);
    }
    return ret;
}

int gguf_plan(struct layout *l, const struct form *f, struct err *err) {
    uint64_t alignment = GGUF_ALIGNMENT;
    kv_get_u64(&f->kvs, "general.alignment", &alignment);
    if (!alignment || alignment & (alignment - 1))
        return err_set(err, -EBADMSG, "general.alignment is not a power of two");
    struct buffer b = { 0 };
    const int ret = add_header(l, &b, f, alignment, err);
    buffer_fini(&b);
    l->pairs = f->kvs;
    return ret < 0 ? ret : add_data(l, f, alignment, err);
}
