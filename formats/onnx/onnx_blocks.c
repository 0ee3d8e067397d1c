/* SPDX-License-Identifier: Apache-2.0
 * formats/onnx/onnx_blocks.c - the weights of MatMulNBits. */
#include "formats/onnx/onnx_blocks.h"
#include "quant/codec.h"

enum { DEFAULT_BLOCK = 32 };

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

bool onnx_add_blocks(struct onnx_graph *g, const struct onnx_blocks *names, const struct expr *e,
                     const struct nbits *how) {
    const uint64_t blocks = (e->cols + how->block - 1) / how->block;
    const uint64_t pack = 8 / how->bits, zero_bytes = (blocks + pack - 1) / pack;
    const struct expr *whole = whole_blocks(g->arena, e, how, blocks);
    const bool lone = pack == 2 && blocks % 2 == 0 && e->cols % how->block == 1;
    const int32_t type =
        how->half ? ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT16 : ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT;
    struct onnx_weight levels = { .name = names->levels,
                                  .type = ONNX__TENSOR_PROTO__DATA_TYPE__UINT8,
                                  .n_dims = 3,
                                  .dims = { e->rows, blocks, how->block * how->bits / 8 },
                                  .expr = whole,
                                  .to = dtype_nbits(how, lone ? NBITS_PAIR : NBITS_LEVELS) };
    struct onnx_weight scales = { .name = names->scales,
                                  .type = type,
                                  .n_dims = 2,
                                  .dims = { e->rows, blocks },
                                  .expr = whole,
                                  .to = dtype_nbits(how, NBITS_SCALE) };
    struct onnx_weight zeros = { .name = names->zeros,
                                 .type = ONNX__TENSOR_PROTO__DATA_TYPE__UINT8,
                                 .n_dims = 2,
                                 .dims = { e->rows, zero_bytes },
                                 .to = dtype_nbits(how, NBITS_ZERO) };
    if (!whole || !onnx_add_weight(g, &levels) || !onnx_add_weight(g, &scales))
        return false;
    if (!how->asym)
        return true;
    zeros.expr = whole_blocks(g->arena, e, how, zero_bytes * pack);
    return zeros.expr && onnx_add_weight(g, &zeros);
}

void onnx_blocks_attrs(struct onnx_graph *g, Onnx__NodeProto *n, uint64_t k, uint64_t rows,
                       const struct nbits *how) {
    onnx_attr_int(g, n, "K", (int64_t)k);
    onnx_attr_int(g, n, "N", (int64_t)rows);
    onnx_attr_int(g, n, "bits", how->bits);
    onnx_attr_int(g, n, "block_size", how->block);
}
