/* SPDX-License-Identifier: Apache-2.0
 * formats/onnx/net.c - nodes, constants and weights. */
#include "formats/onnx/net.h"
#include <endian.h>
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>

static enum net_linear linear_of(const struct spec *spec, const struct hf_source *src,
                                 struct nbits *blocks) {
    if (onnx_blocks_of(spec, blocks))
        return NET_NBITS;
    if (spec->type->file_type != FILE_INT8)
        return NET_GEMM;
    return hf_source_has_blocks(src) ? NET_BLOCKS : NET_MATMUL;
}

void net_begin(struct net *n, struct onnx_graph *g, struct hf_source *src, const struct spec *spec,
               bool newest, struct err *err) {
    *n = (struct net){ .g = g, .src = src, .scope = "", .err = err };
    n->linear = linear_of(spec, src, &n->blocks);
    n->half = spec->type->base == DTYPE_F16 || (n->linear == NET_NBITS && n->blocks.half);
    onnx_graph_init(g, g->arena, newest ? 11 : 8, newest ? 23 : 17,
                    spec->contrib || n->linear == NET_NBITS || n->linear == NET_BLOCKS);
    g->external = true;
    n->type =
        n->half ? ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT16 : ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT;
    n->dtype = n->half ? DTYPE_F16 : DTYPE_F32;
}

void net_fail(struct net *n, int code, const char *fmt, ...) {
    char text[200];
    va_list ap;
    if (n->rc < 0)
        return;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    n->rc = err_set(n->err, code, "%s", text);
}

void net_remember(struct net *n, int rc) {
    if (rc < 0 && n->rc == 0)
        n->rc = rc;
}

void net_scope(struct net *n, const char *fmt, ...) {
    char text[128];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    n->scope = onnx_text(n->g, "%s", text);
}

/* --- nodes --- */

const char *net_name(struct net *n, const char *prefix, const char *name) {
    return onnx_text(n->g, "%s%s", prefix, name);
}

const char *net_output(struct net *n, const char *name, unsigned i) {
    return onnx_text(n->g, "%s/%s/output_%u", n->scope, name, i);
}

void net_node(struct net *n, const char *domain, const char *op, const char *name,
              const char *const *inputs, const char *const *outputs) {
    n->last =
        onnx_add_node(n->g, domain, op, onnx_text(n->g, "%s/%s", n->scope, name), inputs, outputs);
}

const char *net_op(struct net *n, const char *op, const char *name, const char *const *inputs) {
    const char *out = net_output(n, name, 0);
    net_node(n, "", op, name, inputs, ONNX_NAMES(out));
    return out;
}

void net_int(struct net *n, const char *name, int64_t v) {
    onnx_attr_int(n->g, n->last, name, v);
}

void net_float(struct net *n, const char *name, double v) {
    onnx_attr_float(n->g, n->last, name, (float)v);
}

void net_ints(struct net *n, const char *name, size_t count, const int64_t *v) {
    onnx_attr_ints(n->g, n->last, name, v, count);
}

const char *net_cast(struct net *n, const char *x, int32_t type, const char *name) {
    const char *y = NET_OP(n, "Cast", name, x);
    net_int(n, "to", type);
    return y;
}

const char *net_widen(struct net *n, const char *x, const char *name) {
    return n->half ? net_cast(n, x, ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT, name) : x;
}

const char *net_narrow(struct net *n, const char *x, const char *name) {
    return n->half ? net_cast(n, x, n->type, name) : x;
}

const char *net_transpose(struct net *n, const char *x, const char *name, int64_t a, int64_t b,
                          int64_t c, int64_t d) {
    const char *y = NET_OP(n, "Transpose", name, x);
    net_ints(n, "perm", 4, (const int64_t[]){ a, b, c, d });
    return y;
}

/* --- constants --- */

static const char *constant(struct net *n, int32_t type, size_t n_dims, int64_t dim,
                            const void *value, size_t bytes) {
    for (size_t i = 0; i < n->n_constants; i++) {
        const struct net_constant *c = &n->constants[i];
        if (c->type == type && c->n_dims == n_dims && c->bytes == bytes &&
            memcmp(c->value, value, bytes) == 0)
            return c->name;
    }
    if (n->n_constants == n->cap_constants) {
        const size_t cap = n->cap_constants ? 2 * n->cap_constants : 32;
        struct net_constant *more = arena_array(n->g->arena, struct net_constant, cap);
        if (!more)
            n->g->failed = true;
        else if (n->n_constants)
            memcpy(more, n->constants, n->n_constants * sizeof *more);
        n->constants = more ? more : n->constants;
        n->cap_constants = more ? cap : n->cap_constants;
    }
    const struct str copy = arena_str(n->g->arena, (struct str){ value, bytes });
    const char *name = onnx_text(n->g, "const_%zu", n->n_constants);
    n->g->failed |= !copy.p;
    if (n->g->failed)
        return "";
    n->constants[n->n_constants++] =
        (struct net_constant){ name, type, n_dims, bytes, dim, copy.p };
    onnx_add_constant(n->g, name, type, &dim, n_dims, value, bytes);
    return name;
}

const char *net_i64(struct net *n, size_t count, const int64_t *v) {
    int64_t le[16] = { 0 };
    if (count > sizeof le / sizeof *le) {
        net_fail(n, -EINVAL, "a constant of %zu numbers", count);
        return "";
    }
    for (size_t i = 0; i < count; i++)
        le[i] = (int64_t)htole64((uint64_t)v[i]);
    return constant(n, ONNX__TENSOR_PROTO__DATA_TYPE__INT64, 1, (int64_t)count, le,
                    count * sizeof *le);
}

const char *net_i64_scalar(struct net *n, int64_t v) {
    const uint64_t le = htole64((uint64_t)v);
    return constant(n, ONNX__TENSOR_PROTO__DATA_TYPE__INT64, 0, 0, &le, sizeof le);
}

const char *net_f32(struct net *n, float v) {
    uint32_t bits;
    memcpy(&bits, &v, sizeof bits);
    bits = htole32(bits);
    return constant(n, ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT, 0, 0, &bits, sizeof bits);
}

const char *net_scalar(struct net *n, double v) {
    const float value = (float)v;
    if (!n->half)
        return net_f32(n, value);
    const char *name = onnx_text(n->g, "half_%.9g", v);
    for (size_t i = 0; i < n->g->n_weights; i++)
        if (strcmp(n->g->weights[i]->name, name) == 0)
            return name;
    return net_weight(n, name, expr_literal(n->g->arena, &value, 1), 0, 0, 0);
}

/* --- weights --- */

const char *net_weight(struct net *n, const char *label, const struct expr *e, uint32_t n_dims,
                       uint64_t d0, uint64_t d1) {
    const struct onnx_weight w = { .name = label,
                                   .type = n->type,
                                   .n_dims = n_dims,
                                   .dims = { d0, d1 },
                                   .expr = e,
                                   .to = n->dtype };
    if (!e)
        n->g->failed = true;
    if (!n->g->failed)
        onnx_add_weight(n->g, &w);
    return label;
}

const struct target *net_tensor(struct net *n, const char *name, uint64_t d0, uint64_t d1) {
    const struct target *t = hf_source_find(n->src, name);
    if (!t) {
        net_fail(n, -EBADMSG, "tensor %s is missing", name);
        return NULL;
    }
    const uint32_t n_dims = d1 ? 2 : 1;
    if (t->n_dims != n_dims || t->dims[0] != d0 || (d1 && t->dims[1] != d1)) {
        net_fail(n, -EBADMSG, "tensor %s: its shape is not [%llu%s%.0llu], as config.json says",
                 name, (unsigned long long)d0, d1 ? ", " : "", (unsigned long long)d1);
        return NULL;
    }
    if (!dtype_is_float(t->dtype) && !dtype_is_quantized(t->dtype)) {
        net_fail(n, -ENOTSUP, "tensor %s: numbers of type %s", name, dtype_info[t->dtype].name);
        return NULL;
    }
    return t;
}

/* Twice the same name is the same weight. */
static const char *whole(struct net *n, const char *name, uint64_t d0, uint64_t d1) {
    for (size_t i = 0; i < n->g->n_weights; i++)
        if (strcmp(n->g->weights[i]->name, name) == 0)
            return name;
    const struct target *t = net_tensor(n, name, d0, d1);
    return t ? net_weight(n, name, t->expr, t->n_dims, d0, d1) : "";
}

const char *net_vector(struct net *n, const char *name, uint64_t size) {
    return whole(n, name, size, 0);
}

const char *net_matrix(struct net *n, const char *name, uint64_t rows, uint64_t cols) {
    return whole(n, name, rows, cols);
}
