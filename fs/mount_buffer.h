/* SPDX-License-Identifier: Apache-2.0
 * fs/mount_buffer.h - memory for replies, used again: fresh pages cost as much as the copy. */
#pragma once
#include <stddef.h>

struct pool;
struct pool *pool_new(void);    /* NULL: no memory */
void pool_free(struct pool *p); /* NULL is fine */

void *pool_get(struct pool *p, size_t bytes);           /* NULL: no memory */
void pool_put(struct pool *p, void *buf, size_t bytes); /* @bytes as it was asked for */
