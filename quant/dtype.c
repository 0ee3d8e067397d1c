/* SPDX-License-Identifier: Apache-2.0
 * quant/dtype.c - one row an element type, and the ways to find a row. */
#include "quant/dtype.h"
#include "kernels/kernels.h"
#include <string.h>
#include <strings.h>

#define KERNEL(member) .kernel = offsetof(struct kernels, member)

/* GGUF: ids and block sizes of ggml/include/ggml.h and ggml/src/ggml-common.h, llama.cpp 0c1e570.
 * safetensors: names and bits of Dtype, safetensors/src/tensor.rs, 0.8. */
const struct dtype_info dtype_info[DTYPE_COUNT] = {
    [DTYPE_NONE] = { .name = "none", .gguf_id = -1 },
    [DTYPE_F32] = { "f32", 1, 4, .rev = 1, .gguf_id = 0, .safetensors = "F32" },
    [DTYPE_F16] = { "f16", 1, 2, .rev = 1, .gguf_id = 1, .safetensors = "F16", KERNEL(f16) },
    [DTYPE_Q4_0] = { "q4_0", 32, 18, .rev = 1, .gguf_id = 2, KERNEL(q4_0) },
    [DTYPE_Q4_1] = { "q4_1", 32, 20, .rev = 1, .gguf_id = 3, KERNEL(q4_1) },
    [DTYPE_Q4_2] = { "q4_2", .gguf_id = 4 }, /* removed */
    [DTYPE_Q4_3] = { "q4_3", .gguf_id = 5 }, /* removed */
    [DTYPE_Q5_0] = { "q5_0", 32, 22, .rev = 1, .gguf_id = 6, KERNEL(q5_0) },
    [DTYPE_Q5_1] = { "q5_1", 32, 24, .rev = 1, .gguf_id = 7, KERNEL(q5_1) },
    [DTYPE_Q8_0] = { "q8_0", 32, 34, .rev = 1, .gguf_id = 8, KERNEL(q8_0) },
    [DTYPE_Q8_1] = { "q8_1", 32, 36, .rev = 1, .gguf_id = 9 },
    [DTYPE_Q2_K] = { "q2_k", 256, 84, .rev = 1, .gguf_id = 10, KERNEL(q2_k) },
    [DTYPE_Q3_K] = { "q3_k", 256, 110, .rev = 1, .gguf_id = 11, KERNEL(q3_k) },
    [DTYPE_Q4_K] = { "q4_k", 256, 144, .rev = 1, .gguf_id = 12, KERNEL(q4_k) },
    [DTYPE_Q5_K] = { "q5_k", 256, 176, .rev = 1, .gguf_id = 13, KERNEL(q5_k) },
    [DTYPE_Q6_K] = { "q6_k", 256, 210, .rev = 1, .gguf_id = 14, KERNEL(q6_k) },
    [DTYPE_Q8_K] = { "q8_k", 256, 292, .rev = 1, .gguf_id = 15 },
    [DTYPE_IQ2_XXS] = { "iq2_xxs", 256, 66, .rev = 1, .gguf_id = 16, KERNEL(iq2_xxs) },
    [DTYPE_IQ2_XS] = { "iq2_xs", 256, 74, .rev = 1, .gguf_id = 17, KERNEL(iq2_xs) },
    [DTYPE_IQ3_XXS] = { "iq3_xxs", 256, 98, .rev = 1, .gguf_id = 18, KERNEL(iq3_xxs) },
    [DTYPE_IQ1_S] = { "iq1_s", 256, 50, .rev = 1, .gguf_id = 19, KERNEL(iq1_s) },
    [DTYPE_IQ4_NL] = { "iq4_nl", 32, 18, .rev = 1, .gguf_id = 20, KERNEL(iq4_nl) },
    [DTYPE_IQ3_S] = { "iq3_s", 256, 110, .rev = 1, .gguf_id = 21, KERNEL(iq3_s) },
    [DTYPE_IQ2_S] = { "iq2_s", 256, 82, .rev = 1, .gguf_id = 22, KERNEL(iq2_s) },
    [DTYPE_IQ4_XS] = { "iq4_xs", 256, 136, .rev = 1, .gguf_id = 23, KERNEL(iq4_xs) },
    [DTYPE_I8] = { "i8", 1, 1, .rev = 1, .gguf_id = 24, .safetensors = "I8" },
    [DTYPE_I16] = { "i16", 1, 2, .rev = 1, .gguf_id = 25, .safetensors = "I16" },
    [DTYPE_I32] = { "i32", 1, 4, .rev = 1, .gguf_id = 26, .safetensors = "I32" },
    [DTYPE_I64] = { "i64", 1, 8, .rev = 1, .gguf_id = 27, .safetensors = "I64" },
    [DTYPE_F64] = { "f64", 1, 8, .rev = 1, .gguf_id = 28, .safetensors = "F64", KERNEL(f64) },
    [DTYPE_IQ1_M] = { "iq1_m", 256, 56, .rev = 1, .gguf_id = 29, KERNEL(iq1_m) },
    [DTYPE_BF16] = { "bf16", 1, 2, .rev = 1, .gguf_id = 30, .safetensors = "BF16", KERNEL(bf16) },
    [DTYPE_Q4_0_4_4] = { "q4_0_4_4", .gguf_id = 31 }, /* removed, as the next two */
    [DTYPE_Q4_0_4_8] = { "q4_0_4_8", .gguf_id = 32 },
    [DTYPE_Q4_0_8_8] = { "q4_0_8_8", .gguf_id = 33 },
    [DTYPE_TQ1_0] = { "tq1_0", 256, 54, .rev = 1, .gguf_id = 34, KERNEL(tq1_0) },
    [DTYPE_TQ2_0] = { "tq2_0", 256, 66, .rev = 1, .gguf_id = 35, KERNEL(tq2_0) },
    [DTYPE_IQ4_NL_4_4] = { "iq4_nl_4_4", .gguf_id = 36 }, /* removed, as the next two */
    [DTYPE_IQ4_NL_4_8] = { "iq4_nl_4_8", .gguf_id = 37 },
    [DTYPE_IQ4_NL_8_8] = { "iq4_nl_8_8", .gguf_id = 38 },
    [DTYPE_MXFP4] = { "mxfp4", 32, 17, .rev = 1, .gguf_id = 39, KERNEL(mxfp4) },
    [DTYPE_NVFP4] = { "nvfp4", 64, 36, .rev = 1, .gguf_id = 40, KERNEL(nvfp4) },
    [DTYPE_Q1_0] = { "q1_0", 128, 18, .rev = 1, .gguf_id = 41, KERNEL(q1_0) },
    [DTYPE_Q2_0] = { "q2_0", 64, 18, .rev = 1, .gguf_id = 42, KERNEL(q2_0) },
    [DTYPE_BOOL] = { "bool", 1, 1, .rev = 1, .gguf_id = -1, .safetensors = "BOOL" },
    [DTYPE_U8] = { "u8", 1, 1, .rev = 1, .gguf_id = -1, .safetensors = "U8" },
    [DTYPE_U16] = { "u16", 1, 2, .rev = 1, .gguf_id = -1, .safetensors = "U16" },
    [DTYPE_U32] = { "u32", 1, 4, .rev = 1, .gguf_id = -1, .safetensors = "U32" },
    [DTYPE_U64] = { "u64", 1, 8, .rev = 1, .gguf_id = -1, .safetensors = "U64" },
    [DTYPE_F4] = { "f4", 2, 1, .rev = 1, .gguf_id = -1, .safetensors = "F4" },
    [DTYPE_F6_E2M3] = { "f6_e2m3", 4, 3, .rev = 1, .gguf_id = -1, .safetensors = "F6_E2M3" },
    [DTYPE_F6_E3M2] = { "f6_e3m2", 4, 3, .rev = 1, .gguf_id = -1, .safetensors = "F6_E3M2" },
    [DTYPE_F8_E4M3] = { "f8_e4m3", 1, 1, .rev = 1, .gguf_id = -1, .safetensors = "F8_E4M3",
                        KERNEL(f8_e4m3) },
    [DTYPE_F8_E5M2] = { "f8_e5m2", 1, 1, .rev = 1, .gguf_id = -1, .safetensors = "F8_E5M2",
                        KERNEL(f8_e5m2) },
    [DTYPE_F8_E4M3FNUZ] = { "f8_e4m3fnuz", 1, 1, .rev = 1, .gguf_id = -1,
                            .safetensors = "F8_E4M3FNUZ" },
    [DTYPE_F8_E5M2FNUZ] = { "f8_e5m2fnuz", 1, 1, .rev = 1, .gguf_id = -1,
                            .safetensors = "F8_E5M2FNUZ" },
    [DTYPE_F8_E8M0] = { "f8_e8m0", 1, 1, .rev = 1, .gguf_id = -1, .safetensors = "F8_E8M0" },
    [DTYPE_C64] = { "c64", 1, 8, .rev = 1, .gguf_id = -1, .safetensors = "C64" },
    [DTYPE_I4] = { "i4", 2, 1, .rev = 1, .gguf_id = -1 },
    [DTYPE_U4] = { "u4", 2, 1, .rev = 1, .gguf_id = -1 },
    [DTYPE_I2] = { "i2", 4, 1, .rev = 1, .gguf_id = -1 },
    [DTYPE_U2] = { "u2", 4, 1, .rev = 1, .gguf_id = -1 },
#define NBITS(name, NAME, bits, block, asym, half, part)     \
    [DTYPE_##NAME] = { #name,                                \
                       NBITS_ELEMS(bits, block, part),       \
                       NBITS_BYTES(bits, block, half, part), \
                       .rev = 2,                             \
                       .gguf_id = -1,                        \
                       KERNEL(name) },
    NBITS_TYPES(NBITS)
#undef NBITS
        [DTYPE_C128] = { "c128", 1, 16, .rev = 1, .gguf_id = -1 },
};

enum dtype dtype_from_gguf(uint32_t id) {
    for (enum dtype t = DTYPE_NONE + 1; t < DTYPE_COUNT; t++)
        if (dtype_info[t].gguf_id >= 0 && (uint32_t)dtype_info[t].gguf_id == id)
            return t;
    return DTYPE_NONE;
}

enum dtype dtype_from_safetensors(const char *name, size_t n) {
    for (enum dtype t = DTYPE_NONE + 1; t < DTYPE_COUNT; t++) {
        const char *s = dtype_info[t].safetensors;
        if (s && strlen(s) == n && !memcmp(s, name, n))
            return t;
    }
    return DTYPE_NONE;
}

static bool name_is(const char *want, const char *name, size_t n) {
    return strlen(want) == n && !strncasecmp(want, name, n);
}

enum dtype dtype_from_name(const char *name, size_t n) {
    if (name_is("fp16", name, n))
        return DTYPE_F16;
    if (name_is("fp32", name, n))
        return DTYPE_F32;
    for (enum dtype t = DTYPE_NONE + 1; t < DTYPE_COUNT; t++)
        if (name_is(dtype_info[t].name, name, n))
            return t;
    return DTYPE_NONE;
}

bool dtype_bytes(enum dtype type, uint64_t elems, uint64_t *bytes) {
    const struct dtype_info *info = &dtype_info[type];
    if (!info->block_elems || elems % info->block_elems)
        return false;
    uint64_t n;
    if (__builtin_mul_overflow(elems / info->block_elems, (uint64_t)info->block_bytes, &n))
        return false;
    *bytes = n;
    return true;
}

enum dtype dtype_nbits(const struct nbits *n, enum nbits_part part) {
    static const struct {
        struct nbits is;
        enum nbits_part part;
        enum dtype type;
    } all[] = {
#define NBITS(name, NAME, bits, block, asym, half, part) \
    { { bits, block, asym, half }, part, DTYPE_##NAME },
        NBITS_TYPES(NBITS)
#undef NBITS
    };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (all[i].is.bits == n->bits && all[i].is.block == n->block && all[i].is.asym == n->asym &&
            all[i].is.half == n->half && all[i].part == part)
            return all[i].type;
    return DTYPE_NONE;
}

bool dtype_is_float(enum dtype type) {
    switch (type) {
    case DTYPE_F64:
    case DTYPE_F32:
    case DTYPE_F16:
    case DTYPE_BF16:
    case DTYPE_F8_E4M3:
    case DTYPE_F8_E5M2:
    case DTYPE_F8_E4M3FNUZ:
    case DTYPE_F8_E5M2FNUZ:
        return true;
    default:
        return false;
    }
}

bool dtype_is_quantized(enum dtype type) {
    /* Exactly the GGUF types of more than one element a block; f4 and f6 have no scale. */
    return dtype_info[type].gguf_id >= 0 && dtype_info[type].block_elems > 1;
}
