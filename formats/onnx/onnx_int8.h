/* SPDX-License-Identifier: Apache-2.0
 * formats/onnx/onnx_int8.h - the parts of dynamic quantization (onnx_int8.c): values in 8 bits, and
 * the operators that become others of com.microsoft. */
#pragma once
#include "formats/onnx/onnx_pass.h"
#include "formats/onnx/onnx_values.h"

/* A value in 8 bits, beside its name in floats: onnx_val's user. */
struct quantized {
    const char *levels, *scale, *zero;
    bool dequantized; /* the floats exist */
    bool spread;      /* a weight with several scales: only products take it so */
};

struct int8_pass {
    struct onnx_graph *g;
    struct onnx_values values;
    bool per_channel;
    Onnx__NodeProto **nodes; /* the graph's, as they will be */
    size_t n, cap;
    struct err *err;
};

/* A node at the end of those. */
Onnx__NodeProto *int8_add(struct int8_pass *p, const char *op, const char *name,
                          const char *const *inputs, const char *const *outputs);

/* The value of an input; NULL: there is none. */
struct onnx_val *int8_input(const struct int8_pass *p, const Onnx__NodeProto *n, size_t i);

/* One of float32 that is not empty. */
bool int8_is_weight(const struct onnx_val *x);

/* The scales of a weight: one, or one for each group of rows, for each column, or both; and their
 * shape. */
struct scales {
    uint64_t groups;
    bool per_column;
    uint32_t n_dims;
    uint64_t dims[2];
};
static const struct scales one_scale = { .groups = 1 };
struct scales int8_column_scales(const struct int8_pass *p, const struct onnx_weight *w);

/* Once a weight, whoever uses it. @w: the weight, or as its levels lie. NULL, as of the next two:
 * no memory. */
struct quantized *int8_weight(struct int8_pass *p, struct onnx_val *x, const struct onnx_weight *w,
                              enum linear8 kind, const struct scales *scales);
struct quantized *int8_activation(struct int8_pass *p, struct onnx_val *x);
/* What another node yields under @name, with names of its own. */
struct quantized *int8_new(struct int8_pass *p, const char *name);

/* The floats of a value that so far has levels only; those of a weight are no longer the source's.
 */
void int8_dequantize(struct int8_pass *p, const struct onnx_val *x);

/* Operators that become one of com.microsoft. False: it stays as it is. onnx_int8_fused.c. */
bool int8_lstm(struct int8_pass *p, Onnx__NodeProto *n);
bool int8_attention(struct int8_pass *p, Onnx__NodeProto *n);
bool int8_embedding(struct int8_pass *p, Onnx__NodeProto *n);
