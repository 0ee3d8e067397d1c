/* SPDX-License-Identifier: Apache-2.0
 * quant/dtype.h - the element types: the only place where a block size is written down. */
#pragma once
#include "kernels/nbits.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The GGUF types first, in the order of their ids, then those that only safetensors has. */
enum dtype {
    DTYPE_NONE,
    DTYPE_F32,
    DTYPE_F16,
    DTYPE_Q4_0,
    DTYPE_Q4_1,
    DTYPE_Q4_2, /* the types marked "removed" in dtype.c: recognized, never read */
    DTYPE_Q4_3,
    DTYPE_Q5_0,
    DTYPE_Q5_1,
    DTYPE_Q8_0,
    DTYPE_Q8_1,
    DTYPE_Q2_K,
    DTYPE_Q3_K,
    DTYPE_Q4_K,
    DTYPE_Q5_K,
    DTYPE_Q6_K,
    DTYPE_Q8_K,
    DTYPE_IQ2_XXS,
    DTYPE_IQ2_XS,
    DTYPE_IQ3_XXS,
    DTYPE_IQ1_S,
    DTYPE_IQ4_NL,
    DTYPE_IQ3_S,
    DTYPE_IQ2_S,
    DTYPE_IQ4_XS,
    DTYPE_I8,
    DTYPE_I16,
    DTYPE_I32,
    DTYPE_I64,
    DTYPE_F64,
    DTYPE_IQ1_M,
    DTYPE_BF16,
    DTYPE_Q4_0_4_4,
    DTYPE_Q4_0_4_8,
    DTYPE_Q4_0_8_8,
    DTYPE_TQ1_0,
    DTYPE_TQ2_0,
    DTYPE_IQ4_NL_4_4,
    DTYPE_IQ4_NL_4_8,
    DTYPE_IQ4_NL_8_8,
    DTYPE_MXFP4,
    DTYPE_NVFP4,
    DTYPE_Q1_0,
    DTYPE_Q2_0,
    DTYPE_BOOL,
    DTYPE_U8,
    DTYPE_U16,
    DTYPE_U32,
    DTYPE_U64,
    DTYPE_F4,
    DTYPE_F6_E2M3,
    DTYPE_F6_E3M2,
    DTYPE_F8_E4M3,
    DTYPE_F8_E5M2,
    DTYPE_F8_E4M3FNUZ,
    DTYPE_F8_E5M2FNUZ,
    DTYPE_F8_E8M0,
    DTYPE_C64,
    DTYPE_I4, /* of ONNX, as the next three */
    DTYPE_U4,
    DTYPE_I2,
    DTYPE_U2,
#define TYPE(name, NAME, ...) DTYPE_##NAME,
    NBITS_TYPES(TYPE) /* DTYPE_NB4X32 ...: found by dtype_nbits */
#undef TYPE
    DTYPE_C128, /* two f64: of PyTorch and ONNX */
    DTYPE_COUNT,
};

/* What must be seen to write one block. */
enum scope { SCOPE_BLOCK, SCOPE_ROW, SCOPE_TENSOR };

struct dtype_info {
    const char *name;        /* lower case, as in a spec: "q4_k" */
    uint32_t block_elems;    /* elements a block; 0: a removed type, its size is not known */
    uint32_t block_bytes;    /* bytes a block */
    enum scope scope;        /* of encoding without importance data; decoding needs the block */
    uint16_t rev;            /* bumped when the bytes change; part of every cache key */
    int16_t gguf_id;         /* enum ggml_type; -1: GGUF does not have it */
    const char *safetensors; /* the name there; NULL: safetensors does not have it */
    size_t kernel;           /* offset of its block_kernel in struct kernels; 0: it has none */
};

/* By enum dtype. The row of DTYPE_NONE has the name "none" and no size. */
extern const struct dtype_info dtype_info[DTYPE_COUNT];

/* DTYPE_NONE for what is not known. Names of safetensors are matched exactly; those of a spec
 * without regard to case, with fp16 and fp32 for f16 and f32. @name needs no terminator. */
enum dtype dtype_from_gguf(uint32_t id);
enum dtype dtype_from_safetensors(const char *name, size_t n);
enum dtype dtype_from_name(const char *name, size_t n);

/* Bytes of @elems elements. False if they are not whole blocks, if the size is not known, or if it
 * does not fit; @bytes is then untouched. */
bool dtype_bytes(enum dtype type, uint64_t elems, uint64_t *bytes);

/* A part of such blocks; DTYPE_NONE: there are none. */
enum dtype dtype_nbits(const struct nbits *n, enum nbits_part part);

/* Numbers of one element each that a float target can be made from: f64, f32, f16, bf16, f8. */
bool dtype_is_float(enum dtype type);

/* Blocks with a scale: what llama-quantize calls quantized. */
bool dtype_is_quantized(enum dtype type);
