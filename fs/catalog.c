/* SPDX-License-Identifier: Apache-2.0
 * fs/catalog.c - a walk over the folders of SRC. Links are not followed into folders, so that a
 * loop of links cannot be walked for ever. */
#include "fs/catalog.h"
#include "formats/cleanup.h"
#include "fs/log.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int add(struct catalog *c, const struct found_model *m, const char *dir) {
    if (c->n == CATALOG_MAX) {
        log_warning("more than %d models: the rest is left out of the layout", CATALOG_MAX);
        return -EFBIG;
    }
    if (c->n == c->cap) {
        const uint32_t cap = c->cap ? 2 * c->cap : 64;
        struct found_model *grown = realloc(c->models, cap * sizeof *grown);
        if (!grown)
            return -ENOMEM;
        c->models = grown;
        c->cap = cap;
    }
    struct found_model *to = &c->models[c->n++];
    *to = *m;
    if (!*to->org) { /* whoever published it: the folder that it lies in */
        const char *slash = strrchr(dir, '/');
        snprintf(to->org, sizeof to->org, "%s", *dir ? (slash ? slash + 1 : dir) : "local");
    }
    return 0;
}

static int compare_names(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void free_names(char **names, size_t n) {
    for (size_t i = 0; i < n; i++)
        free(names[i]);
    free(names);
}

/* The entries of a folder in order, so that the same tree gives the same names every time. */
static int sorted_names(struct root *root, const char *dir, char ***out, size_t *n) {
    DIR *d;
    int rc = root_opendir(root, dir, &d);
    *out = NULL;
    *n = 0;
    if (rc < 0)
        return rc;
    for (struct dirent *e; rc == 0 && (e = readdir(d));) {
        if (e->d_name[0] == '.')
            continue;
        char **grown = realloc(*out, (*n + 1) * sizeof **out);
        if (grown) {
            *out = grown;
            grown[*n] = strdup(e->d_name);
        }
        if (grown && grown[*n])
            ++*n;
        else
            rc = -ENOMEM;
    }
    closedir(d);
    if (*n)
        qsort(*out, *n, sizeof **out, compare_names);
    return rc;
}

static int scan(struct catalog *c, struct root *root, const char *dir, int depth) {
    char **names;
    size_t n;
    int rc = sorted_names(root, dir, &names, &n);
    if (rc == -EACCES || rc == -ENOENT)
        rc = 0; /* a folder that may not be read hides what is in it */
    for (size_t i = 0; i < n && rc == 0; i++) {
        struct found_model m;
        struct stat st;
        char path[PATH_MAX];
        if (!models_join(dir, names[i], path))
            continue;
        if (models_classify(root, dir, names[i], &m))
            rc = add(c, &m, dir);
        else if (depth < CATALOG_MAX_DEPTH && root_lstat(root, path, &st) == 0 &&
                 S_ISDIR(st.st_mode))
            rc = scan(c, root, path, depth + 1);
    }
    free_names(names, n);
    return rc;
}

int catalog_scan(struct catalog *c, struct root *root) {
    struct found_model m;
    *c = (struct catalog){ 0 };
    if (root_only(root))
        return models_classify(root, "", root_only(root), &m) ? add(c, &m, "") : 0;
    if (models_root(root, &m))
        return add(c, &m, "");
    const int rc = scan(c, root, "", 0);
    return rc == -EFBIG ? 0 : rc;
}

void catalog_fini(struct catalog *c) {
    free(c->models);
    *c = (struct catalog){ 0 };
}
