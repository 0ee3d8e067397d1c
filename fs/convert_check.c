/* SPDX-License-Identifier: Apache-2.0
 * fs/convert_check.c - what llama-quantize calls valid: numbers, and blocks of them, that are all
 * finite. */
#include "fs/convert_impl.h"
#include "quant/codec.h"
#include <errno.h>

bool convert_are_small(const float *x, uint64_t n) {
    uint64_t bits = 0, pair;
    for (uint64_t i = 0; i + 1 < n; i += 2) {
        memcpy(&pair, x + i, sizeof pair);
        bits |= pair;
    }
    for (uint64_t i = n & ~1ull; i < n; i++) {
        uint32_t last;
        memcpy(&last, x + i, sizeof last);
        bits |= last;
    }
    return !(bits & 0x4000000040000000u);
}

int convert_check(struct convert *cv, const uint8_t *src, uint64_t elems) {
    const struct dtype_info *d = &dtype_info[cv->c->to];
    while (elems > 0) {
        const uint64_t n = elems < TILE_ELEMS ? elems : TILE_ELEMS;
        if (codec_decode(cv->k, cv->c->to, cv->tile, src, n) < 0)
            return convert_fail(cv, -ENOTSUP, "no decoder for its type");
        if (!cv->k->f32_all_finite(cv->tile, n))
            return convert_fail(cv, -EDOM,
                                "holds a NaN, an infinity, or a number too large for its type");
        src += n / d->block_elems * d->block_bytes;
        elems -= n;
    }
    return 0;
}
