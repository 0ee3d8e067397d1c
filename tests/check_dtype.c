/* SPDX-License-Identifier: Apache-2.0
 * tests/check_dtype.c - the table of types, and the codec on top of it. */
#include "tests/check.h"
#include "quant/codec.h"
#include <errno.h>
#include <string.h>

static void expect(struct check *t, bool ok, const char *what) {
    t->done++;
    if (!ok)
        check_fail(t, "dtype", what);
}

static void check_names(struct check *t) {
    for (enum dtype type = DTYPE_NONE + 1; type < DTYPE_COUNT; type++) {
        const struct dtype_info *info = &dtype_info[type];
        expect(t, info->name && dtype_from_name(info->name, strlen(info->name)) == type, "name");
        if (info->gguf_id >= 0)
            expect(t, dtype_from_gguf((uint32_t)info->gguf_id) == type, "GGUF id");
        if (info->safetensors)
            expect(t, dtype_from_safetensors(info->safetensors, strlen(info->safetensors)) == type,
                   "safetensors name");
    }
    expect(t, dtype_from_name("FP16", 4) == DTYPE_F16, "alias");
    expect(t, dtype_from_name("Q4_K_M", 4) == DTYPE_Q4_K, "part of a longer string");
    expect(t, dtype_from_name("q4", 2) == DTYPE_NONE, "prefix of a name");
    expect(t, dtype_from_safetensors("f16", 3) == DTYPE_NONE, "case in safetensors");
    expect(t, dtype_from_gguf(43) == DTYPE_NONE && dtype_from_gguf(~0u) == DTYPE_NONE, "unknown");
}

static void check_sizes(struct check *t) {
    uint64_t bytes = 7;
    expect(t, dtype_bytes(DTYPE_Q6_K, 512, &bytes) && bytes == 420, "q6_k size");
    expect(t, dtype_bytes(DTYPE_Q6_K, 0, &bytes) && bytes == 0, "empty");
    expect(t, !dtype_bytes(DTYPE_Q6_K, 511, &bytes) && bytes == 0, "part of a block");
    expect(t, !dtype_bytes(DTYPE_F64, UINT64_MAX / 8 + 1, &bytes), "overflow");
    expect(t, dtype_bytes(DTYPE_F64, UINT64_MAX / 8, &bytes), "just no overflow");
    expect(t, !dtype_bytes(DTYPE_Q4_2, 16, &bytes), "removed type");
    expect(t, !dtype_bytes(DTYPE_NONE, 0, &bytes), "no type");
    expect(t, dtype_is_quantized(DTYPE_Q8_0) && !dtype_is_quantized(DTYPE_F4), "quantized");
    expect(t, dtype_is_float(DTYPE_BF16) && !dtype_is_float(DTYPE_I32), "float");
}

static void check_codec(struct check *t) {
    const float one[32] = { [3] = 1 };
    float back[32];
    uint8_t block[34];
    expect(t, codec_can_decode(DTYPE_F32) && codec_can_encode(DTYPE_F32), "f32 is a copy");
    expect(t, codec_can_decode(DTYPE_F64) && !codec_can_encode(DTYPE_F64), "f64 one way");
    expect(t, !codec_can_decode(DTYPE_NONE) && !codec_can_decode(DTYPE_Q4_0_8_8), "no codec");
    expect(t, codec_encode(&t->tested, DTYPE_I64, block, one, 1) == -ENOTSUP, "ENOTSUP");
    expect(t, !codec_encode(&t->tested, DTYPE_Q8_0, block, one, 32), "encode");
    expect(t, !codec_decode(&t->tested, DTYPE_Q8_0, back, block, 32), "decode");
    expect(t, back[3] > 0.999f && back[3] < 1.001f && back[2] == 0, "round trip");
}

/* (level - middle) * scale is what the block decodes to, bit for bit. */
static void check_repack_of(struct check *t, enum dtype from, enum dtype levels, enum dtype scales,
                            int bits) {
    enum { BLOCKS = 64, ELEMS = 32 };
    uint8_t src[BLOCKS * 34], level[BLOCKS * ELEMS];
    float scale[BLOCKS], want[BLOCKS * ELEMS];
    const uint32_t bytes = dtype_info[from].block_bytes;
    uint32_t seed = 1;
    for (uint32_t i = 0; i < BLOCKS * bytes; i++) {
        seed = seed * 1664525 + 1013904223;
        src[i] = (uint8_t)(seed >> 24);
        if (i % bytes == 1)
            src[i] = (uint8_t)((src[i] & 0x83) | 0x28); /* the scale is finite */
    }
    expect(t, codec_repack(from, levels, level, src, BLOCKS), "levels");
    expect(t, codec_repack(from, scales, scale, src, BLOCKS), "scales");
    codec_decode(&t->tested, from, want, src, BLOCKS * ELEMS);
    bool same = true;
    for (int i = 0; i < BLOCKS * ELEMS; i++) {
        const int q = bits == 8 ? level[i] - 128 : (level[i / 2] >> i % 2 * 4 & 15) - 8;
        const float x = (float)q * scale[i / ELEMS];
        same = same && memcmp(&x, &want[i], sizeof x) == 0;
    }
    expect(t, same, "repacked numbers");
}

static void check_repack(struct check *t) {
    check_repack_of(t, DTYPE_Q4_0, DTYPE_NB4X32, DTYPE_NB4X32_SCALE, 4);
    check_repack_of(t, DTYPE_Q8_0, DTYPE_NB8X32, DTYPE_NB8X32_SCALE, 8);
    expect(t, !codec_can_repack(DTYPE_Q8_0, DTYPE_NB4X32), "8 bits are not 4");
    expect(t, !codec_can_repack(DTYPE_NONE, DTYPE_NB4X32), "none");
}

void check_dtype(struct check *t) {
    check_names(t);
    check_sizes(t);
    check_codec(t);
    check_repack(t);
}
