/* SPDX-License-Identifier: Apache-2.0
 * formats/kv.c - GGUF's pairs: setting, finding, reading them. */
#include "formats/kv.h"
#include "formats/checked.h"
#include "formats/cursor.h"
#include <endian.h>

static const struct {
    const char *name;
    uint32_t bytes;
} types[KV_TYPE_COUNT] = {
    [KV_U8] = { "u8", 1 },       [KV_I8] = { "i8", 1 },     [KV_U16] = { "u16", 2 },
    [KV_I16] = { "i16", 2 },     [KV_U32] = { "u32", 4 },   [KV_I32] = { "i32", 4 },
    [KV_F32] = { "f32", 4 },     [KV_BOOL] = { "bool", 1 }, [KV_STRING] = { "str", 0 },
    [KV_ARRAY] = { "array", 0 }, [KV_U64] = { "u64", 8 },   [KV_I64] = { "i64", 8 },
    [KV_F64] = { "f64", 8 },
};

uint32_t kv_type_bytes(enum kv_type type) {
    return (unsigned)type < KV_TYPE_COUNT ? types[type].bytes : 0;
}

const char *kv_type_name(enum kv_type type) {
    return (unsigned)type < KV_TYPE_COUNT ? types[type].name : "unknown";
}

const struct kv *kv_find(const struct kv_list *l, struct str key) {
    for (uint32_t i = 0; i < l->n; i++)
        if (str_eq(l->items[i].key, key))
            return &l->items[i];
    return NULL;
}

static bool grow(struct kv_list *l, struct arena *a) {
    uint32_t cap = l->cap ? l->cap * 2 : 32;
    if (cap < l->cap)
        return false;
    struct kv *items = arena_array(a, struct kv, cap);
    if (!items)
        return false;
    if (l->n)
        memcpy(items, l->items, l->n * sizeof *items);
    l->items = items;
    l->cap = cap;
    return true;
}

bool kv_append(struct kv_list *l, struct arena *a, struct kv kv) {
    if (l->n == l->cap && !grow(l, a))
        return false;
    l->items[l->n++] = kv;
    return true;
}

/* As kv_set_raw, for a value that lies in the arena already. */
static bool set(struct kv_list *l, struct arena *a, struct str key, enum kv_type type,
                struct str value) {
    for (uint32_t i = 0; i < l->n; i++)
        if (str_eq(l->items[i].key, key)) {
            l->items[i].type = type;
            l->items[i].value = value;
            return true;
        }
    struct kv kv = { .key = arena_str(a, key), .type = type, .value = value };
    return kv.key.p && kv_append(l, a, kv);
}

bool kv_set_raw(struct kv_list *l, struct arena *a, struct str key, enum kv_type type,
                struct str value) {
    value = arena_str(a, value);
    return value.p && set(l, a, key, type, value);
}

static bool set_bytes(struct kv_list *l, struct arena *a, const char *key, enum kv_type type,
                      const void *p, size_t n) {
    return kv_set_raw(l, a, str_from(key), type, (struct str){ p, n });
}

bool kv_set_u32(struct kv_list *l, struct arena *a, const char *key, uint32_t v) {
    v = htole32(v);
    return set_bytes(l, a, key, KV_U32, &v, sizeof v);
}

bool kv_set_i32(struct kv_list *l, struct arena *a, const char *key, int32_t v) {
    uint32_t u = htole32((uint32_t)v);
    return set_bytes(l, a, key, KV_I32, &u, sizeof u);
}

bool kv_set_u64(struct kv_list *l, struct arena *a, const char *key, uint64_t v) {
    v = htole64(v);
    return set_bytes(l, a, key, KV_U64, &v, sizeof v);
}

bool kv_set_f32(struct kv_list *l, struct arena *a, const char *key, float v) {
    uint32_t u;
    memcpy(&u, &v, sizeof u);
    u = htole32(u);
    return set_bytes(l, a, key, KV_F32, &u, sizeof u);
}

bool kv_set_bool(struct kv_list *l, struct arena *a, const char *key, bool v) {
    uint8_t u = v;
    return set_bytes(l, a, key, KV_BOOL, &u, sizeof u);
}

static uint8_t *put_u32(uint8_t *p, uint32_t v) {
    v = htole32(v);
    memcpy(p, &v, sizeof v);
    return p + sizeof v;
}

static uint8_t *put_u64(uint8_t *p, uint64_t v) {
    v = htole64(v);
    memcpy(p, &v, sizeof v);
    return p + sizeof v;
}

static uint8_t *put_str(uint8_t *p, struct str s) {
    p = put_u64(p, s.n);
    if (s.n)
        memcpy(p, s.p, s.n);
    return p + s.n;
}

bool kv_set_str(struct kv_list *l, struct arena *a, const char *key, struct str v) {
    uint64_t bytes = 8 + (uint64_t)v.n;
    uint8_t *p = arena_alloc(a, bytes, 1);
    if (!p)
        return false;
    put_str(p, v);
    return set(l, a, str_from(key), KV_STRING, (struct str){ (char *)p, bytes });
}

/* Room for an array whose elements take @bytes, with its head filled in; NULL: no memory. */
static uint8_t *array_new(struct arena *a, enum kv_type type, uint64_t n, uint64_t bytes) {
    uint64_t total;
    uint8_t *p = checked_add(bytes, 12, &total) ? arena_alloc(a, total, 1) : NULL;
    if (p)
        put_u64(put_u32(p, type), n);
    return p;
}

bool kv_set_array(struct kv_list *l, struct arena *a, const char *key, enum kv_type type,
                  const void *elems, uint64_t n) {
    uint32_t size = kv_type_bytes(type);
    uint64_t bytes;
    uint8_t *p = size && checked_mul(n, size, &bytes) ? array_new(a, type, n, bytes) : NULL;
    if (!p)
        return false;
    const uint8_t *from = elems;
    for (uint64_t i = 0; i < bytes; i++) {
        bool swap = __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__;
        p[12 + i] = from[swap ? i - i % size + (size - 1 - i % size) : i];
    }
    return set(l, a, str_from(key), KV_ARRAY, (struct str){ (char *)p, 12 + bytes });
}

bool kv_set_strs(struct kv_list *l, struct arena *a, const char *key, const struct str *v,
                 uint64_t n) {
    uint64_t bytes = 0;
    for (uint64_t i = 0; i < n; i++)
        bytes += 8 + (uint64_t)v[i].n; /* they are in memory, so the sum fits */
    uint8_t *p = array_new(a, KV_STRING, n, bytes);
    if (!p)
        return false;
    uint8_t *to = p + 12;
    for (uint64_t i = 0; i < n; i++)
        to = put_str(to, v[i]);
    return set(l, a, str_from(key), KV_ARRAY, (struct str){ (char *)p, 12 + bytes });
}

void kv_remove(struct kv_list *l, struct str key) {
    uint32_t kept = 0;
    for (uint32_t i = 0; i < l->n; i++)
        if (!str_eq(l->items[i].key, key))
            l->items[kept++] = l->items[i];
    l->n = kept;
}

bool kv_get_u64(const struct kv_list *l, const char *key, uint64_t *out) {
    const struct kv *kv = kv_find(l, str_from(key));
    int64_t i;
    if (!kv || !kv_integer(kv->type, kv->value, &i) || (i < 0 && kv->type != KV_U64))
        return false;
    *out = (uint64_t)i;
    return true;
}

bool kv_get_f64(const struct kv_list *l, const char *key, double *out) {
    const struct kv *kv = kv_find(l, str_from(key));
    int64_t i;
    if (!kv)
        return false;
    if (kv_real(kv->type, kv->value, out))
        return true;
    if (!kv_integer(kv->type, kv->value, &i))
        return false;
    *out = kv->type == KV_U64 ? (double)(uint64_t)i : (double)i;
    return true;
}

bool kv_get_str(const struct kv_list *l, const char *key, struct str *out) {
    const struct kv *kv = kv_find(l, str_from(key));
    if (!kv || kv->type != KV_STRING)
        return false;
    struct cursor c = cursor_over(kv->value);
    struct str s = cursor_str(&c, cursor_u64(&c));
    if (c.bad)
        return false;
    *out = s;
    return true;
}

bool kv_array(const struct kv *kv, struct kv_array *out) {
    if (!kv || kv->type != KV_ARRAY)
        return false;
    struct cursor c = cursor_over(kv->value);
    uint32_t type = cursor_u32(&c);
    uint64_t n = cursor_u64(&c);
    if (c.bad || type >= KV_TYPE_COUNT || type == KV_ARRAY)
        return false;
    *out = (struct kv_array){ (enum kv_type)type, n, { (const char *)c.p, cursor_left(&c) } };
    return true;
}

bool kv_is_plain(const struct kv *kv) {
    struct cursor c = cursor_over(kv->value);
    struct kv_array array;
    struct str s;
    if (kv->type == KV_STRING) {
        s = cursor_str(&c, cursor_u64(&c));
        return !s.n || !memchr(s.p, 0, s.n);
    }
    if (!kv_array(kv, &array) || array.type != KV_STRING)
        return true;
    while (kv_array_next(&array, &s))
        if (s.n && memchr(s.p, 0, s.n))
            return false;
    return true;
}

bool kv_get_array(const struct kv_list *l, const char *key, struct kv_array *out) {
    return kv_array(kv_find(l, str_from(key)), out);
}

bool kv_array_next(struct kv_array *a, struct str *elem) {
    struct cursor c = cursor_over(a->bytes);
    if (!a->n)
        return false;
    struct str s = cursor_str(&c, a->type == KV_STRING ? cursor_u64(&c) : kv_type_bytes(a->type));
    if (c.bad)
        return false;
    a->n--;
    a->bytes = (struct str){ (const char *)c.p, cursor_left(&c) };
    *elem = s;
    return true;
}
