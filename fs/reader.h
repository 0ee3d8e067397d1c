/* SPDX-License-Identifier: Apache-2.0
 * fs/reader.h - bytes of a model's files for one conversion: whatever was read is of the version
 * that was opened, once reader_check says so. */
#pragma once
#include "formats/model.h"
#include "formats/source_rows.h"
#include <stdbool.h>

struct unpacking; /* fs/unpack_elems.c */

struct reader {
    struct model *model;
    struct err *err;
    uint32_t checked_src; /* the source that was read last, not yet checked */
    bool dirty;
    struct unpacking *unpacking; /* what unpack_elems has read last; unpack_fini frees it */
};

/* Bytes [off, off + len) of a stored tensor. */
int reader_pread(struct reader *r, const struct tensor *t, uint64_t off, uint64_t len, void *dst);

/* The same of rows; r->off counts from the tensor's begin. */
int reader_pread_rows(struct reader *r, const struct tensor *t, struct source_rows rows);

/* Some of it was read before: its file is to be the same still. */
int reader_touch(struct reader *r, const struct tensor *t);

/* Whatever was read before this is of the version that was opened: 0 or -ESTALE. */
int reader_check(struct reader *r);
