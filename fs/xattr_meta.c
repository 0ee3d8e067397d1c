/* SPDX-License-Identifier: Apache-2.0
 * fs/xattr_meta.c - metadata as text. */
#include "fs/xattr_meta.h"
#include "formats/folder.h"
#include "formats/json.h"
#include <errno.h>
#include <inttypes.h>
#include <linux/limits.h>
#include <stdio.h>
#include <stdlib.h>

/* Eight bytes of an array make three letters at least ("0, "): what is much longer than @limit is
 * not spelled at all. */
static bool kv_fits(const struct kv *kv, size_t limit, size_t *bytes) {
    if (kv->value.n / 4 > limit)
        return false;
    *bytes = kv_text(kv, UINT64_MAX, NULL, 0);
    return *bytes <= limit;
}

static int add_kv(const struct kv *kv, struct buffer *out) {
    size_t size;
    if (!kv_fits(kv, XATTR_SIZE_MAX, &size))
        return -E2BIG;
    size++; /* the NUL */
    char *text = malloc(size);
    if (!text)
        return -ENOMEM;
    buffer_add(out, text, kv_text(kv, UINT64_MAX, text, size));
    free(text);
    return 0;
}

static void add_json(const struct json *v, struct buffer *out, unsigned depth);

static void add_members(const struct json *v, struct buffer *out, unsigned depth) {
    const char *comma = "";
    if (json_type(v) == JSON_ARRAY) {
        buffer_z(out, "[");
        for (size_t i = 0; i < json_len(v) && out->n <= XATTR_SIZE_MAX; i++) {
            buffer_z(out, i ? ", " : "");
            add_json(json_at(v, i), out, depth + 1);
        }
        buffer_z(out, "]");
        return;
    }
    buffer_z(out, "{");
    for (struct json_iter it = json_iter(v); out->n <= XATTR_SIZE_MAX && json_next(&it);) {
        buffer_z(out, comma);
        buffer_json(out, it.key);
        buffer_z(out, ": ");
        add_json(it.value, out, depth + 1);
        comma = ", ";
    }
    buffer_z(out, "}");
}

/* A string that is the whole value is given as it is, within others with its quotes. */
static void add_json(const struct json *v, struct buffer *out, unsigned depth) {
    char text[40] = "null";
    struct str s;
    int64_t i;
    uint64_t u;
    double d;
    bool b;
    if (json_str(v, &s)) {
        if (depth)
            buffer_json(out, s);
        else
            buffer_add(out, s.p, s.n);
        return;
    }
    if (json_type(v) == JSON_ARRAY || json_type(v) == JSON_OBJECT) {
        add_members(v, out, depth);
        return;
    }
    if (json_bool(v, &b))
        snprintf(text, sizeof text, "%s", b ? "true" : "false");
    else if (json_u64(v, &u))
        snprintf(text, sizeof text, "%" PRIu64, u);
    else if (json_i64(v, &i))
        snprintf(text, sizeof text, "%" PRId64, i);
    else if (json_f64(v, &d))
        snprintf(text, sizeof text, "%.9g", d);
    buffer_z(out, text);
}

/* The document of a format that keeps its metadata as JSON; json_free what is @*owned. */
static const struct json *document(const struct model *m, struct json **owned) {
    *owned = NULL;
    if (m->folder)
        return m->folder->config;
    if (!m->metadata.n || json_parse(owned, m->metadata, NULL) < 0)
        *owned = NULL;
    return *owned;
}

static int get_json(const struct model *m, const char *key, struct buffer *out) {
    struct json *owned;
    const struct json *v = json_get(document(m, &owned), key);
    if (v)
        add_json(v, out, 0);
    json_free(owned);
    return v ? 0 : -ENODATA;
}

int xattr_meta_get(const struct model *m, const struct kv_list *own, const char *key,
                   struct buffer *out) {
    const struct kv *kv = kv_find(own ? own : &m->kvs, str_from(key));
    if (kv)
        return add_kv(kv, out);
    return own ? -ENODATA : get_json(m, key, out);
}

void xattr_meta_each(const struct model *m, const struct kv_list *own, size_t limit,
                     xattr_meta_emit *emit, void *user) {
    const struct kv_list *pairs = own ? own : &m->kvs;
    struct json *owned;
    size_t bytes;
    for (uint32_t i = 0; i < pairs->n; i++) {
        if (kv_fits(&pairs->items[i], limit, &bytes))
            emit(user, pairs->items[i].key, bytes);
    }
    if (own)
        return;
    for (struct json_iter it = json_iter(document(m, &owned)); json_next(&it);) {
        struct buffer value = { 0 };
        add_json(it.value, &value, 0);
        if (!value.failed && value.n <= limit)
            emit(user, it.key, value.n);
        buffer_fini(&value);
    }
    json_free(owned);
}
