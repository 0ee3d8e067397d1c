/* SPDX-License-Identifier: Apache-2.0
 * formats/onnx/net.h - the parts of transformers as ONNX nodes. A function appends nodes and
 * returns the name of the value that they end in. Nodes are named by a scope, a folder-like path;
 * weights carry Hugging Face's names where their bytes are Hugging Face's tensor.
 *
 * Errors are remembered, as struct buffer does it: build everything, test n->rc once. Shapes:
 * B batch, S new tokens, T tokens with those of the cache, H hidden size, D size of a head. */
#pragma once
#include "formats/onnx/hf_source.h"
#include "formats/onnx/onnx_blocks.h"
#include "formats/onnx/onnx_graph.h"
#include "formats/spec.h"

enum net_ops {
    NET_STANDARD, /* opset 17: runs everywhere */
    NET_OPSET23,  /* RMSNormalization, RotaryEmbedding, Attention */
    NET_CONTRIB,  /* com.microsoft: GroupQueryAttention and others */
};

/* How a product with weights W [N, K] is written. */
enum net_linear {
    NET_GEMM,   /* Gemm with transB: W as it is stored */
    NET_MATMUL, /* MatMul with W turned over, as tools that quantize graphs expect it */
    NET_NBITS,  /* MatMulNBits */
    NET_BLOCKS, /* MatMulNBits of what is stored as Q4_0 or Q8_0; Gemm of the rest */
};

struct net_constant {
    const char *name;
    int32_t type;
    size_t n_dims, bytes;
    int64_t dim;
    const void *value;
};

struct net {
    struct onnx_graph *g;
    struct hf_source *src;
    enum net_ops ops;
    enum net_linear linear;
    struct nbits blocks; /* NBITS */
    bool half;         /* weights, cache and logits in float16; inside, float32 where it matters */
    int32_t type;      /* of those: the ONNX type */
    enum dtype dtype;  /* the same, as weights are written */
    const char *scope; /* "/model/layers.0" */
    Onnx__NodeProto *last; /* the node that was added last */
    struct net_constant *constants;
    size_t n_constants, cap_constants;
    int rc;
    struct err *err;
};

/* An empty graph by @spec; @newest: of opset 23, else 17. */
void net_begin(struct net *n, struct onnx_graph *g, struct hf_source *src, const struct spec *spec,
               bool newest, struct err *err);
/* Remember a failure; the first one counts. */
void net_fail(struct net *n, int code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* Likewise, of a call that has set the error. */
void net_remember(struct net *n, int rc);
void net_scope(struct net *n, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* A node "SCOPE/@name" of one output, "SCOPE/NAME/output_0". @inputs: ONNX_NAMES. */
const char *net_op(struct net *n, const char *op, const char *name, const char *const *inputs);
#define NET_OP(n, op, name, ...) net_op((n), (op), (name), ONNX_NAMES(__VA_ARGS__))
/* With the outputs given; @domain "" or NET_MS. */
#define NET_MS "com.microsoft"
void net_node(struct net *n, const char *domain, const char *op, const char *name,
              const char *const *inputs, const char *const *outputs);
/* "SCOPE/NAME/output_I" */
const char *net_output(struct net *n, const char *name, unsigned i);
/* Attributes of the last node. */
void net_int(struct net *n, const char *name, int64_t v);
void net_float(struct net *n, const char *name, double v);
void net_ints(struct net *n, const char *name, size_t count, const int64_t *v);
const char *net_cast(struct net *n, const char *x, int32_t type, const char *name);
/* To float32 and back, where the graph is in float16; else x itself. */
const char *net_widen(struct net *n, const char *x, const char *name);
const char *net_narrow(struct net *n, const char *x, const char *name);
const char *net_transpose(struct net *n, const char *x, const char *name, int64_t a, int64_t b,
                          int64_t c, int64_t d);

/* Constants in the model file, one of each value. */
const char *net_i64(struct net *n, size_t count, const int64_t *v); /* one dimension */
#define NET_I64(n, ...)                                                      \
    net_i64((n), sizeof((const int64_t[]){ __VA_ARGS__ }) / sizeof(int64_t), \
            (const int64_t[]){ __VA_ARGS__ })
const char *net_i64_scalar(struct net *n, int64_t v);
const char *net_f32(struct net *n, float v);     /* a scalar in float32 */
const char *net_scalar(struct net *n, double v); /* a scalar in the graph's type */

/* A weight in the graph's type. @name: of the tensor; @label: of the weight where it is not that
 * tensor as it is, else NULL. */
const char *net_weight(struct net *n, const char *label, const struct expr *e, uint32_t n_dims,
                       uint64_t d0, uint64_t d1);
/* The tensor @name, which must have that shape (d1 0: one dimension). NULL: there is none, and the
 * net has failed. */
const struct target *net_tensor(struct net *n, const char *name, uint64_t d0, uint64_t d1);
const char *net_vector(struct net *n, const char *name, uint64_t size);
const char *net_matrix(struct net *n, const char *name, uint64_t rows, uint64_t cols);
/* PREFIX + NAME in the arena. */
const char *net_name(struct net *n, const char *prefix, const char *name);

/* --- net_linear.c --- */

/* y [*, out] = x [*, in] W^T + b. The tensor @weight has @in columns; its rows from @first on are
 * meant. @bias: NULL, or the name of a tensor that may be absent. */
struct net_rows {
    uint64_t first, out, total; /* rows: the first, how many, of the whole tensor */
};
const char *net_linear(struct net *n, const char *x, const char *weight, const char *bias,
                       struct net_rows rows, uint64_t in, const char *name);
/* The same with W [in, out], as GPT-2's Conv1D stores it. */
const char *net_conv1d(struct net *n, const char *x, const char *prefix, uint64_t in, uint64_t out,
                       const char *name);
/* Rows of a table [rows, cols] by indices. */
const char *net_gather(struct net *n, const char *table, uint64_t rows, uint64_t cols,
                       const char *ids, const char *name);

/* --- net_norm.c --- */

struct net_norm {
    double eps;
    float plus; /* added to the weight, in float32 */
};
/* RMSNorm over the last dimension, @size; in float32 inside. ORT makes one kernel of it. */
const char *net_rms(struct net *n, const char *x, const char *weight, uint64_t size,
                    struct net_norm how, const char *name);
/* x + skip, and RMSNorm of that. *sum may be NULL: it is not wanted. */
const char *net_add_rms(struct net *n, const char *x, const char *skip, const char *weight,
                        uint64_t size, struct net_norm how, const char *name, const char **sum);
/* LayerNorm over the last dimension: the tensors PREFIX.weight and PREFIX.bias. */
const char *net_layer_norm(struct net *n, const char *x, const char *prefix, uint64_t size,
                           double eps, const char *name);

/* --- net_act.c --- */

/* Activations by the names that transformers gives them. */
const char *net_act(struct net *n, struct str act, const char *x, const char *name);
/* cap * tanh(x / cap) */
const char *net_softcap(struct net *n, const char *x, double cap, const char *name);
