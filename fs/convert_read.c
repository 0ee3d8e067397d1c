/* SPDX-License-Identifier: Apache-2.0
 * fs/convert_read.c - the near end of a conversion: pieces of a source, read at once, and their
 * elements as floats. */
#include "fs/convert_impl.h"
#include "fs/merge_elems.h"
#include "fs/unpack_elems.h"
#include "quant/codec.h"
#include <errno.h>

int convert_fail(struct convert *cv, int code, const char *why) {
    return err_set(cv->err, code, "%.*s: %s", STR_ARG(cv->c->name), why);
}

int convert_source(struct convert *cv, const struct tensor *t, uint64_t off, uint64_t len,
                   void *dst) {
    if (t->packed && t->dtype != DTYPE_F32)
        return unpack_blocks(&cv->reader, t, off, len, dst);
    if (t->packed)
        return unpack_elems(&cv->reader, cv->k, t, off / sizeof(float), len / sizeof(float), dst);
    if (t->merged)
        return merge_elems(&cv->reader, cv->k, t, off / sizeof(float), len / sizeof(float), dst);
    return reader_pread(&cv->reader, t, off, len, dst);
}

int convert_decode(struct convert *cv, const struct expr_run *run, uint64_t first, uint64_t elem,
                   uint64_t n, float *dst) {
    if (expr_leaf_values(run->leaf, elem, n, dst))
        return 0;
    const enum dtype type = expr_leaf_type(run->leaf);
    const struct dtype_info *d = &dtype_info[type];
    const uint64_t lead = (elem - first) % d->block_elems;
    const uint8_t *src = cv->at + (elem - first) / d->block_elems * d->block_bytes;
    if (lead == 0 && n % d->block_elems == 0)
        return codec_decode(cv->k, type, dst, src, n);

    /* the run begins or ends within a block of the source */
    float whole[TILE_ELEMS + 2 * MAX_BLOCK_ELEMS];
    const uint64_t blocks = (lead + n + d->block_elems - 1) / d->block_elems;
    int rc = codec_decode(cv->k, type, whole, src, blocks * d->block_elems);
    memcpy(dst, whole + lead, n * sizeof *dst);
    return rc;
}

int64_t convert_piece(struct convert *cv, const struct expr_run *run, uint64_t elem, uint64_t count,
                      uint64_t *first) {
    *first = elem;
    if (expr_leaf_values(run->leaf, 0, 0, NULL))
        return (int64_t)count;
    if (run->leaf->op == EXPR_TRANSPOSE)
        return convert_strip(cv, run->leaf, elem, count);
    const struct tensor *t = run->leaf->tensor;
    const struct dtype_info *d = &dtype_info[t->dtype];
    const uint64_t begin = elem / d->block_elems;
    uint64_t end = (elem + count + d->block_elems - 1) / d->block_elems;
    if (end - begin > PIECE_BYTES / d->block_bytes)
        end = begin + PIECE_BYTES / d->block_bytes;
    int rc =
        convert_source(cv, t, begin * d->block_bytes, (end - begin) * d->block_bytes, cv->piece);
    if (rc < 0)
        return rc;
    cv->at = cv->piece;
    *first = begin * d->block_elems;
    const uint64_t held = end * d->block_elems - elem;
    return (int64_t)(held < count ? held : count);
}
