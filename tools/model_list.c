/* SPDX-License-Identifier: Apache-2.0
 * tools/model_list.c - see model_list.h. */
#include "tools/model_list.h"
#include "formats/cleanup.h"
#include "fs/models.h"
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* @path NULL: there was no memory for it. */
static bool append(struct model_list *l, char *path) {
    if (!path)
        return false;
    if (l->n == l->cap) {
        const size_t cap = l->cap ? 2 * l->cap : 16;
        char **more = reallocarray(l->paths, cap, sizeof *more);
        if (!more)
            return false;
        l->paths = more;
        l->cap = cap;
    }
    l->paths[l->n++] = path;
    return true;
}

static int by_name(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static bool is_part_of_model(const struct root *r) {
    static const char *const files[] = { "model.safetensors.index.json",
                                         "pytorch_model.bin.index.json", "tokenizer.json",
                                         "tokenizer.model", "tokenizer_config.json" };
    struct stat st;
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        if (root_stat(r, files[i], &st) == 0)
            return true;
    return false;
}

static int list(struct model_list *l, struct root *r, const char *dir) {
    DIR *d;
    int rc = root_opendir(r, "", &d);
    if (rc < 0)
        return rc;
    const size_t n = strlen(dir);
    const char *slash = n && dir[n - 1] == '/' ? "" : "/";
    auto_free struct found_model *found = malloc(sizeof *found);
    rc = found ? 0 : -ENOMEM;
    for (struct dirent *e; rc == 0 && (e = readdir(d));) {
        char *path;
        if (*e->d_name == '.' || !models_classify(r, "", e->d_name, found))
            continue;
        if (asprintf(&path, "%s%s%s", dir, slash, found->path) < 0)
            path = NULL;
        rc = append(l, path) ? 0 : -ENOMEM;
        if (rc < 0)
            free(path);
    }
    closedir(d);
    if (l->n)
        qsort(l->paths, l->n, sizeof *l->paths, by_name);
    return rc;
}

int model_list_open(struct model_list *out, const char *path, struct err *err) {
    struct root *r;
    struct stat st;
    *out = (struct model_list){ .n = 0 };
    if (stat(path, &st) < 0 || !S_ISDIR(st.st_mode))
        return 0;
    int rc = root_open(&r, path, err);
    if (rc < 0)
        return rc;
    if (!models_is_folder(r, "") && !is_part_of_model(r))
        rc = list(out, r, path);
    root_close(r);
    return rc < 0 ? err_set(err, rc, "%s: %s", path, strerror(-rc)) : 0;
}

void model_list_close(struct model_list *l) {
    for (size_t i = 0; i < l->n; i++)
        free(l->paths[i]);
    free(l->paths);
    *l = (struct model_list){ .n = 0 };
}
