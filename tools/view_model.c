/* SPDX-License-Identifier: Apache-2.0
 * tools/view_model.c - what a client would find in a view, without converting any of it. */
#include "tools/view_model.h"
#include "formats/cleanup.h"
#include "formats/container.h"
#include <errno.h>
#include <fcntl.h>
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

int view_model_open(struct view_model *r, const struct view *v, struct err *err) {
    const char *tmp = getenv("TMPDIR");
    *r = (struct view_model){ 0 };
    char path[sizeof r->dir + 64];
    if (!tmp || *tmp != '/' || strlen(tmp) > sizeof r->dir - 24)
        tmp = "/tmp";
    snprintf(r->dir, sizeof r->dir, "%s/weightfs-XXXXXX", tmp);
    if (!mkdtemp(r->dir)) {
        *r->dir = 0;
        return err_set(err, -errno, "a folder in %s: %s", tmp, strerror(errno));
    }
    const char *name = v->spec.format == FORMAT_GGUF || v->spec.format == FORMAT_MMPROJ
                           ? "view.gguf"
                           : "view.safetensors";
    snprintf(path, sizeof path, "%s/%s", r->dir, name);
    auto_close int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    int rc = fd < 0 ? err_set(err, -errno, "%s: %s", path, strerror(errno))
                    : write_headers(fd, &v->layout, err);
    if (rc == 0)
        rc = root_open(&r->root, r->dir, err);
    if (rc == 0)
        rc = model_open(&r->model, r->root, name, err);
    if (rc < 0)
        view_model_close(r);
    return rc;
}

void view_model_close(struct view_model *r) {
    static const char *const names[] = { "view.gguf", "view.safetensors" };
    model_unref(r->model);
    root_close(r->root);
    for (size_t i = 0; *r->dir && i < sizeof names / sizeof *names; i++) {
        char path[sizeof r->dir + 64];
        snprintf(path, sizeof path, "%s/%s", r->dir, names[i]);
        unlink(path);
    }
    if (*r->dir)
        rmdir(r->dir);
    *r = (struct view_model){ 0 };
}
