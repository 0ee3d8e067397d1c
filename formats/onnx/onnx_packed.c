/* SPDX-License-Identifier: Apache-2.0
 * formats/onnx/onnx_packed.c - weights in small integers as the floats that the graph makes of
 * them: those of DequantizeLinear, and of com.microsoft's MatMulNBits. What has no such form (zero
 * points of DequantizeLinear that differ, scales along other axes) stays as it is stored. */
#include "formats/onnx/onnx_graph.h"
#include "formats/onnx/onnx_model.h"
#include "formats/packed.h"
#include <errno.h>

enum { MAX_ZEROS = 64 << 10 /* bytes of zero points that are looked at */ };

/* What four bits stand for in int4. */
static const float int4_values[16] = { 0, 1, 2, 3, 4, 5, 6, 7, -8, -7, -6, -5, -4, -3, -2, -1 };

struct unpack {
    struct model *m;
    bool *dropped; /* by tensor: it is a part of another now */
    struct err *err;
};

/* A tensor by the name that the graph uses, as it is stored; NULL: none. */
static const struct tensor *find_part(const struct unpack *u, const Onnx__NodeProto *n, size_t i) {
    const struct tensor *t = i < n->n_input ? model_find(u->m, str_from(n->input[i])) : NULL;
    return t ? &u->m->onnx->stored[t - u->m->tensors] : NULL;
}

static void drop(const struct unpack *u, const struct tensor *part) {
    if (part)
        u->dropped[part - u->m->onnx->stored] = true;
}

static int64_t int_attr(const Onnx__NodeProto *n, const char *name, int64_t otherwise) {
    const Onnx__AttributeProto *a = onnx_attr(n, name);
    return a && a->has_i ? a->i : otherwise;
}

/* "W_quantized", "W_Q4": W. */
static struct str base_name(struct str name) {
    static const char *const endings[] = { "_quantized", "_DQ_Q4", "_Q4", "_Q8" };
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++)
        if (str_ends(name, str_from(endings[i])) && name.n > strlen(endings[i])) {
            name.n -= strlen(endings[i]);
            break;
        }
    return name;
}

/* The weight takes the place of its integers. Where the parts do not fit each other, nothing
 * happens. */
static int put(struct unpack *u, const Onnx__NodeProto *n, const struct packed *p,
               const uint64_t *dims, uint32_t n_dims, const struct tensor *integers,
               const struct tensor *zeros) {
    struct arena *a = &u->m->arena;
    struct tensor *t = &u->m->tensors[integers - u->m->onnx->stored];
    struct packed *copy = arena_new(a, struct packed);
    struct tensor made = *integers;
    if (!copy)
        return err_set(u->err, -ENOMEM, "no memory for the model");
    *copy = *p;
    copy->type = p->scales->dtype;
    if (packed_tensor(&made, copy, dims, n_dims, NULL) < 0)
        return 0;
    made.name = onnx_module_name(a, n, base_name(integers->name));
    if (!made.name.p)
        return err_set(u->err, -ENOMEM, "no memory for the model");
    *t = made;
    drop(u, p->scales);
    drop(u, zeros);
    return 0;
}

static int unpack_nbits(struct unpack *u, const Onnx__NodeProto *n) {
    const struct tensor *words = find_part(u, n, 1), *scales = find_part(u, n, 2);
    const int64_t k = int_attr(n, "K", 0), rows = int_attr(n, "N", 0);
    const int64_t bits = int_attr(n, "bits", 4), block = int_attr(n, "block_size", 0);
    const struct tensor *zeros = find_part(u, n, 3);
    const bool more =
        (!zeros && n->n_input > 3 && *n->input[3]) || (n->n_input > 4 && *n->input[4]); /* g_idx */
    if (!words || !scales || more || k <= 0 || rows <= 0 || block <= 0 || k % block ||
        (bits != 4 && bits != 8))
        return 0;
    const uint64_t dims[2] = { (uint64_t)rows, (uint64_t)k };
    const struct packed p = { .method = "MatMulNBits",
                              .words = words,
                              .scales = scales,
                              .packing = { LANES_COLS, (uint32_t)bits, 8, NULL, NULL },
                              .zeros = zeros,
                              .zeros_across = true,
                              .zero = zeros ? 0 : (float)(1 << (bits - 1)),
                              .factor = 1,
                              .input_scale = 1,
                              .rows = dims[0],
                              .cols = dims[1],
                              .group_rows = 1,
                              .group_cols = (uint64_t)block,
                              .groups = dims[1] / (uint64_t)block };
    return put(u, n, &p, dims, 2, words, zeros);
}

/* The zero point, if it is one for all. */
static bool find_zero(const struct unpack *u, const struct tensor *zeros, float *out) {
    uint8_t bytes[256];
    *out = 0;
    if (!zeros)
        return true;
    for (uint64_t at = 0; at < zeros->bytes; at += sizeof bytes) {
        const uint64_t left = zeros->bytes - at, n = left < sizeof bytes ? left : sizeof bytes;
        if (zeros->bytes > MAX_ZEROS ||
            source_pread(u->m->sources[zeros->src], bytes, n, zeros->off + at, NULL) < 0)
            return false;
        for (uint64_t i = 0; i < n; i++) {
            const bool nibbles = zeros->dtype == DTYPE_I4 || zeros->dtype == DTYPE_U4;
            const uint8_t low = nibbles ? bytes[i] & 15 : bytes[i];
            const float z = zeros->dtype == DTYPE_I8   ? (float)(int8_t)low
                            : zeros->dtype == DTYPE_I4 ? int4_values[low]
                                                       : (float)low;
            if ((nibbles && bytes[i] >> 4 != low) || ((at || i) && z != *out))
                return false;
            *out = z;
        }
    }
    return true;
}

/* How integers of a type lie. @words gets them as bytes. */
static bool find_packing(const struct tensor *x, struct tensor *words, struct packing *out) {
    *words = *x;
    switch (x->dtype) {
    case DTYPE_I8:
        *out = (struct packing){ LANES_NONE, 8, 8, NULL, NULL };
        return true;
    case DTYPE_U8:
        *out = (struct packing){ LANES_COLS, 8, 8, NULL, NULL };
        return true;
    case DTYPE_I4:
    case DTYPE_U4:
        *out =
            (struct packing){ LANES_COLS, 4, 8, NULL, x->dtype == DTYPE_I4 ? int4_values : NULL };
        words->dtype = DTYPE_U8;
        words->elems = x->bytes;
        return x->dims[x->n_dims - 1] % 2 == 0;
    default:
        return false;
    }
}

/* Which numbers share a scale: all, those of a row or a column, or blocks of these. */
static bool find_groups(struct packed *p, const Onnx__NodeProto *n, const struct tensor *x) {
    int64_t axis = int_attr(n, "axis", 1);
    const int64_t block = int_attr(n, "block_size", 0);
    axis += axis < 0 ? x->n_dims : 0;
    p->group_rows = p->rows;
    p->group_cols = p->cols;
    p->one_scale = true;
    if (p->scales->elems != 1) {
        if (x->n_dims != 2 || axis < 0 || axis > 1 || block < 0)
            return false;
        p->group_rows = axis == 0 ? (block ? (uint64_t)block : 1) : block ? 1 : p->rows;
        p->group_cols = axis == 1 ? (block ? (uint64_t)block : 1) : block ? 1 : p->cols;
    }
    p->groups = p->cols / p->group_cols + (p->cols % p->group_cols != 0);
    return true;
}

static int unpack_linear(struct unpack *u, const Onnx__NodeProto *n) {
    const struct tensor *x = find_part(u, n, 0), *scales = find_part(u, n, 1);
    const struct tensor *zeros = find_part(u, n, 2);
    struct tensor *words = arena_new(&u->m->arena, struct tensor);
    struct packed p = { .method = "DequantizeLinear",
                        .words = words,
                        .scales = scales,
                        .factor = 1,
                        .input_scale = 1 };
    if (!words)
        return err_set(u->err, -ENOMEM, "no memory for the model");
    if (!x || !scales || x->n_dims < 2 || !x->elems || (!zeros && n->n_input > 2 && *n->input[2]) ||
        !find_packing(x, words, &p.packing) || !find_zero(u, zeros, &p.zero))
        return 0;
    p.rows = x->dims[x->n_dims - 2];
    p.cols = x->dims[x->n_dims - 1];
    if (!find_groups(&p, n, x))
        return 0;
    return put(u, n, &p, x->dims, x->n_dims, x, zeros);
}

int onnx_unpack_weights(struct model *m, const Onnx__ModelProto *p, bool **dropped,
                        struct err *err) {
    struct unpack u = { .m = m, .err = err };
    int rc = 0;
    u.dropped = *dropped = arena_array(&m->arena, bool, m->n_tensors);
    if (!u.dropped)
        return err_set(err, -ENOMEM, "no memory for %u tensors", m->n_tensors);
    for (size_t i = 0; rc == 0 && i < p->graph->n_node; i++) {
        const Onnx__NodeProto *n = p->graph->node[i];
        if (onnx_is_op(n, "DequantizeLinear"))
            rc = unpack_linear(&u, n);
        else if (n->op_type && strcmp(n->op_type, "MatMulNBits") == 0)
            rc = unpack_nbits(&u, n);
    }
    return rc;
}
