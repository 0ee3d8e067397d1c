/* SPDX-License-Identifier: Apache-2.0
 * formats/kv_text.c - values of GGUF's pairs as numbers and as text for people. */
#include "formats/cursor.h"
#include "formats/kv.h"
#include <inttypes.h>
#include <stdio.h>

bool kv_integer(enum kv_type type, struct str value, int64_t *out) {
    uint32_t size = kv_type_bytes(type);
    if (!size || value.n != size || type == KV_F32 || type == KV_F64 || type == KV_BOOL)
        return false;
    uint64_t v = 0;
    for (uint32_t i = size; i-- > 0;)
        v = v << 8 | (uint8_t)value.p[i];
    bool is_signed = type == KV_I8 || type == KV_I16 || type == KV_I32;
    if (is_signed && v >> (8 * size - 1))
        v |= ~0ull << (8 * size - 1);
    *out = (int64_t)v;
    return true;
}

bool kv_real(enum kv_type type, struct str value, double *out) {
    struct cursor c = cursor_over(value);
    if (type == KV_F32 && value.n == sizeof(float)) {
        uint32_t u = cursor_u32(&c);
        float f;
        memcpy(&f, &u, sizeof f);
        *out = (double)f;
        return true;
    }
    if (type == KV_F64 && value.n == sizeof(double)) {
        uint64_t u = cursor_u64(&c);
        memcpy(out, &u, sizeof u);
        return true;
    }
    return false;
}

/* A bounded buffer that goes on counting when it is full. */
struct text {
    char *p;
    size_t size, n;
};

static void add(struct text *t, const char *p, size_t n) {
    if (t->n < t->size) {
        size_t left = t->size - t->n;
        memcpy(t->p + t->n, p, n < left ? n : left);
    }
    t->n += n;
}

static void add_value(struct text *t, enum kv_type type, struct str value) {
    char buf[48];
    int64_t i;
    double d;
    if (type == KV_STRING)
        return add(t, value.p, value.n);
    if (type == KV_BOOL)
        snprintf(buf, sizeof buf, "%s", value.n && *value.p ? "true" : "false");
    else if (kv_real(type, value, &d))
        snprintf(buf, sizeof buf, "%.*g", type == KV_F32 ? 9 : 17, d);
    else if (kv_integer(type, value, &i))
        snprintf(buf, sizeof buf, type == KV_U64 ? "%" PRIu64 : "%" PRId64, i);
    else
        snprintf(buf, sizeof buf, "?");
    add(t, buf, strlen(buf));
}

static void add_array(struct text *t, struct kv_array a, uint64_t max) {
    struct str elem;
    add(t, "[", 1);
    for (uint64_t i = 0; i < max && kv_array_next(&a, &elem); i++) {
        if (i)
            add(t, ", ", 2);
        add_value(t, a.type, elem);
    }
    if (a.n)
        add(t, max ? ", ..." : "...", max ? 5 : 3);
    add(t, "]", 1);
}

size_t kv_text(const struct kv *kv, uint64_t max, char *buf, size_t size) {
    struct text t = { buf, size ? size - 1 : 0, 0 };
    struct kv_array a;
    if (kv_array(kv, &a)) {
        add_array(&t, a, max);
    } else {
        struct str value = kv->value;
        if (kv->type == KV_STRING && value.n >= 8)
            value = (struct str){ value.p + 8, value.n - 8 };
        add_value(&t, kv->type, value);
    }
    if (size)
        buf[t.n < t.size ? t.n : t.size] = '\0';
    return t.n;
}
