/* SPDX-License-Identifier: Apache-2.0
 * fs/ops.c - one function a request: unpack, call one function, reply once. The mount is
 * read-only, so the kernel itself refuses what would change something. */
#include "fs/ops.h"
#include "fs/dir.h"
#include "fs/mount_file.h"
#include "fs/xattr.h"
#include <errno.h>
#include <fcntl.h>
#include <sys/statvfs.h>
#include <unistd.h>

enum { MAX_BACKGROUND = 64, CONGESTION = 48 /* requests; readahead beyond is dropped */ };

/* Asking for what the kernel does not offer ends the mount. */
static void want(struct fuse_conn_info *conn, unsigned capability) {
    if (conn->capable & capability)
        conn->want |= capability;
}

static void op_init(void *user, struct fuse_conn_info *conn) {
    (void)user;
    conn->max_read = MOUNT_READ_MAX;
    conn->max_background = MAX_BACKGROUND;
    conn->congestion_threshold = CONGESTION;
    want(conn, FUSE_CAP_ASYNC_READ);
    want(conn, FUSE_CAP_PARALLEL_DIROPS);
    want(conn, FUSE_CAP_READDIRPLUS);
    want(conn, FUSE_CAP_READDIRPLUS_AUTO);
    want(conn, FUSE_CAP_AUTO_INVAL_DATA); /* a passed-through file that changed in place */
}

static void op_lookup(fuse_req_t req, fuse_ino_t parent, const char *name) {
    struct mount *m = mount_of(req);
    struct fuse_entry_param e;
    const int rc = node_lookup(m, node_of(m, parent), name, &e);
    if (rc == 0 || rc == -ENOENT) /* with inode 0: there is none, and that holds for a while */
        fuse_reply_entry(req, &e);
    else
        fuse_reply_err(req, -rc);
}

static void op_forget(fuse_req_t req, fuse_ino_t ino, uint64_t lookups) {
    struct mount *m = mount_of(req);
    nodes_forget(m->nodes, node_of(m, ino), lookups);
    fuse_reply_none(req);
}

static void op_forget_multi(fuse_req_t req, size_t count, struct fuse_forget_data *forgets) {
    struct mount *m = mount_of(req);
    for (size_t i = 0; i < count; i++)
        nodes_forget(m->nodes, node_of(m, forgets[i].ino), forgets[i].nlookup);
    fuse_reply_none(req);
}

static void op_getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi) {
    struct mount *m = mount_of(req);
    struct stat st;
    double timeout_s;
    (void)fi;
    int rc = node_getattr(m, node_of(m, ino), &st, &timeout_s);
    if (rc == -ESTALE)
        rc = files_getattr(m, node_of(m, ino), &st);
    if (rc < 0)
        fuse_reply_err(req, -rc);
    else
        fuse_reply_attr(req, &st, timeout_s);
}

static void op_readlink(fuse_req_t req, fuse_ino_t ino) {
    struct mount *m = mount_of(req);
    char target[PATH_MAX];
    const int rc = root_readlink(m->engine->root, node_of(m, ino)->path, target, sizeof target);
    if (rc < 0)
        fuse_reply_err(req, -rc);
    else
        fuse_reply_readlink(req, target);
}

static void op_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi) {
    struct mount *m = mount_of(req);
    struct file *f;
    bool keep;
    if ((fi->flags & O_ACCMODE) != O_RDONLY) {
        fuse_reply_err(req, EROFS);
        return;
    }
    const int rc = file_open(m, node_of(m, ino), &f, &keep);
    if (rc < 0) {
        fuse_reply_err(req, -rc);
        return;
    }
    fi->fh = (uint64_t)(uintptr_t)f;
    fi->keep_cache = keep;
    fi->noflush = f->view == NULL;
    if (fuse_reply_open(req, fi) < 0) /* the caller went away: there will be no release */
        file_close(f);
}

static struct file *file_of(const struct fuse_file_info *fi) {
    return (struct file *)(uintptr_t)fi->fh;
}

static void op_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off,
                    struct fuse_file_info *fi) {
    (void)ino;
    file_read(file_of(fi), req, size, (uint64_t)off);
}

static void op_flush(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi) {
    (void)ino;
    file_flush(file_of(fi), req);
    fuse_reply_err(req, 0);
}

static void op_release(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi) {
    (void)ino;
    file_close(file_of(fi));
    fuse_reply_err(req, 0);
}

static struct dir *dir_of(const struct fuse_file_info *fi) {
    return (struct dir *)(uintptr_t)fi->fh;
}

static void op_opendir(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi) {
    struct mount *m = mount_of(req);
    struct dir *d;
    const int rc = dir_open(m, node_of(m, ino), &d);
    if (rc < 0) {
        fuse_reply_err(req, -rc);
        return;
    }
    fi->fh = (uint64_t)(uintptr_t)d;
    if (fuse_reply_open(req, fi) < 0)
        dir_close(m, d);
}

static void op_readdir(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off,
                       struct fuse_file_info *fi) {
    struct mount *m = mount_of(req);
    dir_read(m, node_of(m, ino), dir_of(fi), req, size, off, false);
}

static void op_readdirplus(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off,
                           struct fuse_file_info *fi) {
    struct mount *m = mount_of(req);
    dir_read(m, node_of(m, ino), dir_of(fi), req, size, off, true);
}

static void op_releasedir(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi) {
    (void)ino;
    dir_close(mount_of(req), dir_of(fi));
    fuse_reply_err(req, 0);
}

static int stat_source(struct mount *m, struct statvfs *st) {
    const int fd = root_openat(m->engine->root, "", O_RDONLY | O_DIRECTORY);
    if (fd < 0)
        return fd;
    const int rc = fstatvfs(fd, st) < 0 ? -errno : 0;
    close(fd);
    return rc;
}

static void op_statfs(fuse_req_t req, fuse_ino_t ino) {
    struct statvfs st;
    (void)ino;
    const int rc = stat_source(mount_of(req), &st);
    if (rc < 0)
        fuse_reply_err(req, -rc);
    else
        fuse_reply_statfs(req, &st);
}

/* As getxattr(2) has it: with size 0 the length is asked for. */
static void reply_xattr(fuse_req_t req, int rc, const struct buffer *value, size_t size) {
    if (rc < 0)
        fuse_reply_err(req, -rc);
    else if (size == 0)
        fuse_reply_xattr(req, value->n);
    else if (size < value->n)
        fuse_reply_err(req, ERANGE);
    else
        fuse_reply_buf(req, value->p, value->n);
}

static void op_getxattr(fuse_req_t req, fuse_ino_t ino, const char *name, size_t size) {
    struct mount *m = mount_of(req);
    struct buffer value = { 0 };
    const int rc = xattr_get(m, node_of(m, ino), name, &value);
    reply_xattr(req, rc, &value, size);
    buffer_fini(&value);
}

static void op_listxattr(fuse_req_t req, fuse_ino_t ino, size_t size) {
    struct mount *m = mount_of(req);
    struct buffer names = { 0 };
    const int rc = xattr_list(m, node_of(m, ino), &names);
    reply_xattr(req, rc, &names, size);
    buffer_fini(&names);
}

const struct fuse_lowlevel_ops mount_ops = {
    .init = op_init,
    .lookup = op_lookup,
    .forget = op_forget,
    .forget_multi = op_forget_multi,
    .getattr = op_getattr,
    .readlink = op_readlink,
    .open = op_open,
    .read = op_read,
    .flush = op_flush,
    .release = op_release,
    .opendir = op_opendir,
    .readdir = op_readdir,
    .readdirplus = op_readdirplus,
    .releasedir = op_releasedir,
    .statfs = op_statfs,
    .getxattr = op_getxattr,
    .listxattr = op_listxattr,
};
