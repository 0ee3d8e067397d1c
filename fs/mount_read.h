/* SPDX-License-Identifier: Apache-2.0
 * fs/mount_read.h - what mount_file.c and mount_read.c need of each other. */
#pragma once
#include "fs/mount_file.h"

enum { CANCEL_ALL = 0 };

/* Reads that thread @pid caused. */
void file_cancel(struct file *f, pid_t pid);

void readings_begin(struct files *f);
void readings_end(struct files *f);
