/* SPDX-License-Identifier: Apache-2.0
 * formats/gguf_read.c - GGUF v2 and v3, also in parts, into a model. What gguf.cpp and the model
 * loader of llama.cpp refuse is refused. */
#include "formats/checked.h"
#include "formats/cleanup.h"
#include "formats/container.h"
#include "formats/cursor.h"
#include "formats/gguf.h"
#include "formats/gguf_scan.h"
#include <errno.h>
#include <limits.h>
#include <stdio.h>

/* One file of a model; the header lies in the model's arena. */
struct part {
    struct cursor c;
    struct gguf_header header;
    struct kv_list kvs;
    uint64_t alignment;
    uint32_t src;
    uint64_t size; /* of the file */
};

static bool has_nul(struct str s) {
    return s.n && memchr(s.p, 0, s.n);
}

/* The scan has walked it: lengths are right, and what is here to check are values. */
static int check_bools(const struct kv *kv, struct err *err) {
    struct kv_array a = { kv->type, 1, kv->value };
    if (kv->type == KV_ARRAY)
        kv_array(kv, &a);
    if (a.type != KV_BOOL)
        return 0;
    for (size_t i = 0; i < a.bytes.n; i++)
        if ((uint8_t)a.bytes.p[i] > 1)
            return err_set(err, -EBADMSG, "%.*s: a bool that is neither 0 nor 1", STR_ARG(kv->key));
    return 0;
}

/* Bytes of a value from @c on; moves @c behind it. */
static struct str take_value(struct cursor *c, enum kv_type type) {
    const uint8_t *from = c->p;
    if (type == KV_STRING) {
        cursor_str(c, cursor_u64(c));
    } else if (type == KV_ARRAY) {
        enum kv_type elem = (enum kv_type)cursor_u32(c);
        uint64_t n = cursor_u64(c);
        if (elem == KV_STRING)
            for (; n > 0; n--)
                cursor_str(c, cursor_u64(c));
        else
            cursor_bytes(c, n * kv_type_bytes(elem));
    } else {
        cursor_bytes(c, kv_type_bytes(type));
    }
    return (struct str){ (const char *)from, (size_t)(c->p - from) };
}

static int by_key(const void *a, const void *b) {
    return str_cmp(((const struct kv *)a)->key, ((const struct kv *)b)->key);
}

static int check_unique(const struct kv_list *kvs, struct err *err) {
    auto_free struct kv *sorted = calloc(kvs->n ? kvs->n : 1, sizeof *sorted);
    if (!sorted)
        return err_set(err, -ENOMEM, "no memory for %u pairs", kvs->n);
    if (kvs->n)
        memcpy(sorted, kvs->items, kvs->n * sizeof *sorted);
    qsort(sorted, kvs->n, sizeof *sorted, by_key);
    for (uint32_t i = 1; i < kvs->n; i++)
        if (str_eq(sorted[i - 1].key, sorted[i].key))
            return err_set(err, -EBADMSG, "key %.*s occurs twice", STR_ARG(sorted[i].key));
    return 0;
}

static int read_pairs(struct part *p, struct arena *a, struct err *err) {
    for (uint32_t i = 0; i < p->header.n_pairs; i++) {
        struct kv kv = { .key = cursor_str(&p->c, cursor_u64(&p->c)) };
        kv.type = (enum kv_type)cursor_u32(&p->c);
        kv.value = take_value(&p->c, kv.type);
        if (!kv.key.n || has_nul(kv.key))
            return err_set(err, -EBADMSG, "pair %u: a key that is empty or has a NUL", i);
        int ret = check_bools(&kv, err);
        if (ret < 0)
            return ret;
        if (!kv_append(&p->kvs, a, kv))
            return err_set(err, -ENOMEM, "no memory for %u pairs", p->header.n_pairs);
    }
    const struct kv *kv = kv_find(&p->kvs, STR("general.alignment"));
    p->alignment = GGUF_ALIGNMENT;
    if (kv && (kv->type != KV_U32 || !kv_get_u64(&p->kvs, "general.alignment", &p->alignment) ||
               !p->alignment || (p->alignment & (p->alignment - 1))))
        return err_set(err, -EBADMSG, "general.alignment is not a power of two of type u32");
    return check_unique(&p->kvs, err);
}

/* A name becomes the name of a file in formats that are folders. */
static bool is_bad_name(struct str s) {
    if (has_nul(s))
        return true;
    for (size_t i = 0; i + 1 < s.n; i++)
        if (s.p[i] == '.' && s.p[i + 1] == '.' && (i == 0 || s.p[i - 1] == '/') &&
            (i + 2 == s.n || s.p[i + 2] == '/'))
            return true;
    return false;
}

static int read_shape(struct tensor *t, struct cursor *c, struct err *err) {
    t->n_dims = cursor_u32(c);
    t->elems = 1;
    for (uint32_t i = t->n_dims; i-- > 0;) {
        t->dims[i] = cursor_u64(c);
        if (!t->dims[i] || !checked_mul(t->elems, t->dims[i], &t->elems) || t->elems > INT64_MAX)
            return err_set(err, -EBADMSG, "%.*s: impossible shape", STR_ARG(t->name));
    }
    return 0;
}

/* One record; the scan knows that it is there. @*off: where the tensor must begin, from the data
 * section on; becomes where the next one must. */
static int read_tensor(struct tensor *t, struct part *p, uint64_t *off, struct err *err) {
    t->name = cursor_str(&p->c, cursor_u64(&p->c));
    t->src = p->src;
    if (t->name.n > GGUF_MAX_NAME || is_bad_name(t->name))
        return err_set(err, -EBADMSG, "tensor %.*s: impossible name of %zu bytes",
                       (int)(t->name.n < 80 ? t->name.n : 80), t->name.p, t->name.n);
    int ret = read_shape(t, &p->c, err);
    if (ret < 0)
        return ret;
    uint32_t id = cursor_u32(&p->c);
    t->dtype = dtype_from_gguf(id);
    if (!dtype_info[t->dtype].block_elems)
        return err_set(err, t->dtype == DTYPE_NONE ? -EBADMSG : -ENOTSUP, "%.*s: type %u is %s",
                       STR_ARG(t->name), id,
                       t->dtype == DTYPE_NONE ? "unknown" : "no longer in use");
    if (tensor_row(t->dims, t->n_dims) % dtype_info[t->dtype].block_elems ||
        !dtype_bytes(t->dtype, t->elems, &t->bytes))
        return err_set(err, -EBADMSG, "%.*s: its shape does not fit %s", STR_ARG(t->name),
                       dtype_info[t->dtype].name);
    t->off = cursor_u64(&p->c);
    if (t->off != *off)
        return err_set(err, -EBADMSG, "%.*s: begins at %llu, not at %llu", STR_ARG(t->name),
                       (unsigned long long)t->off, (unsigned long long)*off);
    if (!checked_add(*off, t->bytes, off) || !checked_align(*off, p->alignment, off))
        return err_set(err, -EBADMSG, "%.*s: its size cannot be", STR_ARG(t->name));
    return 0;
}

/* Room for one more, which grows: few records may be read before one turns out to lie. */
static struct tensor *next_tensor(struct model *m, uint32_t *cap) {
    if (m->n_tensors == MODEL_MAX_TENSORS)
        return NULL;
    if (m->n_tensors == *cap) {
        *cap = *cap ? 2 * *cap : 512;
        struct tensor *grown = arena_array(&m->arena, struct tensor, *cap);
        if (!grown)
            return NULL;
        if (m->n_tensors)
            memcpy(grown, m->tensors, m->n_tensors * sizeof *grown);
        m->tensors = grown;
    }
    return &m->tensors[m->n_tensors++];
}

static int read_tensors(struct model *m, struct part *p, struct err *err) {
    uint64_t off = 0, base;
    uint32_t n = p->header.n_tensors, first = m->n_tensors, cap = first;
    for (uint32_t i = 0; i < n; i++) {
        struct tensor *t = next_tensor(m, &cap);
        const bool full = m->n_tensors >= MODEL_MAX_TENSORS;
        int ret = t ? read_tensor(t, p, &off, err)
                    : err_set(err, full ? -EFBIG : -ENOMEM, "%u tensors are too many", n);
        if (ret < 0)
            return ret;
    }
    if (!checked_align(p->header.bytes.n, p->alignment, &base))
        return err_set(err, -EBADMSG, "the header's padding cannot be");
    for (uint32_t i = first; i < m->n_tensors; i++) {
        struct tensor *t = &m->tensors[i];
        if (base > p->size || !checked_range(t->off, t->bytes, p->size - base))
            return err_set(err, -EBADMSG, "%.*s: its weights lie beyond the end of the file",
                           STR_ARG(t->name));
        t->off += base;
    }
    return 0;
}

/* Open one file and read its pairs. */
static int open_part(struct part *p, struct model *m, struct root *root, const char *path,
                     struct err *err) {
    struct source *s;
    int ret = source_open(&s, root, path, err);
    if (ret < 0)
        return ret;
    ret = model_add_source(m, s, err);
    if (ret < 0)
        return ret;
    *p = (struct part){ .src = (uint32_t)ret, .size = source_ident(s)->size };
    ret = gguf_scan(&p->header, s, err);
    if (ret < 0)
        return ret;
    char *scanned = (char *)(uintptr_t)p->header.bytes.p;
    p->header.bytes = arena_str(&m->arena, p->header.bytes);
    free(scanned);
    if (!p->header.bytes.p)
        return err_set(err, -ENOMEM, "no memory for the header");
    p->c = cursor_over(p->header.bytes);
    cursor_bytes(&p->c, 24);
    return read_pairs(p, &m->arena, err);
}

/* split.count of a file; 1: it is whole. */
static uint64_t count_of(const struct part *p) {
    uint64_t n;
    return kv_get_u64(&p->kvs, "split.count", &n) && n > 1 ? n : 1;
}

/* A file that is no part of a split, whatever its name. */
static int read_whole(struct model *m, struct part *p, struct err *err) {
    m->kvs = p->kvs;
    if (count_of(p) > 1)
        return err_set(err, -EBADMSG, "a part of %llu, but not named NAME-0000N-of-%05llu.gguf",
                       (unsigned long long)count_of(p), (unsigned long long)count_of(p));
    return read_tensors(m, p, err);
}

static int read_part(struct model *m, struct part *p, uint64_t no, uint64_t parts,
                     struct err *err) {
    uint64_t told;
    if (count_of(p) != parts || !kv_get_u64(&p->kvs, "split.no", &told) || told != no)
        return err_set(err, -EBADMSG, "split.no and split.count do not fit the name");
    if (no == 0)
        m->kvs = p->kvs;
    return read_tensors(m, p, err);
}

/* The model's pairs are those of the first part, as in llama.cpp. */
static int read_split(struct model *m, struct root *root, const char *path, size_t prefix,
                      unsigned parts, struct err *err) {
    char name[PATH_MAX];
    uint64_t want;
    for (unsigned i = 0; i < parts; i++) {
        struct part p;
        int n =
            snprintf(name, sizeof name, "%.*s-%05u-of-%05u.gguf", (int)prefix, path, i + 1, parts);
        int ret = n < PATH_MAX ? open_part(&p, m, root, name, err) : -ENAMETOOLONG;
        if (ret == 0 && i == 0 && count_of(&p) == 1 && !strcmp(name, path))
            return read_whole(m, &p, err);
        if (ret == 0)
            ret = read_part(m, &p, i, parts, err);
        if (ret < 0) {
            err_set(err, ret, "the part cannot be read");
            if (err && strncmp(err->msg, name, strlen(name))) /* unless it could not be opened */
                err_prefix(err, name);
            return ret;
        }
    }
    if (kv_get_u64(&m->kvs, "split.tensors.count", &want) && want != m->n_tensors)
        return err_set(err, -EBADMSG, "split.tensors.count is %llu, the parts have %u tensors",
                       (unsigned long long)want, m->n_tensors);
    return 0;
}

int gguf_read(struct model *m, struct root *root, const char *path, struct err *err) {
    struct part p;
    size_t prefix;
    unsigned parts = gguf_split_parts(path, &prefix);
    int ret;
    if (parts > 1) {
        ret = read_split(m, root, path, prefix, parts, err);
    } else {
        ret = open_part(&p, m, root, path, err);
        if (ret == 0)
            ret = read_whole(m, &p, err);
    }
    return ret < 0 ? ret : model_index(m, err);
}
