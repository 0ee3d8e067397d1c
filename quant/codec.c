/* SPDX-License-Identifier: Apache-2.0
 * quant/codec.c - finds the kernel of a type. */
#include "quant/codec.h"
#include <errno.h>
#include <string.h>

/* The row's kernel in @k; one without functions where the type has none. */
static struct block_kernel find_kernel(const struct kernels *k, enum dtype type) {
    struct block_kernel found = { NULL, NULL, NULL };
    if (dtype_info[type].kernel)
        memcpy(&found, (const char *)k + dtype_info[type].kernel, sizeof found);
    return found;
}

int codec_decode(const struct kernels *k, enum dtype from, float *dst, const void *src,
                 uint64_t elems) {
    if (from == DTYPE_F32) {
        memcpy(dst, src, elems * sizeof *dst);
        return 0;
    }
    const struct block_kernel found = find_kernel(k, from);
    if (!found.decode)
        return -ENOTSUP;
    found.decode(dst, src, elems / dtype_info[from].block_elems);
    return 0;
}

int codec_encode(const struct kernels *k, enum dtype to, void *dst, const float *src,
                 uint64_t elems) {
    if (to == DTYPE_F32) {
        memcpy(dst, src, elems * sizeof *src);
        return 0;
    }
    const struct block_kernel found = find_kernel(k, to);
    if (!found.encode)
        return -ENOTSUP;
    found.encode(dst, src, elems / dtype_info[to].block_elems);
    return 0;
}

/* From ggml_quantize_chunk and what it calls: ggml/src/ggml-quants.c. */
enum codec_importance codec_importance(enum dtype to) {
    switch (to) {
    case DTYPE_Q4_0:
    case DTYPE_Q4_1:
    case DTYPE_Q5_0:
    case DTYPE_Q5_1:
        return IMPORTANCE_ROW;
    case DTYPE_Q2_K:
    case DTYPE_Q3_K:
    case DTYPE_Q4_K:
    case DTYPE_Q5_K:
    case DTYPE_Q6_K:
    case DTYPE_IQ1_S:
    case DTYPE_IQ1_M:
    case DTYPE_IQ2_XXS:
    case DTYPE_IQ2_XS:
    case DTYPE_IQ2_S:
    case DTYPE_IQ3_XXS:
    case DTYPE_IQ3_S:
    case DTYPE_IQ4_NL:
    case DTYPE_IQ4_XS:
        return IMPORTANCE_BLOCK;
    default:
        return IMPORTANCE_NONE;
    }
}

int codec_encode_weighted(const struct kernels *k, enum dtype to, void *dst, const float *src,
                          const float *importance, uint64_t rows, uint64_t row_elems) {
    const struct block_kernel found = find_kernel(k, to);
    if (!found.encode_weighted)
        return codec_encode(k, to, dst, src, rows * row_elems);
    found.encode_weighted(dst, src, importance, rows, row_elems);
    return 0;
}

bool codec_can_decode(enum dtype from) {
    struct kernels portable;
    kernels_init(&portable, 0);
    return from == DTYPE_F32 || find_kernel(&portable, from).decode;
}

bool codec_can_encode(enum dtype to) {
    struct kernels portable;
    kernels_init(&portable, 0);
    return to == DTYPE_F32 || find_kernel(&portable, to).encode;
}

bool codec_can_encode_weighted(enum dtype to) {
    struct kernels portable;
    kernels_init(&portable, 0);
    if (codec_importance(to) == IMPORTANCE_NONE)
        return codec_can_encode(to);
    return find_kernel(&portable, to).encode_weighted != NULL;
}

int codec_widen(enum dtype from, float *dst, const void *src, uint64_t elems) {
    struct kernels portable;
    kernels_init(&portable, 0);
    return codec_decode(&portable, from, dst, src, elems);
}

int codec_narrow(enum dtype to, void *dst, const float *src, uint64_t elems) {
    struct kernels portable;
    kernels_init(&portable, 0);
    return codec_encode(&portable, to, dst, src, elems);
}

static const struct {
    enum dtype from, to;
    block_repack_fn *repack;
} repacks[] = {
    { DTYPE_Q4_0, DTYPE_NB4X32, repack_q4_0_levels },
    { DTYPE_Q4_0, DTYPE_NB4X32_SCALE, repack_q4_0_scales },
    { DTYPE_Q4_0, DTYPE_NB4X32_F16, repack_q4_0_levels },
    { DTYPE_Q4_0, DTYPE_NB4X32_F16_SCALE, repack_q4_0_scales_f16 },
    { DTYPE_Q8_0, DTYPE_NB8X32, repack_q8_0_levels },
    { DTYPE_Q8_0, DTYPE_NB8X32_SCALE, repack_q8_0_scales },
    { DTYPE_Q8_0, DTYPE_NB8X32_F16_SCALE, repack_q8_0_scales_f16 },
};

bool codec_repack(enum dtype from, enum dtype to, void *dst, const void *src, uint64_t blocks) {
    for (size_t i = 0; i < sizeof repacks / sizeof *repacks; i++) {
        if (repacks[i].from != from || repacks[i].to != to)
            continue;
        if (blocks)
            repacks[i].repack(dst, src, blocks);
        return true;
    }
    return false;
}

bool codec_can_repack(enum dtype from, enum dtype to) {
    return codec_repack(from, to, NULL, NULL, 0);
}
