/* SPDX-License-Identifier: Apache-2.0
 * fs/mount_point.h - the folder that is mounted on: is it fit, and what lies on it already? */
#pragma once
#include "formats/err.h"
#include <limits.h>

/* The absolute path of @mnt, links resolved, after a dead mount of weightfs on it was taken off.
 * -ENOTDIR, -ENOENT ...; -EBUSY: a living one is there. */
int mount_point_prepare(const char *mnt, char out[PATH_MAX], struct err *err);

/* Refuse to mount over SRC or into it, or over the cache: what is read would then be asked of the
 * mount itself. @cache: NULL or "" for none. @mnt: as from mount_point_prepare. */
int mount_point_check(const char *mnt, const char *src, const char *cache, struct err *err);

/* What the kernel reads ahead of a reader of the mount at @mnt. Only root may; else nothing.
 * Measured on a passed-through file of 1.5 GB, by KiB: sequential read 128: 12.1 s, 512: 6.3,
 * 1024: 5.7, 2048: 3.1; 1,000 faults at random places of a map read 118, 409, 690 and 1,013 MB
 * (two busy cores, Linux 6.18). */
void mount_point_readahead(const char *mnt, unsigned kib);
