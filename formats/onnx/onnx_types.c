/* SPDX-License-Identifier: Apache-2.0
 * formats/onnx/onnx_types.c - converting what stands in the graph itself. */
#include "formats/onnx/onnx_types.h"
#include "formats/checked.h"
#include "quant/codec.h"
#include <errno.h>
#include <math.h>

static enum dtype float_dtype(int32_t type) {
    switch (type) {
    case ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT:
        return DTYPE_F32;
    case ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT16:
        return DTYPE_F16;
    case ONNX__TENSOR_PROTO__DATA_TYPE__BFLOAT16:
        return DTYPE_BF16;
    default:
        return DTYPE_NONE;
    }
}

/* Its numbers, wherever they are. */
static int read_floats(const Onnx__TensorProto *t, float *dst, uint64_t n) {
    const enum dtype from = float_dtype(t->data_type);
    uint64_t bytes;
    if (t->has_raw_data && dtype_bytes(from, n, &bytes) && t->raw_data.len == bytes)
        return codec_widen(from, dst, t->raw_data.data, n);
    if (from == DTYPE_F32 && t->n_float_data == n) {
        if (n)
            memcpy(dst, t->float_data, n * sizeof *dst);
        return 0;
    }
    if (from == DTYPE_F32 || t->n_int32_data != n)
        return -ENOTSUP;
    for (uint64_t i = 0; i < n; i++) {
        const uint16_t bits = (uint16_t)t->int32_data[i];
        codec_widen(from, &dst[i], &bits, 1);
    }
    return 0;
}

static float fit_f16(float x) {
    const float m = fabsf(x);
    if (!(m > 0) || isinf(m))
        return x;
    return copysignf(m < ONNX_F16_LEAST  ? ONNX_F16_LEAST
                     : m > ONNX_F16_MOST ? ONNX_F16_MOST
                                         : m,
                     x);
}

int onnx_tensor_floats(struct onnx_graph *g, const Onnx__TensorProto *t, float **out, uint64_t *n) {
    *n = 1;
    for (size_t i = 0; i < t->n_dims; i++)
        if (t->dims[i] < 0 || !checked_mul(*n, (uint64_t)t->dims[i], n))
            return -ENOTSUP;
    /* the numbers are in memory: no more than a graph may have */
    if (*n > 64 << 20 || t->n_external_data)
        return -ENOTSUP;
    *out = arena_array(g->arena, float, *n ? *n : 1);
    return *out ? read_floats(t, *out, *n) : -ENOMEM;
}

int onnx_tensor_convert(struct onnx_graph *g, Onnx__TensorProto *t, int32_t type) {
    const enum dtype to = float_dtype(type);
    uint64_t n, bytes;
    float *x;
    int rc = onnx_tensor_floats(g, t, &x, &n);
    if (rc < 0 || !dtype_bytes(to, n, &bytes))
        return rc < 0 ? rc : -ENOTSUP;
    uint8_t *out = arena_array(g->arena, uint8_t, bytes ? bytes : 1);
    if (!out)
        return -ENOMEM;
    for (uint64_t i = 0; to == DTYPE_F16 && i < n; i++)
        x[i] = fit_f16(x[i]);
    rc = codec_narrow(to, out, x, n);
    t->data_type = type;
    t->has_raw_data = true;
    t->raw_data = (ProtobufCBinaryData){ bytes, out };
    t->n_float_data = t->n_int32_data = 0;
    return rc;
}

bool onnx_says_type(const Onnx__NodeProto *n, const Onnx__AttributeProto *a) {
    static const char *const makers[] = { "EyeLike",          "Multinomial",   "RandomNormal",
                                          "RandomNormalLike", "RandomUniform", "RandomUniformLike",
                                          "SequenceEmpty",    "Bernoulli" };
    if (!a->has_i || !a->name)
        return false;
    if (onnx_is_op(n, "Cast"))
        return strcmp(a->name, "to") == 0;
    for (size_t i = 0; i < sizeof makers / sizeof *makers; i++)
        if (onnx_is_op(n, makers[i]))
            return strcmp(a->name, "dtype") == 0;
    return false;
}
