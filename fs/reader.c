/* SPDX-License-Identifier: Apache-2.0
 * fs/reader.c - see reader.h. */
#include "fs/reader.h"

int reader_check(struct reader *r) {
    if (!r->dirty)
        return 0;
    r->dirty = false;
    return source_check(r->model->sources[r->checked_src], r->err);
}

int reader_pread(struct reader *r, const struct tensor *t, uint64_t off, uint64_t len, void *dst) {
    if (r->dirty && r->checked_src != t->src) {
        int rc = reader_check(r);
        if (rc < 0)
            return rc;
    }
    r->checked_src = t->src;
    r->dirty = true;
    return source_pread(r->model->sources[t->src], dst, len, t->off + off, r->err);
}
