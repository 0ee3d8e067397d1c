/* SPDX-License-Identifier: Apache-2.0
 * fs/convert_move.c - conversions that compute nothing: bytes, blocks or numbers lie elsewhere. */
#include "fs/convert_impl.h"
#include "quant/codec.h"

int convert_move(struct convert *cv, uint64_t elem, uint64_t count, uint8_t *dst) {
    const struct dtype_info *d = &dtype_info[cv->c->to];
    while (count > 0) {
        struct expr_run run;
        expr_run(cv->c->expr, elem, count, &run);
        const uint64_t bytes = run.count / d->block_elems * d->block_bytes;
        int rc = convert_source(cv, run.leaf->tensor,
                                run.leaf_elem / d->block_elems * d->block_bytes, bytes, dst);
        if (rc == 0 && cv->c->strict)
            rc = convert_check(cv, dst, run.count);
        if (rc < 0)
            return rc;
        dst += bytes;
        elem += run.count;
        count -= run.count;
    }
    return 0;
}

int convert_repack(struct convert *cv, uint64_t elem, uint64_t count, uint8_t *dst) {
    const enum dtype from = expr_copies(cv->c->expr);
    const struct dtype_info *s = &dtype_info[from], *d = &dtype_info[cv->c->to];
    while (count > 0) {
        struct expr_run run;
        expr_run(cv->c->expr, elem, count, &run);
        uint64_t blocks = run.count / s->block_elems;
        if (blocks > PIECE_BYTES / s->block_bytes)
            blocks = PIECE_BYTES / s->block_bytes;
        const uint64_t n = blocks * s->block_elems;
        int rc =
            convert_source(cv, run.leaf->tensor, run.leaf_elem / s->block_elems * s->block_bytes,
                           blocks * s->block_bytes, cv->piece);
        if (rc < 0)
            return rc;
        codec_repack(from, cv->c->to, dst, cv->piece, blocks);
        dst += blocks * d->block_bytes;
        elem += n;
        count -= n;
    }
    return 0;
}

int convert_move_strips(struct convert *cv, uint64_t elem, uint64_t count, uint8_t *dst) {
    const uint64_t size = dtype_info[cv->c->to].block_bytes;
    cv->reach = cv->end > elem + count ? cv->end : elem + count;
    while (count > 0) {
        const int64_t n = convert_strip(cv, cv->c->expr, elem, count);
        if (n < 0)
            return (int)n;
        memcpy(dst, cv->at, (uint64_t)n * size);
        int rc = cv->c->strict ? convert_check(cv, dst, (uint64_t)n) : 0;
        if (rc < 0)
            return rc;
        dst += (uint64_t)n * size;
        elem += (uint64_t)n;
        count -= (uint64_t)n;
    }
    return 0;
}
