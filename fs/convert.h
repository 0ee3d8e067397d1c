/* SPDX-License-Identifier: Apache-2.0
 * fs/convert.h - evaluating an expression for some blocks of a converted tensor: inputs from the
 * source, through a tile of floats, into the target's blocks. */
#pragma once
#include "fs/strip.h"
#include "fs/view.h"
#include "kernels/kernels.h"

/* Does @e begin with a transpose? Each read of its source then goes through all its rows: the
 * more columns at once the better. */
bool convert_by_strips(const struct expr *e);

/* What else is wanted: bytes around those of one call, which the next ones will ask for. */
struct demand {
    uint64_t off, len; /* of the converted tensor */
    bool wide;         /* and what follows will be, too: a transpose is read with that in mind */
    bool (*wanted)(const void *user); /* asked now and then; false: -EINTR. NULL: it is */
    const void *user;
    struct strip **strip; /* the last one that was used, from one call to the next; NULL: none */
};

/* Bytes [off, off + len) of the converted tensor, any offset and length: blocks that are cut are
 * converted whole aside. Written in full, or an error: -ESTALE when the source has changed,
 * -EDOM for numbers that the target cannot hold, -ENOTSUP, or what the read said. @demand NULL:
 * just these. */
int convert_range(struct view *v, const struct conversion *c, const struct demand *demand,
                  uint64_t off, uint64_t len, uint8_t *dst, struct err *err);

/* Elements [elem, elem + count) of an expression as floats; @name is for messages. */
int convert_floats(struct model *m, const struct kernels *k, struct str name, const struct expr *e,
                   uint64_t elem, uint64_t count, float *dst, struct err *err);
