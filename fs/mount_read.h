/* SPDX-License-Identifier: Apache-2.0
 * fs/mount_read.h - what mount_file.c, mount_read.c and mount_real.c need of each other. */
#pragma once
#include "fs/mount_file.h"

enum { CANCEL_ALL = 0 };

/* Reads that thread @pid caused. */
void file_cancel(struct file *f, pid_t pid);

/* A read of a file of SRC: replies. */
void real_read(struct file *f, fuse_req_t req, size_t size, uint64_t off);
void real_close(struct file *f);

void readings_begin(struct files *f);
void readings_end(struct files *f);
