/* SPDX-License-Identifier: Apache-2.0
 * formats/kv.h - metadata as GGUF writes it: ordered pairs whose values stay encoded, so that a
 * copy is a copy. Source: ggml/include/gguf.h (llama.cpp 0c1e570). */
#pragma once
#include "formats/arena.h"
#include <stdbool.h>
#include <stdint.h>

enum kv_type {
    KV_U8,
    KV_I8,
    KV_U16,
    KV_I16,
    KV_U32,
    KV_I32,
    KV_F32,
    KV_BOOL,
    KV_STRING,
    KV_ARRAY,
    KV_U64,
    KV_I64,
    KV_F64,
    KV_TYPE_COUNT
};

struct kv {
    struct str key;
    enum kv_type type;
    struct str value; /* as in the file after the type: a string has its u64 length in front, an
                       * array its u32 element type and u64 count; little-endian */
    bool plain;       /* kv_is_plain has said so; false: it was not asked */
};

struct kv_list {
    struct kv *items;
    uint32_t n, cap;
};

/* An array's elements, walked by kv_array_next. */
struct kv_array {
    enum kv_type type;
    uint64_t n;
    struct str bytes; /* the elements */
};

/* All return false only for lack of memory. A key that exists keeps its place (as gguf-py). The
 * key is copied; so is the value. */
bool kv_set_raw(struct kv_list *l, struct arena *a, struct str key, enum kv_type type,
                struct str value);
bool kv_set_u32(struct kv_list *l, struct arena *a, const char *key, uint32_t v);
bool kv_set_i32(struct kv_list *l, struct arena *a, const char *key, int32_t v);
bool kv_set_u64(struct kv_list *l, struct arena *a, const char *key, uint64_t v);
bool kv_set_f32(struct kv_list *l, struct arena *a, const char *key, float v);
bool kv_set_bool(struct kv_list *l, struct arena *a, const char *key, bool v);
bool kv_set_str(struct kv_list *l, struct arena *a, const char *key, struct str v);
bool kv_set_array(struct kv_list *l, struct arena *a, const char *key, enum kv_type type,
                  const void *elems, uint64_t n); /* numbers and bools, host order */
bool kv_set_strs(struct kv_list *l, struct arena *a, const char *key, const struct str *v,
                 uint64_t n);
void kv_remove(struct kv_list *l, struct str key);
/* Without a search for the key, which must be new; nothing is copied. For long lists. */
bool kv_append(struct kv_list *l, struct arena *a, struct kv kv);

/* NULL when there is none. */
const struct kv *kv_find(const struct kv_list *l, struct str key);
/* False when absent or of a kind that does not fit: u64 takes every non-negative integer type. */
bool kv_get_u64(const struct kv_list *l, const char *key, uint64_t *out);
bool kv_get_str(const struct kv_list *l, const char *key, struct str *out);
bool kv_get_array(const struct kv_list *l, const char *key, struct kv_array *out);
bool kv_get_f64(const struct kv_list *l, const char *key, double *out); /* any number */

bool kv_array(const struct kv *kv, struct kv_array *out); /* @kv may be NULL */
bool kv_is_plain(const struct kv *kv); /* no string of it has a NUL in it; walks all of them */
/* The next element: the text of a string, the little-endian bytes of a number. False at the end. */
bool kv_array_next(struct kv_array *a, struct str *elem);
/* An encoded value or element. False when it is of another kind; u64 comes out as its bits. */
bool kv_integer(enum kv_type type, struct str value, int64_t *out);
bool kv_real(enum kv_type type, struct str value, double *out);

/* Bytes of one number of @type; 0 for strings and arrays. */
uint32_t kv_type_bytes(enum kv_type type);
const char *kv_type_name(enum kv_type type);

/* A value as text for people and attributes: a number, a string as it is, an array as
 * "[a, b, ...]" with at most @max elements. Writes at most @size bytes with the NUL; returns the
 * length that it would need, like snprintf. */
size_t kv_text(const struct kv *kv, uint64_t max, char *buf, size_t size);
