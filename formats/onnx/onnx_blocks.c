/* SPDX-License-Identifier: Apache-2.0
 * formats/onnx/onnx_blocks.c - the weights of MatMulNBits. */
#include "formats/onnx/onnx_blocks.h"
#include "formats/checked.h"
#include "quant/codec.h"

enum {
    DEFAULT_BLOCK = 32,
    STRIP_FLOATS = 64 << 10, /* of rows that are turned over at once */
    UINT8 = ONNX__TENSOR_PROTO__DATA_TYPE__UINT8,
};

bool onnx_blocks_of(const struct spec *s, struct nbits *out) {
    const int type = s->type->file_type;
    const bool half = type == FILE_INT4_F16 || type == FILE_INT8_F16;
    const bool wide = type == FILE_INT8 || type == FILE_INT8_F16;
    *out = (struct nbits){ .bits = wide ? 8 : 4,
                           .block = s->block ? s->block : DEFAULT_BLOCK,
                           .asym = s->asym,
                           .half = half };
    return half || type == FILE_INT4 || (type == FILE_INT8 && s->block);
}

/* @e with @blocks of them in each row. */
static const struct expr *whole_blocks(struct arena *a, const struct expr *e,
                                       const struct nbits *how, uint64_t blocks) {
    if (!expr_unpacks(e) && codec_can_repack(expr_copies(e), dtype_nbits(how, NBITS_LEVELS)))
        return e;
    return expr_pad(a, expr_round(a, e, how->half ? DTYPE_F16 : DTYPE_F32), blocks * how->block);
}

struct onnx_blocks onnx_name_blocks(struct onnx_graph *g, const char *weight,
                                    const struct nbits *how) {
    return (struct onnx_blocks){ .levels = onnx_text(g, "%s_Q%u", weight, how->bits),
                                 .scales = onnx_text(g, "%s_scales", weight),
                                 .zeros = how->asym ? onnx_text(g, "%s_zero_points", weight) : "" };
}

/* What a matrix [N, K] becomes: a tensor of levels, one of scales, one of zero points. */
enum { LEVELS, SCALES, ZEROS, N_PARTS };
struct block_part {
    const char *name; /* "": it has none */
    int32_t type;
    uint32_t n_dims;
    uint64_t dims[3];
    uint64_t blocks; /* of a row */
    enum dtype to;
};

static void lay_out(struct block_part out[N_PARTS], const struct onnx_blocks *names, uint64_t k,
                    uint64_t n, const struct nbits *how) {
    const uint64_t blocks = (k + how->block - 1) / how->block;
    const uint64_t pack = 8 / how->bits, zero_bytes = (blocks + pack - 1) / pack;
    const bool lone = pack == 2 && blocks % 2 == 0 && k % how->block == 1;
    out[LEVELS] = (struct block_part){ .name = names->levels,
                                       .type = UINT8,
                                       .n_dims = 3,
                                       .dims = { n, blocks, how->block * how->bits / 8 },
                                       .blocks = blocks,
                                       .to = dtype_nbits(how, lone ? NBITS_PAIR : NBITS_LEVELS) };
    out[SCALES] = (struct block_part){ .name = names->scales,
                                       .type = how->half ? ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT16
                                                         : ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT,
                                       .n_dims = 2,
                                       .dims = { n, blocks },
                                       .blocks = blocks,
                                       .to = dtype_nbits(how, NBITS_SCALE) };
    out[ZEROS] = (struct block_part){ .name = names->zeros,
                                      .type = UINT8,
                                      .n_dims = 2,
                                      .dims = { n, zero_bytes },
                                      .blocks = zero_bytes * pack,
                                      .to = dtype_nbits(how, NBITS_ZERO) };
}

bool onnx_add_blocks(struct onnx_graph *g, const struct onnx_blocks *names, const struct expr *e,
                     const struct nbits *how) {
    const struct expr *whole = NULL;
    struct block_part parts[N_PARTS];
    lay_out(parts, names, e->cols, e->rows, how);
    for (int i = 0; i < N_PARTS; i++) {
        const struct block_part *p = &parts[i];
        struct onnx_weight w = {
            .name = p->name, .type = p->type, .n_dims = p->n_dims, .to = p->to
        };
        if (!*p->name)
            continue;
        memcpy(w.dims, p->dims, sizeof p->dims);
        if (i == LEVELS || p->blocks != parts[LEVELS].blocks)
            whole = whole_blocks(g->arena, e, how, p->blocks);
        w.expr = whole;
        if (!w.expr || !onnx_add_weight(g, &w))
            return false;
    }
    return true;
}

/* Rows of @x [k, n] turned over, padded to @cols numbers, and written as @to. */
static bool encode_turned(struct arena *a, uint8_t *dst, const float *x, uint64_t k, uint64_t n,
                          uint64_t cols, enum dtype to) {
    static const uint32_t padding = KERNEL_PADDING;
    const uint64_t most = cols < STRIP_FLOATS ? STRIP_FLOATS / cols : 1;
    float *strip = arena_array(a, float, (most < n ? most : n) * cols);
    for (uint64_t first = 0; strip && first < n; first += most) {
        const uint64_t rows = n - first < most ? n - first : most;
        uint64_t bytes;
        for (uint64_t r = 0; r < rows; r++)
            for (uint64_t i = 0; i < cols; i++)
                memcpy(&strip[r * cols + i], i < k ? (const void *)&x[i * n + first + r] : &padding,
                       sizeof *strip);
        if (!dtype_bytes(to, rows * cols, &bytes) || codec_narrow(to, dst, strip, rows * cols) < 0)
            return false;
        dst += bytes;
    }
    return strip;
}

bool onnx_add_inner_blocks(struct onnx_graph *g, struct onnx_scope *s,
                           const struct onnx_blocks *names, const float *x, uint64_t k, uint64_t n,
                           const struct nbits *how) {
    struct block_part parts[N_PARTS];
    lay_out(parts, names, k, n, how);
    for (int i = 0; i < N_PARTS; i++) {
        const struct block_part *p = &parts[i];
        const uint64_t cols = p->blocks * how->block;
        uint64_t elems, bytes;
        int64_t dims[3];
        if (!*p->name)
            continue;
        for (uint32_t d = 0; d < p->n_dims; d++)
            dims[d] = (int64_t)p->dims[d];
        if (!checked_mul(n, cols, &elems) || !dtype_bytes(p->to, elems, &bytes))
            return false;
        Onnx__TensorProto *t =
            onnx_make_constant(g, p->name, p->type, dims, p->n_dims, NULL, bytes);
        if (!t || !encode_turned(g->arena, t->raw_data.data, x, k, n, cols, p->to))
            return false;
        onnx_scope_add(g, s, t);
    }
    return true;
}

void onnx_blocks_attrs(struct onnx_graph *g, Onnx__NodeProto *n, uint64_t k, uint64_t rows,
                       const struct nbits *how) {
    onnx_attr_int(g, n, "K", (int64_t)k);
    onnx_attr_int(g, n, "N", (int64_t)rows);
    onnx_attr_int(g, n, "bits", how->bits);
    onnx_attr_int(g, n, "block_size", how->block);
}
