/* SPDX-License-Identifier: Apache-2.0
 * fs/unpack_blocks.c - packed tensors as blocks of GGUF: the same numbers and scales, put together.
 * Source: _nvfp4_pack in conversion/base.py, repack_mxfp4 in conversion/gpt_oss.py (llama.cpp
 * 0c1e570). */
#include "formats/cleanup.h"
#include "formats/packed.h"
#include "fs/unpack_elems.h"
#include <errno.h>
#include <stdlib.h>

/* How a block is made of what is stored. */
static const struct shape {
    enum dtype type;
    uint32_t parts, half; /* scales a block; half of the numbers that have one */
    uint8_t mask;         /* a scale of NVFP4 has no sign */
} shapes[] = {
    { DTYPE_NVFP4, 4, 8, 0x7f },
    { DTYPE_MXFP4, 1, 16, 0xff },
};

int unpack_blocks(struct reader *r, const struct tensor *t, uint64_t off, uint64_t len,
                  uint8_t *dst) {
    enum { STEP = 4096 }; /* blocks */
    const struct shape *s = &shapes[t->dtype == DTYPE_MXFP4];
    const uint64_t size = dtype_info[t->dtype].block_bytes, end = (off + len) / size;
    const uint32_t bytes = s->parts * s->half;
    auto_free uint8_t *stored = malloc(STEP * (bytes + s->parts));
    if (!stored)
        return err_set(r->err, -ENOMEM, "no memory to read %.*s", STR_ARG(t->name));
    for (uint64_t block = off / size; block < end; block += STEP) {
        const uint64_t n = end - block < STEP ? end - block : STEP;
        uint8_t *scales = stored + n * bytes;
        int rc = reader_pread(r, t->packed->words, block * bytes, n * bytes, stored);
        if (rc == 0)
            rc = reader_pread(r, t->packed->scales, block * s->parts, n * s->parts, scales);
        if (rc < 0)
            return rc;
        repack_fp4(dst, stored, scales, n, s->parts, s->half, s->mask);
        dst += n * size;
    }
    return 0;
}
