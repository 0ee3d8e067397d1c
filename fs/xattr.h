/* SPDX-License-Identifier: Apache-2.0
 * fs/xattr.h - user.weightfs.* of views and sources; user.* of SRC's own. */
#pragma once
#include "formats/buffer.h"
#include "fs/node.h"

/* Fill @out with the value of @name, or with all names, each with a NUL. 0 or a negative errno;
 * -ENODATA: there is no such attribute. */
int xattr_get(struct mount *m, const struct node *n, const char *name, struct buffer *out);
int xattr_list(struct mount *m, const struct node *n, struct buffer *out);

/* fs/mount_status.c: what `weightfs status` prints, as JSON; the value of user.weightfs.status on
 * the root, which is not listed. */
void mount_status(struct mount *m, struct buffer *out);
