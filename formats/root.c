/* SPDX-License-Identifier: Apache-2.0
 * formats/root.c - SRC as a folder that no path and no link may leave. */
#include "formats/root.h"
#include "formats/cleanup.h"
#include "formats/recent.h"
#include "formats/str.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <sys/syscall.h>

/* An O_PATH descriptor serves for stat and readlink; nothing is read through it. */
static int open_beneath(int dirfd, const char *path, int flags) {
    struct open_how how = {
        .flags = (uint64_t)(flags | O_CLOEXEC | (flags & O_PATH ? 0 : O_NOCTTY | O_NONBLOCK)),
        .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS,
    };
    long fd;
    do /* EAGAIN: a rename raced with the walk, the kernel cannot vouch for ".." */
        fd = syscall(SYS_openat2, dirfd, path, &how, sizeof how);
    while (fd < 0 && (errno == EINTR || errno == EAGAIN));
    if (fd < 0)
        return errno == EXDEV ? -EACCES : -errno;
    return (int)fd;
}

/* "" and "a/b" below SRC as a path below the descriptor. */
static int join(const struct root *r, const char *path, char out[PATH_MAX]) {
    const char *slash = *r->prefix && *path ? "/" : "";
    int n = snprintf(out, PATH_MAX, "%s%s%s", r->prefix, slash, path);
    if (n >= PATH_MAX)
        return -ENAMETOOLONG;
    if (n == 0)
        memcpy(out, ".", 2);
    return 0;
}

int root_openat(const struct root *r, const char *path, int flags) {
    char full[PATH_MAX];
    int rc = join(r, path, full);
    return rc < 0 ? rc : open_beneath(r->fd, full, flags);
}

static int stat_beneath(const struct root *r, const char *path, int flags, struct stat *st) {
    auto_close int fd = root_openat(r, path, O_PATH | flags);
    if (fd < 0)
        return fd;
    return fstatat(fd, "", st, AT_EMPTY_PATH) < 0 ? -errno : 0;
}

/* A name without a slash leads nowhere else: one call instead of three. False: it may. */
static bool lstat_here(const struct root *r, const char *path, struct stat *st, int *rc) {
    if (*r->prefix || !*path || strchr(path, '/') || strcmp(path, "..") == 0)
        return false;
    *rc = fstatat(r->fd, path, st, AT_SYMLINK_NOFOLLOW) < 0 ? -errno : 0;
    return true;
}

int root_stat(const struct root *r, const char *path, struct stat *st) {
    int rc;
    if (lstat_here(r, path, st, &rc) && (rc < 0 || !S_ISLNK(st->st_mode)))
        return rc;
    return stat_beneath(r, path, 0, st);
}

int root_lstat(const struct root *r, const char *path, struct stat *st) {
    int rc;
    return lstat_here(r, path, st, &rc) ? rc : stat_beneath(r, path, O_NOFOLLOW, st);
}

int root_readlink(const struct root *r, const char *path, char *buf, size_t size) {
    auto_close int fd = root_openat(r, path, O_PATH | O_NOFOLLOW);
    if (fd < 0)
        return fd;
    ssize_t n = readlinkat(fd, "", buf, size - 1);
    if (n < 0)
        return -errno;
    buf[n] = 0;
    return 0;
}

int root_opendir(const struct root *r, const char *path, DIR **out) {
    int fd = root_openat(r, path, O_RDONLY | O_DIRECTORY);
    if (fd < 0)
        return fd;
    *out = fdopendir(fd);
    if (*out)
        return 0;
    int rc = -errno;
    close(fd);
    return rc;
}

int root_stat_in(const struct root *r, DIR *d, const char *dir, const char *name, struct stat *st) {
    char path[PATH_MAX];
    if (fstatat(dirfd(d), name, st, AT_SYMLINK_NOFOLLOW) < 0)
        return -errno;
    if (!S_ISLNK(st->st_mode))
        return 0;
    const int n = snprintf(path, sizeof path, "%s%s%s", dir, *dir ? "/" : "", name);
    return n < PATH_MAX ? root_stat(r, path, st) : -ENAMETOOLONG;
}

/* The files of a hub cache's snapshot are links to ../../blobs, so what must not be left is the
 * repository's folder. Returns the length of that folder's path, or 0. */
static size_t hub_repository(const char *path) {
    const char *rev = strrchr(path, '/');
    if (!rev || rev == path ||
        !str_ends((struct str){ path, (size_t)(rev - path) }, STR("/snapshots")))
        return 0;
    size_t n = (size_t)(rev - path) - strlen("/snapshots");
    struct str repo = { path, n };
    while (repo.n && repo.p[repo.n - 1] != '/')
        repo.n--;
    struct str name = { path + repo.n, n - repo.n };
    return str_starts(name, STR("models--")) ? n : 0;
}

static int split_path(struct root *r, const struct stat *st, struct err *err) {
    size_t n = hub_repository(r->path);
    if (S_ISREG(st->st_mode)) {
        const char *slash = strrchr(r->path, '/');
        n = (size_t)(slash - r->path);
        r->only = strdup(slash + 1);
    } else if (n) {
        r->prefix = strdup(r->path + n + 1);
    }
    if (!r->prefix)
        r->prefix = strdup("");
    char *base = n ? strndup(r->path, n) : strdup(S_ISREG(st->st_mode) ? "/" : r->path);
    if (!base || !r->prefix || (S_ISREG(st->st_mode) && !r->only)) {
        free(base);
        return err_set(err, -ENOMEM, "open %s", r->path);
    }
    r->fd = open(base, O_PATH | O_DIRECTORY | O_CLOEXEC);
    int rc = r->fd < 0 ? err_set(err, -errno, "open %s: %s", base, strerror(errno)) : 0;
    free(base);
    return rc;
}

int root_open(struct root **out, const char *path, struct err *err) {
    struct root *r = calloc(1, sizeof *r);
    if (!r)
        return err_set(err, -ENOMEM, "open %s", path);
    r->fd = -1;
    pthread_mutex_init(&r->pool.lock, NULL);
    r->recent = recent_new();
    struct stat st;
    int rc = 0;
    r->path = realpath(path, NULL);
    if (!r->path || stat(r->path, &st) < 0)
        rc = err_set(err, -errno, "%s: %s", path, strerror(errno));
    else if (!S_ISDIR(st.st_mode) && !S_ISREG(st.st_mode))
        rc = err_set(err, -EINVAL, "%s is neither a folder nor a regular file", path);
    else
        rc = split_path(r, &st, err);
    if (rc < 0)
        root_close(r);
    else
        *out = r;
    return rc;
}

void root_close(struct root *r) {
    if (!r)
        return;
    if (r->fd >= 0)
        close(r->fd);
    pthread_mutex_destroy(&r->pool.lock);
    recent_free(r->recent);
    free(r->path);
    free(r->prefix);
    free(r->only);
    free(r);
}

const char *root_path(const struct root *r) {
    return r->path;
}

struct recent *root_recent(const struct root *r) {
    return r->recent;
}

const char *root_only(const struct root *r) {
    return r->only;
}
