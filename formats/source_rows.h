/* SPDX-License-Identifier: Apache-2.0
 * formats/source_rows.h - parts of rows that do not lie together, as one read. */
#pragma once
#include "formats/source.h"

/* @rows times @n bytes: from @off, @off + @step, ... to @dst, @dst + @dst_step, ... */
struct source_rows {
    uint64_t off, step, n, rows;
    uint8_t *dst;
    uint64_t dst_step;
};

/* As source_pread of each. */
int source_pread_rows(struct source *s, const struct source_rows *r, struct err *err);
