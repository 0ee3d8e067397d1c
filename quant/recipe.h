/* SPDX-License-Identifier: Apache-2.0
 * quant/recipe.h - file types: which element type each tensor of a file gets. The rules are those
 * of llama-quantize (src/llama-quant.cpp, llama.cpp 0c1e570), written as tables. */
#pragma once
#include "quant/dtype.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* general.file_type (llama.h, enum llama_ftype). */
enum file_type {
    FILE_INT8_F16 = -6, /* of ONNX: no numbers of llama.cpp's, as INT4 and INT8 */
    FILE_COPY = -5,     /* of a GGUF: each tensor as it is */
    FILE_INT4_F16 = -4,
    FILE_INT4 = -3,
    FILE_INT8 = -2,
    FILE_AUTO = -1, /* ours: the source's own type, or the converter's choice */
    FILE_F32 = 0,
    FILE_F16 = 1,
    FILE_Q4_0 = 2,
    FILE_Q4_1 = 3,
    FILE_Q8_0 = 7,
    FILE_Q5_0 = 8,
    FILE_Q5_1 = 9,
    FILE_Q2_K = 10,
    FILE_Q3_K_S = 11,
    FILE_Q3_K_M = 12,
    FILE_Q3_K_L = 13,
    FILE_Q4_K_S = 14,
    FILE_Q4_K_M = 15,
    FILE_Q5_K_S = 16,
    FILE_Q5_K_M = 17,
    FILE_Q6_K = 18,
    FILE_IQ2_XXS = 19,
    FILE_IQ2_XS = 20,
    FILE_Q2_K_S = 21,
    FILE_IQ3_XS = 22,
    FILE_IQ3_XXS = 23,
    FILE_IQ1_S = 24,
    FILE_IQ4_NL = 25,
    FILE_IQ3_S = 26,
    FILE_IQ3_M = 27,
    FILE_IQ2_S = 28,
    FILE_IQ2_M = 29,
    FILE_IQ4_XS = 30,
    FILE_IQ1_M = 31,
    FILE_BF16 = 32,
    FILE_TQ1_0 = 36,
    FILE_TQ2_0 = 37,
    FILE_MXFP4_MOE = 38,
    FILE_NVFP4 = 39, /* only told, of files that hold it: no name makes one */
    FILE_Q1_0 = 40,
    FILE_Q2_0 = 41
};

/* A row for each name that users may put behind '@'. */
struct ftype {
    const char *name; /* "q4_k_m" */
    enum file_type file_type;
    enum dtype base; /* the type of most tensors; DTYPE_NONE: auto */
    bool is_float;   /* may be made from any source, quantized ones too */
};

extern const struct ftype ftype_table[];
extern const size_t ftype_count;

/* Case does not matter; fp16, fp32, q3_k, q4_k and q5_k are aliases. NULL: no such type. */
const struct ftype *ftype_find(const char *name, size_t n);

/* The types of ONNX files, by the names that their users know: fp32, fp16, int8 ... */
extern const struct ftype ftype_onnx_table[];
extern const size_t ftype_onnx_count;
const struct ftype *ftype_find_onnx(const char *name, size_t n);

/* What the choice depends on, besides the tensors: all of it known from headers. */
struct recipe_model {
    const char *architecture; /* general.architecture */
    uint64_t n_layer;         /* all, those that predict further tokens too */
    uint64_t n_layer_nextn;   /* how many of them these are */
    uint64_t n_expert;
    uint64_t n_head, n_head_kv; /* of the first layer; 0: unknown */
    bool has_imatrix;
    bool pure;                    /* one type for all, without the rules of the mixture */
    bool leave_output;            /* output.weight stays as it is */
    enum dtype output, embedding; /* asked for by the user; DTYPE_NONE: by the rules */
};

struct recipe_tensor {
    const char *name; /* GGUF's, NUL-terminated */
    uint32_t n_dims;
    uint64_t dims[8];   /* slowest first */
    enum dtype dtype;   /* as it is now */
    enum dtype wish;    /* asked for by the user, by a pattern; DTYPE_NONE: by the rules */
    enum dtype to;      /* out: what llama-quantize makes of it */
    bool needs_imatrix; /* out: it makes that only with importance data */
};

struct recipe_fault {
    size_t tensor;      /* index of the one at fault */
    const char *reason; /* what llama-quantize would say */
};

/* Choose the types of @n tensors, given in the order in which llama-quantize writes them
 * (recipe_compare). @type is neither auto nor copy. False with the reason in @fault, if it would
 * refuse. */
bool recipe_choose(const struct ftype *type, const struct recipe_model *model,
                   struct recipe_tensor *tensors, size_t n, struct recipe_fault *fault);

/* The order in which llama-quantize writes tensors: by block number, those without one first, then
 * by name. Negative, 0, positive. */
int recipe_compare(const char *a, const char *b);
