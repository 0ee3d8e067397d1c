/* SPDX-License-Identifier: Apache-2.0
 * formats/safetensors_read.c - the header of a safetensors file. As strict as the reference
 * implementation (safetensors/src/tensor.rs, 0.8): the tensors cover the file without hole or
 * overlap, and each has the size that its shape says. */
#include "formats/safetensors.h"
#include "formats/checked.h"
#include "formats/cleanup.h"
#include "formats/container.h"
#include "formats/json.h"
#include "formats/buffer.h"
#include <errno.h>

static bool read_shape(struct tensor *t, const struct json *shape) {
    size_t n = json_len(shape);
    if (json_type(shape) != JSON_ARRAY || n > TENSOR_MAX_DIMS)
        return false;
    t->n_dims = (uint32_t)n;
    t->elems = 1;
    for (size_t i = 0; i < n; i++)
        if (!json_u64(json_at(shape, i), &t->dims[i]) ||
            !checked_mul(t->elems, t->dims[i], &t->elems))
            return false;
    return true;
}

/* The offsets count from the end of the header, at @base. */
static int read_tensor(struct tensor *t, const struct json *info, uint64_t base, uint64_t size,
                       struct err *err) {
    struct str dtype;
    uint64_t begin, end, bytes;
    const struct json *offsets = json_get(info, "data_offsets");
    if (!json_str(json_get(info, "dtype"), &dtype))
        return err_set(err, -EBADMSG, "%.*s: no dtype", STR_ARG(t->name));
    t->dtype = dtype_from_safetensors(dtype.p, dtype.n);
    if (t->dtype == DTYPE_NONE)
        return err_set(err, -EBADMSG, "%.*s: unknown dtype %.*s", STR_ARG(t->name), STR_ARG(dtype));
    if (!read_shape(t, json_get(info, "shape")))
        return err_set(err, -EBADMSG, "%.*s: impossible shape", STR_ARG(t->name));
    if (json_type(offsets) != JSON_ARRAY || json_len(offsets) != 2 ||
        !json_u64(json_at(offsets, 0), &begin) || !json_u64(json_at(offsets, 1), &end) ||
        begin > end || end > size - base)
        return err_set(err, -EBADMSG, "%.*s: impossible data_offsets in a file of %llu bytes",
                       STR_ARG(t->name), (unsigned long long)size);
    if (!dtype_bytes(t->dtype, t->elems, &bytes) || bytes != end - begin)
        return err_set(err, -EBADMSG, "%.*s: data_offsets do not fit dtype and shape",
                       STR_ARG(t->name));
    t->off = base + begin;
    t->bytes = bytes;
    return 0;
}

static int by_place(const void *a, const void *b) {
    const struct tensor *x = *(const struct tensor *const *)a,
                        *y = *(const struct tensor *const *)b;
    if (x->off != y->off)
        return x->off < y->off ? -1 : 1;
    return (x->bytes > y->bytes) - (x->bytes < y->bytes);
}

/* Do the tensors cover [@base, @size) without hole or overlap? */
static int check_cover(const struct tensor *tensors, uint32_t n, uint64_t base, uint64_t size,
                       struct err *err) {
    auto_free const struct tensor **order = calloc(n ? n : 1, sizeof *order);
    if (!order)
        return err_set(err, -ENOMEM, "no memory for %u tensors", n);
    for (uint32_t i = 0; i < n; i++)
        order[i] = &tensors[i];
    qsort(order, n, sizeof *order, by_place);
    uint64_t end = base;
    for (uint32_t i = 0; i < n; i++) {
        if (order[i]->off != end)
            return err_set(err, -EBADMSG, "%.*s: a hole or an overlap before it",
                           STR_ARG(order[i]->name));
        end += order[i]->bytes;
    }
    if (end != size)
        return err_set(err, -EBADMSG, "%llu bytes after the last tensor",
                       (unsigned long long)(size - end));
    return 0;
}

/* Values must be strings. The text is written again, so that no escape of the file is left. */
static int read_metadata(struct model *m, const struct json *meta, struct err *err) {
    struct buffer t = { 0 };
    if (json_is_null(meta))
        return 0;
    if (json_type(meta) != JSON_OBJECT)
        return err_set(err, -EBADMSG, "__metadata__ is not an object");
    buffer_z(&t, "{");
    for (struct json_iter it = json_iter(meta); json_next(&it);) {
        struct str value;
        if (!json_str(it.value, &value)) {
            buffer_fini(&t);
            return err_set(err, -EBADMSG, "__metadata__: %.*s is not a string", STR_ARG(it.key));
        }
        buffer_z(&t, t.n > 1 ? "," : "");
        buffer_json(&t, it.key);
        buffer_z(&t, ":");
        buffer_json(&t, value);
    }
    buffer_z(&t, "}");
    m->metadata = t.failed ? (struct str){ 0 } : arena_str(&m->arena, (struct str){ t.p, t.n });
    buffer_fini(&t);
    return m->metadata.p ? 0 : err_set(err, -ENOMEM, "no memory for __metadata__");
}

/* Room for @more tensors after those that the model has. */
static struct tensor *grow_tensors(struct model *m, size_t more) {
    if (more > MODEL_MAX_TENSORS - m->n_tensors)
        return NULL;
    struct tensor *all = arena_array(&m->arena, struct tensor, m->n_tensors + more);
    if (all && m->n_tensors)
        memcpy(all, m->tensors, m->n_tensors * sizeof *all);
    return all;
}

static int read_header(struct model *m, uint32_t src, const struct json *header, uint64_t base,
                       uint64_t size, struct err *err) {
    if (json_type(header) != JSON_OBJECT)
        return err_set(err, -EBADMSG, "the header is not an object");
    struct tensor *all = grow_tensors(m, json_len(header));
    if (!all)
        return err_set(err, json_len(header) > MODEL_MAX_TENSORS - m->n_tensors ? -EFBIG : -ENOMEM,
                       "%zu tensors are too many", json_len(header));
    struct tensor *t = all + m->n_tensors;
    for (struct json_iter it = json_iter(header); json_next(&it);) {
        int ret;
        if (str_is(it.key, "__metadata__")) {
            ret = read_metadata(m, it.value, err);
        } else {
            t->name = arena_str(&m->arena, it.key);
            t->src = src;
            if (!t->name.p)
                return err_set(err, -ENOMEM, "no memory for %zu tensors", json_len(header));
            if (t->name.n > TENSOR_MAX_NAME)
                return err_set(err, -EBADMSG, "a name of %zu bytes", t->name.n);
            ret = read_tensor(t++, it.value, base, size, err);
        }
        if (ret < 0)
            return ret;
    }
    uint32_t n = (uint32_t)(t - all) - m->n_tensors;
    int ret = check_cover(t - n, n, base, size, err);
    if (ret < 0)
        return ret;
    m->tensors = all;
    m->n_tensors += n;
    return 0;
}

int safetensors_read_into(struct model *m, struct source *s, struct err *err) {
    uint64_t len, size = source_ident(s)->size;
    struct json *header;
    int src = model_add_source(m, s, err);
    if (src < 0)
        return src;
    if (size < sizeof len)
        return err_set(err, -EBADMSG, "%llu bytes are no safetensors file",
                       (unsigned long long)size);
    int ret = source_pread(s, &len, sizeof len, 0, err);
    if (ret < 0)
        return ret;
    len = le64toh(len);
    if (len > SAFETENSORS_MAX_HEADER || len > size - sizeof len)
        return err_set(err, -EBADMSG, "a header of %llu bytes cannot be", (unsigned long long)len);
    auto_free char *text = malloc(len + 1);
    if (!text)
        return err_set(err, -ENOMEM, "no memory for a header of %llu bytes",
                       (unsigned long long)len);
    ret = source_pread(s, text, len, sizeof len, err);
    if (ret == 0)
        ret = json_parse(&header, (struct str){ text, len }, err);
    if (ret < 0)
        return ret;
    ret = read_header(m, (uint32_t)src, header, sizeof len + len, size, err);
    json_free(header);
    return ret;
}

int safetensors_read(struct model *m, struct root *root, const char *path, struct err *err) {
    struct source *s;
    int ret = source_open(&s, root, path, err);
    if (ret == 0)
        ret = safetensors_read_into(m, s, err);
    return ret < 0 ? ret : model_index(m, err);
}
