/* SPDX-License-Identifier: Apache-2.0
 * fs/dir.h - an open folder: the names that it had when it was read from its beginning. */
#pragma once
#include "fs/node.h"

struct dirs; /* all that are open: the kernel does not close them when the mount ends */
struct dirs *dirs_new(void);     /* NULL: no memory */
void dirs_free(struct dirs *ds); /* NULL is fine */

struct dir;
int dir_open(struct mount *m, const struct node *n, struct dir **out);
void dir_close(struct mount *m, struct dir *d);

/* Reply with entries from number @off on, @size bytes at the most. @plus: with attributes; those
 * of views are left to a lookup, as they need the model's header. */
void dir_read(struct mount *m, const struct node *n, struct dir *d, fuse_req_t req, size_t size,
              off_t off, bool plus);
