/* SPDX-License-Identifier: Apache-2.0
 * formats/torch_read.c - a file of torch.save or torch.jit.save: since version 1.6 a zip archive
 * with a pickle in it, data.pkl, and a member for each storage. */
#include "formats/checked.h"
#include "formats/cleanup.h"
#include "formats/container.h"
#include "formats/torch.h"
#include "formats/zip.h"
#include <errno.h>
#include <stdio.h>

/* An archive, and the folder in it that has everything. */
struct archive {
    struct zip zip;
    struct str top; /* "archive/" */
    struct arena *a;
};

static const struct zip_member *find_member(const struct archive *z, struct str dir,
                                            struct str name) {
    char path[TENSOR_MAX_NAME];
    const size_t n = z->top.n + dir.n + name.n;
    if (n > sizeof path)
        return NULL;
    memcpy(path, z->top.p, z->top.n);
    memcpy(path + z->top.n, dir.p, dir.n);
    memcpy(path + z->top.n + dir.n, name.p, name.n);
    return zip_find(&z->zip, (struct str){ path, n });
}

static int locate(const struct torch_file *f, struct torch_storage *s, struct err *err) {
    const struct archive *z = f->user;
    const struct zip_member *m =
        s->key.n < TENSOR_MAX_NAME / 2 ? find_member(z, STR("data/"), s->key) : NULL;
    if (!m)
        return err_set(err, -EBADMSG, "storage %.*s is not in the archive",
                       (int)(s->key.n < 80 ? s->key.n : 80), s->key.p);
    if (m->deflated)
        return err_set(err, -ENOTSUP, "storage %.*s is compressed: store it instead",
                       STR_ARG(s->key));
    s->off = m->off;
    s->bytes = m->bytes;
    return 0;
}

/* The folder of the one data.pkl that lies in a folder of the first level, or in none. */
static int find_top(struct archive *z, struct err *err) {
    const struct str name = STR("data.pkl");
    uint32_t found = 0;
    for (uint32_t i = 0; i < z->zip.n; i++) {
        const struct str path = z->zip.members[i].name;
        const char *slash = memchr(path.p, '/', path.n);
        const size_t dir = slash ? (size_t)(slash + 1 - path.p) : 0;
        if (!str_eq((struct str){ path.p + dir, path.n - dir }, name))
            continue;
        z->top = (struct str){ path.p, dir };
        found++;
    }
    if (found == 1)
        return 0;
    return found ? err_set(err, -EBADMSG, "more than one data.pkl in the archive")
                 : err_set(err, -ENOTSUP, "a zip archive, but not one of PyTorch: no data.pkl");
}

static int check_byteorder(const struct archive *z, struct source *s, struct err *err) {
    const struct zip_member *m = find_member(z, STR(""), STR("byteorder"));
    auto_free char *text = NULL;
    if (!m)
        return 0; /* files before 2.1: little-endian */
    int rc = zip_slurp(m, s, 64, &text, err);
    if (rc == 0 && !str_is((struct str){ text, m->size }, "little"))
        return err_set(err, -ENOTSUP, "its byte order is not little-endian");
    return rc;
}

static int read_archive(struct torch_file *f, struct source *s, struct arena *a, struct err *err) {
    struct archive z = { .a = a };
    struct pickle_file p;
    auto_free char *text = NULL;
    int rc = zip_read(&z.zip, s, a, err);
    if (rc == 0)
        rc = find_top(&z, err);
    if (rc == 0)
        rc = check_byteorder(&z, s, err);
    if (rc < 0)
        return rc;
    const struct zip_member *m = find_member(&z, STR(""), STR("data.pkl"));
    const bool script = find_member(&z, STR(""), STR("constants.pkl"));
    rc = m ? zip_slurp(m, s, PICKLE_MAX_BYTES, &text, err) : -EBADMSG;
    if (rc < 0)
        return err_set(err, rc, "data.pkl cannot be read");
    struct err why = { 0 };
    rc = pickle_read(&p, a, (struct str){ text, m->size },
                     script ? torch_allows_script : torch_allows, &why);
    if (rc < 0)
        return err_set(err, rc == -ENODATA ? -EBADMSG : rc, "%s", why.msg);
    f->root = p.root;
    f->locate = locate;
    f->user = &z;
    return torch_walk(f, err);
}

int torch_read_into(struct model *m, struct source *s, bool plain, struct err *err) {
    struct arena a = { .limit = PICKLE_MAX_MEMORY };
    struct torch_file f = { .m = m, .plain = plain };
    const uint64_t size = source_ident(s)->size;
    uint8_t head[512] = { 0 };
    const size_t n = size < sizeof head ? (size_t)size : sizeof head;
    int src = model_add_source(m, s, err);
    if (src < 0)
        return src;
    f.src = (uint32_t)src;
    int rc = source_pread(s, head, n, 0, err);
    if (rc < 0)
        return rc;
    if (torch_is_tar(head, n))
        return err_set(err, -ENOTSUP, "a tar of PyTorch 0.1: load it and save it with a later one");
    rc = torch_is_legacy(head, n) ? torch_legacy_read(&f, s, err) : read_archive(&f, s, &a, err);
    arena_fini(&a);
    return rc;
}

int torch_read(struct model *m, struct root *root, const char *path, struct err *err) {
    struct source *s;
    int rc = source_open(&s, root, path, err);
    if (rc == 0)
        rc = torch_read_into(m, s, false, err);
    return rc < 0 ? rc : model_index(m, err);
}
