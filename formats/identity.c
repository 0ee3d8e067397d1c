/* SPDX-License-Identifier: Apache-2.0
 * formats/identity.c - what a view depends on, without reading it. */
#include "formats/adapter.h"
#include "formats/container.h"
#include "formats/folder.h"
#include "formats/gguf.h"
#include "formats/merge.h"
#include <errno.h>
#include <limits.h>
#include <stdio.h>

static int add_file(struct hasher *h, struct root *root, const char *path, int64_t *mtime_ns,
                    struct err *err) {
    struct stat st;
    int rc = root_stat(root, path, &st);
    if (rc < 0)
        return err_set(err, rc, "%s: %s", path, strerror(-rc));
    const struct ident id = ident_from_stat(&st);
    hasher_ident(h, &id);
    if (id.mtime_ns > *mtime_ns)
        *mtime_ns = id.mtime_ns;
    return 0;
}

/* A part that is missing is part of the identity too: it may come. */
static int add_parts(struct hasher *h, struct root *root, const char *path, size_t prefix,
                     unsigned parts, int64_t *mtime_ns) {
    char name[PATH_MAX];
    for (unsigned i = 1; i <= parts; i++) {
        snprintf(name, sizeof name, "%.*s-%05u-of-%05u.gguf", (int)prefix, path, i, parts);
        if (add_file(h, root, name, mtime_ns, NULL) < 0)
            hasher_u64(h, i);
    }
    return 0;
}

/* What an adapter becomes depends on its base too. */
static int add_base(struct root *root, const char *path, struct hash128 *id, struct err *err) {
    struct hasher *h = hasher_new();
    if (!h)
        return err_set(err, -ENOMEM, "no memory");
    hasher_add(h, id->b, sizeof id->b);
    const int rc = adapter_base_hash(root, path, h, err);
    *id = hasher_end(h);
    return rc;
}

/* The data files of an ONNX model are named in it; by custom their names begin with its own. The
 * order of a folder's entries is not fixed: their hashes are added up. */
static int add_siblings(struct hasher *h, struct root *root, const char *path, int64_t *mtime_ns,
                        struct err *err) {
    const char *slash = strrchr(path, '/'), *file = slash ? slash + 1 : path;
    char dir[PATH_MAX], name[PATH_MAX];
    uint64_t sum[2] = { 0, 0 };
    const struct str stem = model_file_name(path);
    DIR *d;
    snprintf(dir, sizeof dir, "%.*s", slash ? (int)(slash - path) : 0, path);
    int rc = root_opendir(root, dir, &d);
    if (rc < 0)
        return err_set(err, rc, "%s: %s", dir, strerror(-rc));
    for (struct dirent *e; rc == 0 && (e = readdir(d));) {
        if (!str_starts(str_from(e->d_name), stem) || strcmp(e->d_name, file) == 0 ||
            snprintf(name, sizeof name, "%s%s%s", dir, *dir ? "/" : "", e->d_name) >= PATH_MAX)
            continue;
        struct hasher *one = hasher_new();
        if (!one) {
            rc = err_set(err, -ENOMEM, "no memory");
            break;
        }
        hasher_bytes(one, e->d_name, strlen(e->d_name));
        add_file(one, root, name, mtime_ns, NULL); /* absent: a link to nowhere */
        uint64_t part[2];
        const struct hash128 hash = hasher_end(one);
        memcpy(part, hash.b, sizeof part);
        sum[0] += part[0];
        sum[1] += part[1];
    }
    closedir(d);
    hasher_add(h, sum, sizeof sum);
    return rc;
}

/* Without the last component. */
static size_t parent(const char *path, size_t n) {
    const char *slash = n ? memrchr(path, '/', n) : NULL;
    return slash ? (size_t)(slash - path) : 0;
}

static bool has_config(struct root *root, const char *dir, size_t n, char out[PATH_MAX]) {
    char path[PATH_MAX];
    struct stat st;
    if (snprintf(path, sizeof path, "%.*s%sconfig.json", (int)n, dir, n ? "/" : "") >= PATH_MAX ||
        root_stat(root, path, &st) < 0 || !S_ISREG(st.st_mode))
        return false;
    memcpy(out, dir, n);
    out[n] = 0;
    return true;
}

bool model_config_dir(struct root *root, const char *path, char out[PATH_MAX]) {
    const size_t n = strlen(path), dir = parent(path, n);
    const struct str own = { path, dir };
    if (n >= PATH_MAX)
        return false;
    return has_config(root, path, dir, out) ||
           ((str_is(own, "onnx") || str_ends(own, STR("/onnx"))) &&
            has_config(root, path, parent(path, dir), out));
}

/* Of the folder whose config.json makes an ONNX model known. */
static int add_config(struct hasher *h, struct root *root, const char *path, int64_t *mtime_ns,
                      struct err *err) {
    char dir[PATH_MAX];
    struct hash128 folder;
    int64_t newest;
    if (!model_config_dir(root, path, dir))
        return 0;
    int rc = folder_hash(root, dir, &folder, &newest, err);
    if (rc < 0)
        return rc;
    hasher_add(h, folder.b, sizeof folder.b);
    *mtime_ns = newest > *mtime_ns ? newest : *mtime_ns;
    return 0;
}

static int identity_of(struct root *root, const char *path, struct hash128 *out, int64_t *mtime_ns,
                       struct err *err) {
    struct stat st;
    int rc = root_stat(root, path, &st);
    if (rc < 0)
        return err_set(err, rc, "%s: %s", path, strerror(-rc));
    *mtime_ns = 0;
    if (S_ISDIR(st.st_mode)) {
        rc = folder_hash(root, path, out, mtime_ns, err);
        return rc < 0 || !adapter_is_folder(root, path) ? rc : add_base(root, path, out, err);
    }
    struct hasher *h = hasher_new();
    if (!h)
        return err_set(err, -ENOMEM, "no memory");
    size_t prefix;
    const unsigned parts = gguf_split_parts(path, &prefix);
    rc = parts ? add_parts(h, root, path, prefix, parts, mtime_ns)
               : add_file(h, root, path, mtime_ns, err);
    if (rc == 0 && str_ends(str_from(path), STR(".onnx")))
        rc = add_siblings(h, root, path, mtime_ns, err);
    if (rc == 0 && str_ends(str_from(path), STR(".onnx")))
        rc = add_config(h, root, path, mtime_ns, err);
    *out = hasher_end(h);
    return rc;
}

int model_identity(struct root *root, const char *path, struct hash128 *out, int64_t *mtime_ns,
                   struct err *err) {
    char buf[PATH_MAX];
    const char *paths[1 + MERGE_MAX_ADAPTERS];
    const unsigned n = merge_split(path, buf, paths);
    int64_t newest = 0;
    if (n == 1)
        return identity_of(root, path, out, mtime_ns, err);
    struct hasher *h = hasher_new();
    int rc = h ? 0 : err_set(err, -ENOMEM, "no memory");
    for (unsigned i = 0; i < n && rc == 0; i++) {
        struct hash128 part;
        rc = identity_of(root, paths[i], &part, mtime_ns, err);
        if (rc == 0)
            hasher_add(h, part.b, sizeof part.b);
        newest = *mtime_ns > newest ? *mtime_ns : newest;
    }
    *mtime_ns = newest;
    if (h)
        *out = hasher_end(h);
    return rc;
}
