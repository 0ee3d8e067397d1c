/* SPDX-License-Identifier: Apache-2.0
 * tools/output.c - written without a name where the filesystem allows (a killed program then
 * leaves nothing behind), else under a temporary one; named when it is complete. */
#include "tools/output.h"
#include "tools/text.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

static int check_space(int dir, const char *path, uint64_t bytes, struct err *err) {
    struct statvfs fs;
    char need[TEXT_SIZE], have[TEXT_SIZE];
    if (fstatvfs(dir, &fs) < 0)
        return 0; /* then the write will tell */
    const uint64_t space = (uint64_t)fs.f_bavail * fs.f_frsize;
    if (space >= bytes)
        return 0;
    return err_set(err, -ENOSPC, "%s needs %s, and %s are free there", path,
                   text_bytes(bytes, need), text_bytes(space, have));
}

static int open_temp(struct output *o, const char *dir, struct err *err) {
    o->fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0666);
    if (o->fd >= 0)
        return 0;
    o->fd = mkostemp(o->temp, O_CLOEXEC);
    if (o->fd < 0)
        return err_set(err, -errno, "cannot write in %s: %s", dir, strerror(errno));
    o->named = true;
    const mode_t mask = umask(0);
    umask(mask);
    if (fchmod(o->fd, 0666 & ~mask) < 0)
        return err_set(err, -errno, "%s: %s", o->temp, strerror(errno));
    return 0;
}

static int place_names(struct output *o, const char *path, const char *name, char *dir,
                       struct err *err) {
    struct stat st;
    const bool folder = stat(path, &st) == 0 && S_ISDIR(st.st_mode);
    int n = snprintf(o->path, sizeof o->path, folder ? "%s/%s" : "%s", path, name);
    const char *slash = strrchr(o->path, '/');
    if (n >= (int)sizeof o->path || !(slash ? slash[1] : *o->path))
        return err_set(err, -EINVAL, "%s is no name for a file", path);
    snprintf(dir, PATH_MAX, "%.*s", slash ? (int)(slash - o->path + 1) : 1, slash ? o->path : ".");
    n = snprintf(o->temp, sizeof o->temp, "%s/.weightfs-XXXXXX", dir);
    if (n >= (int)sizeof o->temp)
        return err_set(err, -ENAMETOOLONG, "%s: the path is too long", path);
    if (!o->replace && lstat(o->path, &st) == 0)
        return err_set(err, -EEXIST, "%s is there already; -f replaces it", o->path);
    if (o->replace && lstat(o->path, &st) == 0 && !S_ISREG(st.st_mode))
        return err_set(err, -EINVAL, "%s is not an ordinary file", o->path);
    return 0;
}

int output_open(struct output *o, const char *path, const char *name, uint64_t bytes, bool replace,
                struct err *err) {
    char dir[PATH_MAX];
    *o = (struct output){ .fd = -1, .replace = replace };
    if (strcmp(path, "-") == 0) {
        o->fd = STDOUT_FILENO;
        o->is_stdout = true;
        return 0;
    }
    int rc = place_names(o, path, name, dir, err);
    if (rc == 0)
        rc = open_temp(o, dir, err);
    if (rc == 0)
        rc = check_space(o->fd, o->path, bytes, err);
    if (rc < 0)
        output_fini(o);
    return rc;
}

int output_write(struct output *o, const void *bytes, uint64_t n, struct err *err) {
    const char *p = bytes;
    while (n > 0) {
        const ssize_t w = write(o->fd, p, n);
        if (w < 0 && errno == EINTR)
            continue;
        if (w < 0)
            return err_set(err, -errno, "writing %s: %s", o->is_stdout ? "stdout" : o->path,
                           strerror(errno));
        p += w;
        n -= (uint64_t)w;
    }
    return 0;
}

/* A link never replaces a file: for that it gets the temporary name first, then a rename. */
static int name_nameless(struct output *o) {
    char fd[64];
    snprintf(fd, sizeof fd, "/proc/self/fd/%d", o->fd);
    if (!o->replace)
        return linkat(AT_FDCWD, fd, AT_FDCWD, o->path, AT_SYMLINK_FOLLOW);
    for (unsigned i = 0; i < 100; i++) {
        snprintf(o->temp + strlen(o->temp) - 6, 7, "%06x",
                 ((unsigned)getpid() * 100 + i) & 0xffffff);
        if (linkat(AT_FDCWD, fd, AT_FDCWD, o->temp, AT_SYMLINK_FOLLOW) == 0) {
            o->named = true;
            return rename(o->temp, o->path);
        }
        if (errno != EEXIST)
            return -1;
    }
    return -1;
}

int output_commit(struct output *o, struct err *err) {
    if (o->is_stdout)
        return 0;
    int rc;
    if (!o->named)
        rc = name_nameless(o);
    else
        rc = renameat2(AT_FDCWD, o->temp, AT_FDCWD, o->path, o->replace ? 0 : RENAME_NOREPLACE);
    if (rc < 0 && errno == EINVAL) /* a filesystem that does not know RENAME_NOREPLACE */
        rc = rename(o->temp, o->path);
    if (rc < 0)
        return err_set(err, -errno, "%s: %s", o->path, strerror(errno));
    o->named = false;
    return 0;
}

void output_fini(struct output *o) {
    if (o->is_stdout || o->fd < 0)
        return;
    close(o->fd);
    if (o->named)
        unlink(o->temp);
    o->fd = -1;
}
