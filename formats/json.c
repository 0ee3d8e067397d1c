/* SPDX-License-Identifier: Apache-2.0
 * formats/json.c - the only file that knows json-c. */
#define json_type jsonc_type /* types of json-c, whose names are functions of json.h */
#define json_bool jsonc_bool
#include <json-c/json.h>
#undef json_type
#undef json_bool
#include "formats/json.h"
#include "formats/buffer.h"
#include "formats/json_scan.h"
#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>

/* json-c says NULL for null; here NULL is "absent", so a null that is there has an address. */
static const char null_value;
#define JSON_NULL_VALUE ((const struct json *)&null_value)

static const struct json *wrap(const struct json_object *o) {
    return o ? (const struct json *)o : JSON_NULL_VALUE;
}

/* json-c reads objects that it is given as not const, and leaves them as they are. */
static struct json_object *unwrap(const struct json *v) {
    return v == JSON_NULL_VALUE ? NULL : (struct json_object *)(uintptr_t)v;
}

/* Members of all objects below @o. The scan has bounded the depth. */
static uint64_t count_members(struct json_object *o) {
    uint64_t n = 0;
    if (json_object_is_type(o, json_type_array)) {
        for (size_t i = 0; i < json_object_array_length(o); i++)
            n += count_members(json_object_array_get_idx(o, i));
    } else if (json_object_is_type(o, json_type_object)) {
        n = (uint64_t)json_object_object_length(o);
        for (struct lh_entry *e = json_object_get_object(o)->head; e; e = e->next)
            n += count_members((struct json_object *)lh_entry_v(e));
    }
    return n;
}

int json_parse(struct json **out, struct str text, struct err *err) {
    uint64_t members;
    if (text.n > INT_MAX)
        return err_set(err, -EFBIG, "JSON: %zu bytes are too many", text.n);
    int ret = json_scan(text, &members, err);
    if (ret < 0)
        return ret;
    /* json-c counts a scalar as a level of its own, and ends a number where the text does only if
     * it is told: finish with a NUL. */
    struct json_tokener *tok = json_tokener_new_ex(JSON_MAX_DEPTH + 1);
    if (!tok)
        return err_set(err, -ENOMEM, "JSON: out of memory");
    struct json_object *o = json_tokener_parse_ex(tok, text.p, (int)text.n);
    if (json_tokener_get_error(tok) == json_tokener_continue)
        o = json_tokener_parse_ex(tok, "", 1);
    enum json_tokener_error e = json_tokener_get_error(tok);
    json_tokener_free(tok);
    if (e != json_tokener_success)
        return err_set(err, e == json_tokener_error_size ? -ENOMEM : -EBADMSG, "JSON: %s",
                       json_tokener_error_desc(e));
    /* json-c keeps the last of members with the same key, so the tree then has fewer. */
    if (count_members(o) != members) {
        json_object_put(o);
        return err_set(err, -EBADMSG, "JSON: a key occurs twice in an object");
    }
    *out = (struct json *)(uintptr_t)wrap(o);
    return 0;
}

void json_free(struct json *doc) {
    if (doc)
        json_object_put(unwrap(doc));
}

enum json_type json_type(const struct json *v) {
    switch (json_object_get_type(unwrap(v))) {
    case json_type_boolean:
        return JSON_BOOL;
    case json_type_int:
        return JSON_INT;
    case json_type_double:
        return JSON_DOUBLE;
    case json_type_string:
        return JSON_STRING;
    case json_type_array:
        return JSON_ARRAY;
    case json_type_object:
        return JSON_OBJECT;
    case json_type_null:
    default:
        return JSON_NULL;
    }
}

const struct json *json_get(const struct json *object, const char *key) {
    struct json_object *v;
    if (json_type(object) != JSON_OBJECT || !json_object_object_get_ex(unwrap(object), key, &v))
        return NULL;
    return wrap(v);
}

bool json_is_null(const struct json *v) {
    return !unwrap(v);
}

/* json-c holds integers that fit neither i64 nor u64 at the ends of its range, so the ends
 * themselves cannot be told from what lies beyond them: both are too large. */
static bool is_beyond(const struct json *v) {
    return json_object_get_uint64(unwrap(v)) == UINT64_MAX ||
           json_object_get_int64(unwrap(v)) == INT64_MIN;
}

bool json_u64(const struct json *v, uint64_t *out) {
    if (json_type(v) != JSON_INT || is_beyond(v) || json_object_get_int64(unwrap(v)) < 0)
        return false;
    *out = json_object_get_uint64(unwrap(v));
    return true;
}

bool json_i64(const struct json *v, int64_t *out) {
    if (json_type(v) != JSON_INT || is_beyond(v))
        return false;
    int64_t i = json_object_get_int64(unwrap(v));
    if (i >= 0 && json_object_get_uint64(unwrap(v)) > INT64_MAX)
        return false;
    *out = i;
    return true;
}

bool json_f64(const struct json *v, double *out) {
    enum json_type type = json_type(v);
    if (type != JSON_DOUBLE && (type != JSON_INT || is_beyond(v)))
        return false;
    *out = json_object_get_double(unwrap(v));
    return true;
}

bool json_bool(const struct json *v, bool *out) {
    if (json_type(v) != JSON_BOOL)
        return false;
    *out = json_object_get_boolean(unwrap(v));
    return true;
}

bool json_str(const struct json *v, struct str *out) {
    if (json_type(v) != JSON_STRING)
        return false;
    struct json_object *o = unwrap(v);
    *out = (struct str){ json_object_get_string(o), (size_t)json_object_get_string_len(o) };
    return true;
}

size_t json_len(const struct json *v) {
    switch (json_type(v)) {
    case JSON_ARRAY:
        return json_object_array_length(unwrap(v));
    case JSON_OBJECT:
        return (size_t)json_object_object_length(unwrap(v));
    default:
        return 0;
    }
}

const struct json *json_at(const struct json *array, size_t i) {
    if (json_type(array) != JSON_ARRAY || i >= json_len(array))
        return NULL;
    return wrap(json_object_array_get_idx(unwrap(array), i));
}

struct json_iter json_iter(const struct json *object) {
    struct json_iter it = { 0 };
    if (json_type(object) == JSON_OBJECT)
        it.entry = json_object_get_object(unwrap(object))->head;
    return it;
}

bool json_next(struct json_iter *it) {
    struct lh_entry *e = it->entry;
    if (!e)
        return false;
    it->key = str_from(lh_entry_k(e));
    it->value = wrap((struct json_object *)lh_entry_v(e));
    it->entry = e->next;
    return true;
}

/* --- printing: without json_object_to_json_string, which writes into the object --- */

static void print_number(struct buffer *b, struct json_object *o) {
    const char *text = json_object_get_userdata(o); /* a double as the file has it */
    char buf[32];
    if (json_object_is_type(o, json_type_int)) {
        const int64_t i = json_object_get_int64(o);
        if (i < 0)
            snprintf(buf, sizeof buf, "%lld", (long long)i);
        else
            snprintf(buf, sizeof buf, "%llu", (unsigned long long)json_object_get_uint64(o));
        text = buf;
    } else if (!text) {
        const double d = json_object_get_double(o);
        snprintf(buf, sizeof buf, "%.17g", d);
        text = isnan(d) ? "NaN" : isinf(d) ? (d < 0 ? "-Infinity" : "Infinity") : buf;
    }
    buffer_z(b, text);
}

void json_print_line(struct buffer *b, unsigned depth) {
    buffer_z(b, "\n");
    for (unsigned i = 0; i < depth; i++)
        buffer_z(b, "  ");
}

static void print_array(struct buffer *b, const struct json *v, unsigned depth) {
    const size_t n = json_len(v);
    buffer_z(b, "[");
    for (size_t i = 0; i < n; i++) {
        buffer_z(b, i ? "," : "");
        json_print_line(b, depth + 1);
        json_print(b, json_at(v, i), depth + 1);
    }
    if (n)
        json_print_line(b, depth);
    buffer_z(b, "]");
}

static void print_object(struct buffer *b, const struct json *v, unsigned depth) {
    bool first = true;
    buffer_z(b, "{");
    for (struct json_iter it = json_iter(v); json_next(&it); first = false) {
        buffer_z(b, first ? "" : ",");
        json_print_line(b, depth + 1);
        buffer_json(b, it.key);
        buffer_z(b, ": ");
        json_print(b, it.value, depth + 1);
    }
    if (!first)
        json_print_line(b, depth);
    buffer_z(b, "}");
}

void json_print(struct buffer *b, const struct json *v, unsigned depth) {
    struct str s;
    bool yes;
    switch (json_type(v)) {
    case JSON_OBJECT:
        print_object(b, v, depth);
        break;
    case JSON_ARRAY:
        print_array(b, v, depth);
        break;
    case JSON_STRING:
        if (json_str(v, &s))
            buffer_json(b, s);
        break;
    case JSON_BOOL:
        buffer_z(b, json_bool(v, &yes) && yes ? "true" : "false");
        break;
    case JSON_INT:
    case JSON_DOUBLE:
        print_number(b, unwrap(v));
        break;
    case JSON_NULL:
        buffer_z(b, "null");
        break;
    }
}
