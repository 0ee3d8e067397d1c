/* SPDX-License-Identifier: Apache-2.0
 * tools/convert_folder.c - a view that is a folder, as an ordinary one. */
#include "formats/cleanup.h"
#include "fs/models.h"
#include "tools/convert_tool.h"
#include "tools/output.h"
#include "tools/output_folder.h"
#include <errno.h>
#include <stdio.h>

enum { PIECE = 1 << 20 };

/* A file of the source as it is. */
static int copy(struct source *s, const char *to, const char *name, struct err *err) {
    const uint64_t size = source_ident(s)->size;
    auto_free char *buf = malloc(PIECE);
    struct output out;
    int rc =
        buf ? output_open(&out, to, name, size, false, err) : err_set(err, -ENOMEM, "no memory");
    if (rc < 0)
        return rc;
    for (uint64_t off = 0; rc == 0 && off < size; off += PIECE) {
        const uint64_t n = size - off < PIECE ? size - off : PIECE;
        rc = source_pread(s, buf, n, off, err);
        if (rc == 0)
            rc = output_write(&out, buf, n, err);
    }
    if (rc == 0)
        rc = output_commit(&out, err);
    output_fini(&out);
    return rc;
}

static int pass(const struct place *p, const char *name, const char *to, struct err *err) {
    char path[PATH_MAX];
    struct source *s;
    if (!models_join(p->source, name, path))
        return err_set(err, -ENAMETOOLONG, "%s: the path is too long", name);
    int rc = source_open(&s, p->engine->root, path, err);
    if (rc < 0)
        return rc;
    rc = copy(s, to, name, err);
    source_close(s);
    return rc;
}

static int make(const struct convert *c, const struct place *p, const char *name, char *to,
                struct err *err) {
    struct convert one = *c;
    struct spec spec = p->spec;
    struct view *v;
    one.out = to;
    if (snprintf(spec.file, sizeof spec.file, "%s", name) >= (int)sizeof spec.file)
        return err_set(err, -ENAMETOOLONG, "%s: the name is too long", name);
    int rc = place_view(&v, p, &spec, err);
    if (rc < 0)
        return rc;
    rc = convert_view(&one, v, name, err);
    view_unref(v);
    return rc;
}

int convert_folder(struct convert *c, const struct place *p, struct err *err) {
    struct arena a = { 0 };
    struct file_list files = { 0 };
    struct output_folder out = { { 0 }, { 0 } };
    int rc = 0;
    if (c->range || c->force || strcmp(c->out, "-") == 0)
        rc =
            err_set(err, -EINVAL, "%s is a folder: it has no range, and replaces nothing", p->name);
    if (rc == 0)
        rc = view_files(&files, &a, p->engine, p->source, &p->spec, err);
    if (rc == 0)
        rc = output_folder_open(&out, c->out, p->name, err);
    for (uint32_t i = 0; rc == 0 && i < files.n; i++)
        rc = files.items[i].passed ? pass(p, files.items[i].name.p, out.temp, err)
                                   : make(c, p, files.items[i].name.p, out.temp, err);
    if (rc == 0)
        rc = output_folder_commit(&out, err);
    output_folder_fini(&out);
    arena_fini(&a);
    return rc;
}
