/* SPDX-License-Identifier: Apache-2.0
 * formats/hub.c - see hub.h. */
#include "formats/hub.h"
#include "formats/cleanup.h"
#include <ctype.h>
#include <stdio.h>

static const struct str PREFIX = STR("models--");

bool hub_split(struct str entry, struct str *org, struct str *name) {
    if (!str_starts(entry, PREFIX))
        return false;
    const struct str rest = { entry.p + PREFIX.n, entry.n - PREFIX.n };
    const char *sep = memmem(rest.p, rest.n, "--", 2);
    const size_t before = sep ? (size_t)(sep - rest.p) : 0;
    *org = (struct str){ sep ? rest.p : NULL, before };
    *name = sep ? (struct str){ sep + 2, rest.n - before - 2 } : rest;
    return name->n > 0;
}

static bool join(const char *dir, const char *entry, char out[PATH_MAX]) {
    return snprintf(out, PATH_MAX, "%s%s%s", dir, *dir ? "/" : "", entry) < PATH_MAX;
}

/* The revision that refs/main names. */
static bool main_revision(struct root *root, const char *repo, char rev[NAME_MAX + 1]) {
    char path[PATH_MAX];
    auto_free char *text = NULL;
    size_t n;
    if (!join(repo, "refs/main", path) ||
        source_slurp(root, path, NAME_MAX, &text, &n, NULL, NULL) < 0)
        return false;
    while (n > 0 && isspace((unsigned char)text[n - 1]))
        n--;
    if (n == 0 || memchr(text, '/', n) || text[0] == '.')
        return false;
    snprintf(rev, NAME_MAX + 1, "%.*s", (int)n, text);
    return true;
}

static bool newest_revision(struct root *root, const char *repo, char rev[NAME_MAX + 1]) {
    char dir[PATH_MAX], path[PATH_MAX];
    int64_t newest = INT64_MIN;
    DIR *d;
    if (!join(repo, "snapshots", dir) || root_opendir(root, dir, &d) < 0)
        return false;
    for (struct dirent *e; (e = readdir(d));) {
        struct stat st;
        if (e->d_name[0] == '.' || !join(dir, e->d_name, path) || root_stat(root, path, &st) < 0 ||
            !S_ISDIR(st.st_mode) || ident_from_stat(&st).mtime_ns <= newest)
            continue;
        newest = ident_from_stat(&st).mtime_ns;
        snprintf(rev, NAME_MAX + 1, "%s", e->d_name);
    }
    closedir(d);
    return newest != INT64_MIN;
}

bool hub_snapshot(struct root *root, const char *repo, hub_fits *fits, char out[PATH_MAX]) {
    char rev[NAME_MAX + 1], sub[PATH_MAX];
    for (int i = 0; i < 2; i++) {
        if (!(i == 0 ? main_revision : newest_revision)(root, repo, rev))
            continue;
        if (snprintf(sub, sizeof sub, "snapshots/%s", rev) < PATH_MAX && join(repo, sub, out) &&
            fits(root, out))
            return true;
    }
    return false;
}

/* Without the last component. */
static size_t above(const char *path, size_t n) {
    const char *slash = n ? memrchr(path, '/', n) : NULL;
    return slash ? (size_t)(slash - path) : 0;
}

size_t hub_parent(const char *path) {
    const size_t parent = above(path, strlen(path)), repo = above(path, parent);
    const size_t base = above(path, repo);
    const struct str name = { path + base + (base > 0), repo - base - (base > 0) };
    return str_ends((struct str){ path, parent }, STR("/snapshots")) && str_starts(name, PREFIX)
               ? base
               : parent;
}
