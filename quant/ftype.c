/* SPDX-License-Identifier: Apache-2.0
 * quant/ftype.c - the file types that users can name. */
#include "quant/recipe.h"
#include <string.h>
#include <strings.h>

/* Source of numbers and base types: llama_ftype_get_default_type, src/llama-quant.cpp. */
const struct ftype ftype_table[] = {
    { "auto", FILE_AUTO, DTYPE_NONE, true },
    { "f32", FILE_F32, DTYPE_F32, true },
    { "f16", FILE_F16, DTYPE_F16, true },
    { "bf16", FILE_BF16, DTYPE_BF16, true },
    { "q8_0", FILE_Q8_0, DTYPE_Q8_0, false },
    { "q6_k", FILE_Q6_K, DTYPE_Q6_K, false },
    { "q5_k_m", FILE_Q5_K_M, DTYPE_Q5_K, false },
    { "q5_k_s", FILE_Q5_K_S, DTYPE_Q5_K, false },
    { "q5_1", FILE_Q5_1, DTYPE_Q5_1, false },
    { "q5_0", FILE_Q5_0, DTYPE_Q5_0, false },
    { "q4_k_m", FILE_Q4_K_M, DTYPE_Q4_K, false },
    { "q4_k_s", FILE_Q4_K_S, DTYPE_Q4_K, false },
    { "iq4_nl", FILE_IQ4_NL, DTYPE_IQ4_NL, false },
    { "iq4_xs", FILE_IQ4_XS, DTYPE_IQ4_XS, false },
    { "q4_1", FILE_Q4_1, DTYPE_Q4_1, false },
    { "q4_0", FILE_Q4_0, DTYPE_Q4_0, false },
    { "mxfp4_moe", FILE_MXFP4_MOE, DTYPE_MXFP4, false },
    { "q3_k_l", FILE_Q3_K_L, DTYPE_Q3_K, false },
    { "q3_k_m", FILE_Q3_K_M, DTYPE_Q3_K, false },
    { "q3_k_s", FILE_Q3_K_S, DTYPE_Q3_K, false },
    { "iq3_m", FILE_IQ3_M, DTYPE_IQ3_S, false },
    { "iq3_s", FILE_IQ3_S, DTYPE_IQ3_S, false },
    { "iq3_xs", FILE_IQ3_XS, DTYPE_IQ3_S, false },
    { "iq3_xxs", FILE_IQ3_XXS, DTYPE_IQ3_XXS, false },
    { "q2_k", FILE_Q2_K, DTYPE_Q2_K, false },
    { "q2_k_s", FILE_Q2_K_S, DTYPE_Q2_K, false },
    { "q2_0", FILE_Q2_0, DTYPE_Q2_0, false },
    { "iq2_m", FILE_IQ2_M, DTYPE_IQ2_S, false },
    { "iq2_s", FILE_IQ2_S, DTYPE_IQ2_XS, false },
    { "iq2_xs", FILE_IQ2_XS, DTYPE_IQ2_XS, false },
    { "iq2_xxs", FILE_IQ2_XXS, DTYPE_IQ2_XXS, false },
    { "tq2_0", FILE_TQ2_0, DTYPE_TQ2_0, false },
    { "tq1_0", FILE_TQ1_0, DTYPE_TQ1_0, false },
    { "iq1_m", FILE_IQ1_M, DTYPE_IQ1_M, false },
    { "iq1_s", FILE_IQ1_S, DTYPE_IQ1_S, false },
    { "q1_0", FILE_Q1_0, DTYPE_Q1_0, false },
    { "copy", FILE_COPY, DTYPE_NONE, false },
};
const size_t ftype_count = sizeof ftype_table / sizeof *ftype_table;

/* int8: weights and activations, as quantize_dynamic of ONNX Runtime has it; others: weights in
 * blocks (MatMulNBits), all else in f32 or f16. */
const struct ftype ftype_onnx_table[] = {
    { "auto", FILE_AUTO, DTYPE_NONE, true },       { "fp32", FILE_F32, DTYPE_F32, true },
    { "fp16", FILE_F16, DTYPE_F16, true },         { "int8", FILE_INT8, DTYPE_NONE, false },
    { "int4", FILE_INT4, DTYPE_NONE, false },      { "q4f16", FILE_INT4_F16, DTYPE_NONE, false },
    { "q8f16", FILE_INT8_F16, DTYPE_NONE, false },
};
const size_t ftype_onnx_count = sizeof ftype_onnx_table / sizeof *ftype_onnx_table;

struct alias {
    const char *alias, *name;
};

static const struct alias aliases[] = {
    { "fp16", "f16" },    { "fp32", "f32" },    { "q3_k", "q3_k_m" },
    { "q4_k", "q4_k_m" }, { "q5_k", "q5_k_m" },
};
static const struct alias onnx_aliases[] = {
    { "f32", "fp32" }, { "f16", "fp16" },       { "q8", "int8" },
    { "q4", "int4" },  { "quantized", "int8" },
};
#define COUNT(table) (sizeof(table) / sizeof *(table))

static bool name_is(const char *want, const char *name, size_t n) {
    return strlen(want) == n && !strncasecmp(want, name, n);
}

static const struct ftype *find(const struct ftype *table, size_t count, const struct alias *other,
                                size_t n_other, const char *name, size_t n) {
    for (size_t i = 0; i < n_other; i++)
        if (name_is(other[i].alias, name, n)) {
            name = other[i].name;
            n = strlen(name);
            break;
        }
    for (size_t i = 0; i < count; i++)
        if (name_is(table[i].name, name, n))
            return &table[i];
    return NULL;
}

const struct ftype *ftype_find(const char *name, size_t n) {
    return find(ftype_table, ftype_count, aliases, COUNT(aliases), name, n);
}

const struct ftype *ftype_find_onnx(const char *name, size_t n) {
    return find(ftype_onnx_table, ftype_onnx_count, onnx_aliases, COUNT(onnx_aliases), name, n);
}
