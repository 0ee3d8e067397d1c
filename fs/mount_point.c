/* SPDX-License-Identifier: Apache-2.0
 * fs/mount_point.c - looking at the mount point, and clearing what a killed mount left there. */
#include "fs/mount_point.h"
#include "formats/cleanup.h"
#include "fs/log.h"
#include <errno.h>
#include <libgen.h>
#include <mntent.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/wait.h>

enum { MAX_STACKED = 16 /* dead mounts, one over the other */ };

extern char **environ;

/* The type of what is mounted last at @path; false: nothing is. */
static bool mounted_type(const char *path, char type[64]) {
    FILE *f = setmntent("/proc/self/mounts", "re");
    struct mntent e;
    char buf[2 * PATH_MAX];
    bool found = false;
    while (f && getmntent_r(f, &e, buf, sizeof buf)) {
        if (strcmp(e.mnt_dir, path) != 0)
            continue;
        snprintf(type, 64, "%s", e.mnt_type);
        found = true;
    }
    if (f)
        endmntent(f);
    return found;
}

static bool is_ours(const char *path) {
    char type[64];
    return mounted_type(path, type) && strcmp(type, "fuse.weightfs") == 0;
}

/* As fusermount3 is setuid, it also serves those who are not root. */
static int run_fusermount(const char *path) {
    char *const argv[] = { "fusermount3", "-u", "-q", "-z", "--", (char *)path, NULL };
    pid_t pid;
    int status;
    const int rc = posix_spawnp(&pid, "fusermount3", NULL, NULL, argv, environ);
    if (rc != 0)
        return -rc;
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return -errno;
    return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -EPERM;
}

static int take_off(const char *path) {
    if (geteuid() == 0)
        return umount2(path, MNT_DETACH | UMOUNT_NOFOLLOW) < 0 ? -errno : 0;
    return run_fusermount(path);
}

/* The path of what cannot be looked into: that of the folder it is in, and its name. */
static int resolve_dead(const char *mnt, char out[PATH_MAX], struct err *err) {
    auto_free char *copy = strdup(mnt), *again = strdup(mnt), *parent = NULL;
    if (!copy || !again)
        return err_set(err, -ENOMEM, "no memory");
    parent = realpath(dirname(copy), NULL);
    if (!parent)
        return err_set(err, -errno, "%s: %s", mnt, strerror(errno));
    if (snprintf(out, PATH_MAX, "%s/%s", strcmp(parent, "/") == 0 ? "" : parent, basename(again)) >=
        PATH_MAX)
        return err_set(err, -ENAMETOOLONG, "%s: too long", mnt);
    return 0;
}

/* Asked of statfs, which the kernel passes on each time; what stat says may be remembered. */
static bool is_dead(const char *path) {
    struct statfs st;
    return statfs(path, &st) < 0 && (errno == ENOTCONN || errno == ECONNABORTED);
}

static int clear_dead(const char *mnt, struct err *err) {
    char path[PATH_MAX];
    int rc = resolve_dead(mnt, path, err);
    for (int i = 0; i < MAX_STACKED && rc == 0; i++) {
        if (!is_dead(path))
            return 0;
        if (!is_ours(path))
            return err_set(err, -ENOTCONN, "%s: a dead mount of something else is there", mnt);
        log_info("%s: clearing a mount whose process is gone", path);
        rc = take_off(path);
        if (rc < 0)
            err_set(err, rc, "%s: a dead mount is there and cannot be taken off: %s", mnt,
                    strerror(-rc));
    }
    return rc;
}

int mount_point_prepare(const char *mnt, char out[PATH_MAX], struct err *err) {
    struct stat st;
    if (is_dead(mnt)) {
        const int rc = clear_dead(mnt, err);
        if (rc < 0)
            return rc;
    }
    if (!realpath(mnt, out) || stat(out, &st) < 0)
        return err_set(err, -errno, "%s: %s%s", mnt, strerror(errno),
                       errno == ENOENT ? "; a mount point is an empty folder: make it first" : "");
    if (!S_ISDIR(st.st_mode))
        return err_set(err, -ENOTDIR, "%s: not a folder", mnt);
    if (is_ours(out))
        return err_set(err, -EBUSY, "%s: weightfs is mounted there already", mnt);
    return 0;
}

static bool same(const struct stat *a, const struct stat *b) {
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

/* Is @path (absolute, without links) @dir, or below it? By identity: another name of it counts. */
static bool is_within(const char *path, const struct stat *dir) {
    char up[PATH_MAX];
    struct stat st;
    snprintf(up, sizeof up, "%s", path);
    for (;;) {
        if (stat(*up ? up : "/", &st) == 0 && same(&st, dir))
            return true;
        char *slash = strrchr(up, '/');
        if (!slash || !*up)
            return false;
        *slash = 0;
    }
}

/* The nearest folder above @path that exists, @path itself where it does. */
static bool existing(const char *path, char out[PATH_MAX]) {
    char up[PATH_MAX];
    snprintf(up, sizeof up, "%s", path);
    while (!realpath(*up ? up : "/", out)) {
        char *slash = strrchr(up, '/');
        if (!slash || !*up)
            return false;
        *slash = 0;
    }
    return true;
}

int mount_point_check(const char *mnt, const char *src, const char *cache, struct err *err) {
    char real_src[PATH_MAX], real_cache[PATH_MAX];
    struct stat mnt_st, src_st, cache_st;
    if (stat(mnt, &mnt_st) < 0)
        return err_set(err, -errno, "%s: %s", mnt, strerror(errno));
    if (!realpath(src, real_src) || stat(real_src, &src_st) < 0)
        return err_set(err, -errno, "%s: %s", src, strerror(errno));
    if (same(&mnt_st, &src_st))
        return err_set(err, -EINVAL, "%s: SRC cannot be mounted over itself", mnt);
    if (is_within(mnt, &src_st))
        return err_set(err, -EINVAL, "%s: lies within SRC", mnt);
    if (is_within(real_src, &mnt_st))
        return err_set(err, -EINVAL, "%s: SRC lies within it and would be hidden", mnt);
    if (!cache || !*cache || !existing(cache, real_cache))
        return 0;
    const bool is_there = stat(cache, &cache_st) == 0;
    if (is_within(real_cache, &mnt_st) || (is_there && is_within(mnt, &cache_st)))
        return err_set(err, -EINVAL, "%s: the cache, %s, lies there", mnt, cache);
    return 0;
}

/* Blanks and the like stand there as \\040. */
static void unescape(char *s) {
    char *to = s;
    for (; *s; s++) {
        unsigned c;
        if (*s == '\\' && sscanf(s + 1, "%3o", &c) == 1) {
            *to++ = (char)c;
            s += 3;
        } else {
            *to++ = *s;
        }
    }
    *to = 0;
}

/* The device of the mount, from mountinfo: a stat would be a request to the mount itself. */
static bool find_device(const char *mnt, unsigned *major, unsigned *minor) {
    char line[2 * PATH_MAX], path[PATH_MAX];
    bool found = false;
    FILE *f = fopen("/proc/self/mountinfo", "re");
    while (f && fgets(line, sizeof line, f)) {
        unsigned a, b;
        if (sscanf(line, "%*d %*d %u:%u %*s %4095s", &a, &b, path) != 3)
            continue;
        unescape(path);
        if (strcmp(path, mnt) != 0)
            continue;
        *major = a;
        *minor = b;
        found = true;
    }
    if (f)
        fclose(f);
    return found;
}

void mount_point_readahead(const char *mnt, unsigned kib) {
    unsigned major, minor;
    char path[64];
    if (geteuid() != 0 || !find_device(mnt, &major, &minor))
        return;
    snprintf(path, sizeof path, "/sys/class/bdi/%u:%u/read_ahead_kb", major, minor);
    FILE *f = fopen(path, "we");
    if (!f || fprintf(f, "%u\n", kib) < 0 || fflush(f) != 0)
        log_info("%s: readahead stays at the kernel's 128 KiB: %s", mnt, strerror(errno));
    if (f)
        fclose(f);
}
