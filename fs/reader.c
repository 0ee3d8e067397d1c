/* SPDX-License-Identifier: Apache-2.0
 * fs/reader.c - see reader.h. */
#include "fs/reader.h"

int reader_check(struct reader *r) {
    if (!r->dirty)
        return 0;
    r->dirty = false;
    return source_check(r->model->sources[r->checked_src], r->err);
}

int reader_touch(struct reader *r, const struct tensor *t) {
    int rc = r->dirty && r->checked_src != t->src ? reader_check(r) : 0;
    if (rc < 0)
        return rc;
    r->checked_src = t->src;
    r->dirty = true;
    return 0;
}

int reader_pread_rows(struct reader *r, const struct tensor *t, struct source_rows rows) {
    int rc = reader_touch(r, t);
    if (rc < 0)
        return rc;
    rows.off += t->off;
    return source_pread_rows(r->model->sources[t->src], &rows, r->err);
}

int reader_pread(struct reader *r, const struct tensor *t, uint64_t off, uint64_t len, void *dst) {
    return reader_pread_rows(r, t,
                             (struct source_rows){ .off = off, .n = len, .rows = 1, .dst = dst });
}
