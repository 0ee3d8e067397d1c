/* SPDX-License-Identifier: Apache-2.0
 * formats/identity.c - what a view depends on, without reading it. */
#include "formats/adapter.h"
#include "formats/container.h"
#include "formats/folder.h"
#include "formats/gguf.h"
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

int model_identity(struct root *root, const char *path, struct hash128 *out, int64_t *mtime_ns,
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
    *out = hasher_end(h);
    return rc;
}
