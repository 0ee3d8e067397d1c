/* SPDX-License-Identifier: Apache-2.0
 * formats/json.h - the door to JSON (json-c): what Python writes is read (NaN, Infinity, integers
 * of any size). A scan goes before the parser, so that depth and memory are bounded and a key
 * that occurs twice is an error. */
#pragma once
#include "formats/err.h"
#include "formats/str.h"
#include <stdbool.h>
#include <stdint.h>

struct json; /* a document or a value in it; values live as long as their document */

enum { JSON_MAX_DEPTH = 64 };

enum json_type {
    JSON_NULL,
    JSON_BOOL,
    JSON_INT,
    JSON_DOUBLE,
    JSON_STRING,
    JSON_ARRAY,
    JSON_OBJECT
};

/* -EBADMSG with the byte offset for what is not JSON, not UTF-8, too deep or has a key twice. */
int json_parse(struct json **out, struct str text, struct err *err);
void json_free(struct json *doc); /* NULL is fine */

bool json_is_utf8(struct str s);

/* NULL (a C one) stands for "not there" and may be passed on to any of these. */
enum json_type json_type(const struct json *v);
const struct json *json_get(const struct json *object, const char *key); /* NULL: absent */
bool json_is_null(const struct json *v);                                 /* absent or null */

/* False when absent or of another type. json_u64 takes integers from 0 on, json_f64 any number. */
bool json_u64(const struct json *v, uint64_t *out);
bool json_i64(const struct json *v, int64_t *out);
bool json_f64(const struct json *v, double *out);
bool json_bool(const struct json *v, bool *out);
bool json_str(const struct json *v, struct str *out);

size_t json_len(const struct json *v); /* of an array or object, else 0 */
const struct json *json_at(const struct json *array, size_t i);

/* The members of an object in the order of the file:
 *   for (struct json_iter it = json_iter(obj); json_next(&it);) ... it.key, it.value */
struct json_iter {
    void *entry;
    struct str key;
    const struct json *value;
};
struct json_iter json_iter(const struct json *object);
bool json_next(struct json_iter *it);

/* As text, laid out as Python's json.dumps(v, indent=2, ensure_ascii=False); numbers as they were
 * written. @depth: of the line that it begins in. Thread-safe. */
struct buffer;
void json_print(struct buffer *b, const struct json *v, unsigned depth);
void json_print_line(struct buffer *b, unsigned depth); /* a line break and the indentation */
