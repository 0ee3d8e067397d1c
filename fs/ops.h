/* SPDX-License-Identifier: Apache-2.0
 * fs/ops.h - the requests of the kernel that are answered. */
#pragma once
#include "fs/mount.h"

extern const struct fuse_lowlevel_ops mount_ops; /* userdata: struct mount */
