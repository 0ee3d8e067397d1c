/* SPDX-License-Identifier: Apache-2.0
 * tools/output_folder.c - files are written in a folder of a temporary name beside the place; the
 * folder is renamed when all are complete. */
#include "tools/output_folder.h"
#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int output_folder_open(struct output_folder *o, const char *path, const char *name,
                       struct err *err) {
    struct stat st;
    *o = (struct output_folder){ { 0 }, { 0 } };
    const bool inside = stat(path, &st) == 0 && S_ISDIR(st.st_mode);
    size_t n = strlen(path);
    while (n > 1 && path[n - 1] == '/')
        n--;
    int len = snprintf(o->path, sizeof o->path, inside ? "%.*s/%s" : "%.*s", (int)n, path, name);
    if (len >= (int)sizeof o->path - 16)
        return err_set(err, -ENAMETOOLONG, "%s: the path is too long", path);
    if (lstat(o->path, &st) == 0)
        return err_set(err, -EEXIST, "%s is there already", o->path);
    snprintf(o->temp, sizeof o->temp, "%.*s.XXXXXX", (int)(sizeof o->temp - 16), o->path);
    if (!mkdtemp(o->temp)) {
        *o->temp = 0;
        return err_set(err, -errno, "a folder for %s: %s", o->path, strerror(errno));
    }
    const mode_t mask = umask(0);
    umask(mask);
    if (chmod(o->temp, 0777 & ~mask) < 0)
        return err_set(err, -errno, "%s: %s", o->temp, strerror(errno));
    return 0;
}

int output_folder_commit(struct output_folder *o, struct err *err) {
    if (rename(o->temp, o->path) < 0)
        return err_set(err, -errno, "%s: %s", o->path, strerror(errno));
    *o->temp = 0;
    return 0;
}

void output_folder_fini(struct output_folder *o) {
    char path[PATH_MAX];
    DIR *d = *o->temp ? opendir(o->temp) : NULL;
    for (struct dirent *e; d && (e = readdir(d));)
        if (strcmp(e->d_name, ".") && strcmp(e->d_name, "..") &&
            snprintf(path, sizeof path, "%s/%s", o->temp, e->d_name) < (int)sizeof path)
            unlink(path);
    if (d)
        closedir(d);
    if (*o->temp)
        rmdir(o->temp);
    *o->temp = 0;
}
