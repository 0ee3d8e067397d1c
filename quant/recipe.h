/* SPDX-License-Identifier: Apache-2.0
 * quant/recipe.h - file types: which element type each tensor of a file gets. */
#pragma once
#include "quant/dtype.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A row for each name that users may put behind '@'. */
struct ftype {
    const char *name;  /* "q4_k_m" */
    int16_t file_type; /* general.file_type (llama.h, enum llama_ftype); -1: auto */
    enum dtype base;   /* the type of most tensors; DTYPE_NONE: auto */
    bool is_float;     /* may be made from any source, quantized ones too */
};

extern const struct ftype ftype_table[];
extern const size_t ftype_count;

/* Case does not matter; fp16, fp32 and the like are aliases. NULL: no such type. */
const struct ftype *ftype_find(const char *name, size_t n);

/* What the choice depends on, besides the tensors: all of it known from headers. */
struct recipe_model {
    const char *architecture; /* general.architecture */
    uint64_t n_layer, n_expert;
    uint64_t n_head, n_head_kv; /* of the first layer */
    bool has_output;            /* a tensor "output.weight" exists */
};

struct recipe_tensor {
    const char *name; /* GGUF's, NUL-terminated */
    uint32_t n_dims;
    uint64_t dims[8]; /* slowest first */
    enum dtype dtype; /* as it is now */
    enum dtype to;    /* out: what llama-quantize makes of it */
};

/* Choose as llama-quantize does (src/llama-quant.cpp, llama.cpp 0c1e570) for @n tensors in the
 * order in which it writes them. False: out of memory. */
bool recipe_choose(const struct ftype *type, const struct recipe_model *model,
                   struct recipe_tensor *tensors, size_t n);
