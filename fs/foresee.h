/* SPDX-License-Identifier: Apache-2.0
 * fs/foresee.h - `ls -l` asks for one name of a folder after another, and each view that nobody
 * has asked for yet must be planned. While one is looked up, the workers plan those behind it. */
#pragma once
#include "fs/mount.h"

struct foresight;
struct foresight *foresight_new(void); /* NULL: no memory */
void foresight_free(struct foresight *f);

/* A folder's names are being listed anew, in this order. */
void foresight_begin(struct foresight *f, const char *dir);
void foresight_add(struct foresight *f, const char *name);

/* The view @name in @dir was looked up: plan its successors, when the workers have time. */
void foresight_next(struct mount *m, const char *dir, const char *name);
