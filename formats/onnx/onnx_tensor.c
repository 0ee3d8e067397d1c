/* SPDX-License-Identifier: Apache-2.0
 * formats/onnx/onnx_tensor.c - where the numbers of one TensorProto lie. raw_data, float_data and
 * double_data are the bytes that are wanted; numbers in varints are unpacked to memory; external
 * data is in a file in the model's folder. */
#include "formats/checked.h"
#include "formats/onnx/onnx_graph.h"
#include "formats/onnx/onnx_model.h"
#include <endian.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>

enum {
    FIELD_FLOAT = 4,
    FIELD_INT32 = 5,
    FIELD_INT64 = 7,
    FIELD_RAW = 9,
    FIELD_DOUBLE = 10,
    FIELD_UINT64 = 11,
    MAX_UNPACKED = 64 << 20, /* bytes of a model's tensors whose numbers are varints */
    MAX_VARINT = 10,         /* bytes */
};

/* One row a type: ours, and the field that holds its numbers where it is not raw_data. */
static const struct {
    enum dtype dtype;
    uint32_t field;
} kinds[] = {
    [ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT] = { DTYPE_F32, FIELD_FLOAT },
    [ONNX__TENSOR_PROTO__DATA_TYPE__UINT8] = { DTYPE_U8, FIELD_INT32 },
    [ONNX__TENSOR_PROTO__DATA_TYPE__INT8] = { DTYPE_I8, FIELD_INT32 },
    [ONNX__TENSOR_PROTO__DATA_TYPE__UINT16] = { DTYPE_U16, FIELD_INT32 },
    [ONNX__TENSOR_PROTO__DATA_TYPE__INT16] = { DTYPE_I16, FIELD_INT32 },
    [ONNX__TENSOR_PROTO__DATA_TYPE__INT32] = { DTYPE_I32, FIELD_INT32 },
    [ONNX__TENSOR_PROTO__DATA_TYPE__INT64] = { DTYPE_I64, FIELD_INT64 },
    [ONNX__TENSOR_PROTO__DATA_TYPE__BOOL] = { DTYPE_BOOL, FIELD_INT32 },
    [ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT16] = { DTYPE_F16, FIELD_INT32 },
    [ONNX__TENSOR_PROTO__DATA_TYPE__DOUBLE] = { DTYPE_F64, FIELD_DOUBLE },
    [ONNX__TENSOR_PROTO__DATA_TYPE__UINT32] = { DTYPE_U32, FIELD_UINT64 },
    [ONNX__TENSOR_PROTO__DATA_TYPE__UINT64] = { DTYPE_U64, FIELD_UINT64 },
    [ONNX__TENSOR_PROTO__DATA_TYPE__COMPLEX64] = { DTYPE_C64, FIELD_FLOAT },
    [ONNX__TENSOR_PROTO__DATA_TYPE__COMPLEX128] = { DTYPE_C128, FIELD_DOUBLE },
    [ONNX__TENSOR_PROTO__DATA_TYPE__BFLOAT16] = { DTYPE_BF16, FIELD_INT32 },
    [ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT8E4M3FN] = { DTYPE_F8_E4M3, FIELD_INT32 },
    [ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT8E4M3FNUZ] = { DTYPE_F8_E4M3FNUZ, FIELD_INT32 },
    [ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT8E5M2] = { DTYPE_F8_E5M2, FIELD_INT32 },
    [ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT8E5M2FNUZ] = { DTYPE_F8_E5M2FNUZ, FIELD_INT32 },
    [ONNX__TENSOR_PROTO__DATA_TYPE__UINT4] = { DTYPE_U4, FIELD_INT32 },
    [ONNX__TENSOR_PROTO__DATA_TYPE__INT4] = { DTYPE_I4, FIELD_INT32 },
    [ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT4E2M1] = { DTYPE_F4, FIELD_INT32 },
    [ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT8E8M0] = { DTYPE_F8_E8M0, FIELD_INT32 },
    [ONNX__TENSOR_PROTO__DATA_TYPE__UINT2] = { DTYPE_U2, FIELD_INT32 },
    [ONNX__TENSOR_PROTO__DATA_TYPE__INT2] = { DTYPE_I2, FIELD_INT32 },
};
enum { N_KINDS = sizeof kinds / sizeof *kinds };

struct reader {
    struct tensor *out;
    struct model *m;
    struct root *root;
    const Onnx__TensorProto *t;
    const struct onnx_payload *at;
    struct buffer *unpacked;
    struct err *err;
};

static int bad(const struct reader *r, int code, const char *why) {
    const char *name = r->t->name ? r->t->name : "";
    return err_set(r->err, code, "tensor %.80s %s", name, why);
}

static enum dtype dtype_of(const Onnx__TensorProto *t) {
    return t->data_type > 0 && t->data_type < N_KINDS ? kinds[t->data_type].dtype : DTYPE_NONE;
}

/* dims, elems and bytes. */
static int read_shape(const struct reader *r) {
    struct tensor *o = r->out;
    uint64_t bits;
    bool fits = true;
    o->n_dims = (uint32_t)r->t->n_dims;
    o->elems = 1;
    for (uint32_t i = 0; i < o->n_dims; i++) {
        if (r->t->dims[i] < 0)
            return bad(r, -EBADMSG, "has a dimension below zero");
        o->dims[i] = (uint64_t)r->t->dims[i];
        fits = fits && checked_mul(o->elems, o->dims[i], &o->elems);
    }
    if (!fits || !checked_mul(o->elems, onnx_type_bits(r->t->data_type), &bits) || bits > INT64_MAX)
        return bad(r, -EBADMSG, "has dimensions whose product wraps");
    o->bytes = (bits + 7) / 8;
    return 0;
}

/* --- numbers in the model file --- */

/* A varint of ten bytes at the most; false where it does not end before @end. */
static bool next_varint(const uint8_t **p, const uint8_t *end, uint64_t *out) {
    const uint8_t *at = *p;
    *out = 0;
    for (unsigned shift = 0; at < end && shift < 70; shift += 7) {
        const uint8_t b = *at++;
        *out |= (uint64_t)(b & 127) << shift;
        if (!(b & 128)) {
            *p = at;
            return true;
        }
    }
    return false;
}

/* Varints of the file to numbers of @size bytes, appended to r->unpacked. */
static int unpack_varints(const struct reader *r, uint32_t size) {
    uint8_t piece[4096];
    uint64_t off = r->at->off, left = r->at->len, v;
    size_t held = 0;
    while (left > 0) {
        const uint64_t n = left < sizeof piece - held ? left : sizeof piece - held;
        int rc = source_pread(r->m->sources[0], piece + held, n, off, r->err);
        if (rc < 0)
            return rc;
        off += n;
        left -= n;
        const uint8_t *p = piece, *end = piece + held + n;
        while (next_varint(&p, end, &v)) {
            v = htole64(v);
            buffer_add(r->unpacked, &v, size);
        }
        held = (size_t)(end - p);
        if (held >= MAX_VARINT || (held && !left))
            return bad(r, -EBADMSG, "has numbers that do not end");
        memmove(piece, p, held);
    }
    return r->unpacked->failed ? bad(r, -ENOMEM, "finds no memory") : 0;
}

static int read_varints(const struct reader *r) {
    struct tensor *o = r->out;
    const uint32_t bits = onnx_type_bits(r->t->data_type), size = bits < 8 ? 1 : bits / 8;
    /* a number takes a byte of the file at least */
    if (r->at->len > (MAX_UNPACKED - r->unpacked->n) / size)
        return bad(r, -EFBIG, "has too many numbers that are not in raw_data; save it again");
    o->src = ONNX_UNPACKED;
    o->off = r->unpacked->n;
    int rc = unpack_varints(r, size);
    if (rc == 0 && r->unpacked->n - o->off != o->bytes)
        return bad(r, -EBADMSG, "has not as many numbers as its shape says");
    return rc;
}

static int read_numbers(const struct reader *r) {
    struct tensor *o = r->out;
    const uint32_t field = r->at->field, own = kinds[r->t->data_type].field;
    if (field == 0)
        return o->bytes ? bad(r, -EBADMSG, "has no numbers") : 0;
    if (field != FIELD_RAW && field != own)
        return bad(r, -EBADMSG, "has numbers of another type than its own");
    if (field == FIELD_INT32 || field == FIELD_INT64 || field == FIELD_UINT64)
        return read_varints(r);
    if (r->at->len != o->bytes)
        return bad(r, -EBADMSG, "has not as many numbers as its shape says");
    o->src = 0;
    o->off = r->at->off;
    return 0;
}

/* --- external data --- */

struct external {
    const char *location;
    uint64_t off, len;
    bool has_off, has_len;
};

static bool parse_number(const char *text, uint64_t *out) {
    uint64_t v = 0;
    const char *p = text;
    for (; *p >= '0' && *p <= '9'; p++)
        if (!checked_mul(v, 10, &v) || !checked_add(v, (uint64_t)(*p - '0'), &v))
            return false;
    *out = v;
    return p != text && !*p;
}

static int parse_external(const struct reader *r, struct external *x) {
    *x = (struct external){ .location = NULL };
    for (size_t i = 0; i < r->t->n_external_data; i++) {
        const Onnx__StringStringEntryProto *e = r->t->external_data[i];
        const char *key = e->key ? e->key : "", *value = e->value ? e->value : "";
        bool ok = true;
        if (strcmp(key, "location") == 0) {
            ok = !x->location;
            x->location = value;
        } else if (strcmp(key, "offset") == 0) {
            ok = !x->has_off && parse_number(value, &x->off);
            x->has_off = true;
        } else if (strcmp(key, "length") == 0) {
            ok = !x->has_len && parse_number(value, &x->len);
            x->has_len = true;
        }
        if (!ok)
            return bad(r, -EBADMSG,
                       "has external data with a bad or doubled location, offset or length");
    }
    return x->location ? 0 : bad(r, -EBADMSG, "has external data without a location");
}

/* A relative path that goes down only. */
static bool is_below(const char *path) {
    if (*path == '/' || !*path)
        return false;
    for (const char *p = path; *p;) {
        const char *end = strchrnul(p, '/');
        if (end - p == 2 && p[0] == '.' && p[1] == '.')
            return false;
        p = *end ? end + 1 : end;
    }
    return true;
}

/* The index of the source at @path; files with a tensor each come in a row. */
static int add_file(const struct reader *r, const char *path) {
    struct source *s;
    for (uint32_t i = r->m->n_sources; i-- > 1;)
        if (strcmp(source_path(r->m->sources[i]), path) == 0)
            return (int)i;
    int rc = source_open(&s, r->root, path, r->err);
    return rc < 0 ? rc : model_add_source(r->m, s, r->err);
}

static int read_external(const struct reader *r) {
    struct tensor *o = r->out;
    struct external x;
    char path[PATH_MAX];
    int rc = parse_external(r, &x);
    if (rc < 0)
        return rc;
    if (!is_below(x.location))
        return bad(r, -EACCES, "has external data that is not in the model's folder");
    const char *model = source_path(r->m->sources[0]), *slash = strrchr(model, '/');
    const int dir = slash ? (int)(slash + 1 - model) : 0;
    if (snprintf(path, sizeof path, "%.*s%s", dir, model, x.location) >= PATH_MAX)
        return bad(r, -ENAMETOOLONG, "has external data with too long a path");
    rc = add_file(r, path);
    if (rc < 0)
        return rc;
    if (x.has_len && x.len != o->bytes)
        return bad(r, -EBADMSG, "has external data of another length than its shape");
    if (!checked_range(x.off, o->bytes, source_ident(r->m->sources[rc])->size))
        return bad(r, -EBADMSG, "has external data beyond the end of its file");
    o->src = (uint32_t)rc;
    o->off = x.off;
    return 0;
}

/* --- the whole --- */

static bool is_external(const Onnx__TensorProto *t) {
    return t->has_data_location && t->data_location == ONNX__TENSOR_PROTO__DATA_LOCATION__EXTERNAL;
}

int onnx_tensor_read(struct tensor *out, bool *is_weight, struct model *m, struct root *root,
                     const Onnx__TensorProto *t, const struct onnx_payload *at,
                     struct buffer *unpacked, struct err *err) {
    const struct reader r = { out, m, root, t, at, unpacked, err };
    *out = (struct tensor){ .dtype = dtype_of(t) };
    *is_weight = false;
    if (t->data_type == ONNX__TENSOR_PROTO__DATA_TYPE__STRING)
        return 0;
    const bool kept = at->len <= ONNX_KEEP_BYTES && !is_external(t);
    if (out->dtype == DTYPE_NONE || t->n_dims > TENSOR_MAX_DIMS)
        return kept ? 0 : bad(&r, -ENOTSUP, "has a type, or more dimensions, than are read");
    int rc = read_shape(&r);
    if (rc == 0)
        rc = is_external(t) ? read_external(&r) : read_numbers(&r);
    *is_weight = rc == 0;
    return rc;
}
