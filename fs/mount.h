/* SPDX-License-Identifier: Apache-2.0
 * fs/mount.h - one mount: what its operations share. */
#pragma once
#define FUSE_USE_VERSION 314
#include "fs/engine.h"
#include "fs/names.h"
#include "fs/options.h"
#include <fuse3/fuse_lowlevel.h>
#include <stdatomic.h>
#include <time.h>

struct nodes;     /* fs/node.h */
struct files;     /* fs/mount_file.h */
struct dirs;      /* fs/dir.h */
struct pool;      /* fs/mount_buffer.h */
struct foresight; /* fs/foresee.h */

/* Names are looked up again after this time, so that a change in SRC is seen within a second. */
static const double name_timeout_s = 0.5;
/* A view's inode belongs to one version of its source: what is true of it stays true. */
static const double view_timeout_s = 3600;

enum { MOUNT_READ_MAX = 1 << 20 /* bytes of one read request */ };

struct mount {
    const struct options *o;
    struct engine *engine;
    struct names *names;
    struct nodes *nodes;
    struct files *files;
    struct dirs *dirs;
    struct pool *pool;
    struct foresight *foresight;
    struct fuse_session *session;
    struct timespec started;                 /* CLOCK_MONOTONIC */
    dev_t src_dev;                           /* of SRC itself */
    _Atomic uint64_t real_reads, real_bytes; /* of passed-through files */
};

static inline struct mount *mount_of(fuse_req_t req) {
    return fuse_req_userdata(req);
}
