/* SPDX-License-Identifier: Apache-2.0
 * tools/view_model.c - what a client would find in a view, without converting any of it. */
#include "tools/view_model.h"
#include "formats/cleanup.h"
#include "formats/container.h"
#include "formats/onnx/onnx_view.h"
#include "fs/render.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

/* Headers are all LITERAL; weights stay holes. */
static int write_headers(int fd, const struct layout *l, struct err *err) {
    if (ftruncate(fd, (off_t)l->size) < 0)
        return err_set(err, -errno, "a sparse file for the headers: %s", strerror(errno));
    for (uint32_t i = 0; i < l->n; i++) {
        const struct extent *e = &l->extents[i];
        for (uint64_t done = 0; e->kind == EXTENT_LITERAL && done < e->len;) {
            const ssize_t n = pwrite(fd, e->literal + done, e->len - done, (off_t)(e->off + done));
            if (n <= 0)
                return err_set(err, n ? -errno : -EIO, "a file for the headers: %s",
                               strerror(n ? errno : EIO));
            done += (uint64_t)n;
        }
    }
    return 0;
}

/* The file @name of the folder with what @v has of it. */
static int write_file(const struct view_model *r, const char *name, const struct view *v,
                      struct err *err) {
    char path[PATH_MAX];
    if (snprintf(path, sizeof path, "%s/%s", r->dir, name) >= (int)sizeof path)
        return err_set(err, -ENAMETOOLONG, "%s: the name is too long", name);
    auto_close int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    return fd < 0 ? err_set(err, -errno, "%s: %s", path, strerror(errno))
                  : write_headers(fd, &v->layout, err);
}

/* An ONNX model's data file, under the name that the model has for it. */
static int write_data(struct view_model *r, const struct view *v, struct err *err) {
    struct spec spec = v->spec;
    struct err none = { 0 };
    struct arena a = { 0 };
    spec.data = true;
    int rc = view_open(&r->data, v->engine, v->source, &spec, &none);
    if (rc < 0) /* the model's view could be opened: this one has no bytes */
        return rc == -ENOTSUP ? 0 : err_set(err, rc, "%s", none.msg);
    const struct str name = onnx_data_name(&a, v->model, &spec);
    rc = name.p ? write_file(r, name.p, r->data, err) : err_set(err, -ENOMEM, "no memory");
    arena_fini(&a);
    return rc;
}

static const char *file_name(const struct view *v) {
    const enum format f = v->spec.format;
    if (f == FORMAT_ONNX)
        return v->spec.data ? "view.data" : "view.onnx";
    return f == FORMAT_GGUF || f == FORMAT_MMPROJ ? "view.gguf" : "view.safetensors";
}

static int make_folder(struct view_model *r, struct err *err) {
    const char *tmp = getenv("TMPDIR");
    if (!tmp || *tmp != '/' || strlen(tmp) > sizeof r->dir - 24)
        tmp = "/tmp";
    snprintf(r->dir, sizeof r->dir, "%s/weightfs-XXXXXX", tmp);
    if (!mkdtemp(r->dir)) {
        *r->dir = 0;
        return err_set(err, -errno, "a folder in %s: %s", tmp, strerror(errno));
    }
    return 0;
}

static int render(void *user, void *dst, uint64_t n, uint64_t off, struct err *err) {
    return render_read(user, dst, n, off, err);
}

int view_model_open(struct view_model *r, struct view *v, struct err *err) {
    const char *name = file_name(v);
    *r = (struct view_model){ 0 };
    int rc = make_folder(r, err);
    if (rc == 0)
        rc = write_file(r, name, v, err);
    if (rc == 0 && v->spec.format == FORMAT_ONNX && !v->spec.data)
        rc = write_data(r, v, err);
    if (rc == 0)
        rc = root_open(&r->root, r->dir, err);
    if (rc == 0)
        rc = model_open(&r->model, r->root, name, err);
    for (uint32_t i = 0; rc == 0 && i < r->model->n_sources; i++) {
        struct source *s = r->model->sources[i];
        const char *path = source_path(s);
        if (*path)
            source_read_from(s, render, strcmp(path, name) == 0 ? v : r->data);
    }
    if (rc < 0)
        view_model_close(r);
    return rc;
}

/* Its files, and the folder. */
static void remove_folder(const char *dir) {
    DIR *d = opendir(dir);
    for (struct dirent *e; d && (e = readdir(d));)
        unlinkat(dirfd(d), e->d_name, 0); /* not "." and "..": EISDIR */
    if (d)
        closedir(d);
    rmdir(dir);
}

void view_model_close(struct view_model *r) {
    model_unref(r->model);
    view_unref(r->data);
    root_close(r->root);
    if (*r->dir)
        remove_folder(r->dir);
    *r = (struct view_model){ 0 };
}
