/* SPDX-License-Identifier: Apache-2.0
 * fs/node_lookup.c - from a name to an inode and its attributes. */
#include "fs/node.h"
#include "fs/foresee.h"
#include "fs/models.h"
#include <errno.h>
#include <stdio.h>

/* view_stat or view_recall. */
typedef int view_look(struct engine *e, const char *source, const struct spec *spec,
                      struct view_info *info, struct err *err);

/* Fill all that tells the node from others. */
static int describe_view(struct mount *m, const struct name *found, view_look *look,
                         struct node *like) {
    struct err err = { 0 };
    like->kind = NODE_VIEW;
    like->spec = found->spec;
    const int rc = look(m->engine, found->path, &found->spec, &like->info, &err);
    if (rc < 0 && rc != -ENOENT && rc != -EAGAIN)
        log_warning("%s: %s", found->path, err.msg);
    if (rc == 0)
        node_set_mode(m, like); /* before others can see the node */
    return rc;
}

static int describe_real(struct mount *m, struct node *like, struct stat *attr) {
    struct root *root = m->engine->root;
    struct stat st;
    /* of layout=flat the files are wanted, not links to them; likewise of SRC that is a link */
    like->follow |= root_only(root) || m->o->names.layout != LAYOUT_SOURCE;
    const int rc =
        like->follow ? root_stat(root, like->path, &st) : root_lstat(root, like->path, &st);
    if (rc < 0)
        return rc;
    like->kind = NODE_REAL;
    like->dev = st.st_dev;
    like->ino = st.st_ino;
    node_attr_real(m, &st, attr);
    return 0;
}

static int describe(struct mount *m, const struct node *dir, const char *name, struct name *found,
                    view_look *look, struct node *like, struct stat *attr) {
    switch (found->kind) {
    case NAME_SOURCE:
        return describe_real(m, like, attr);
    case NAME_FOLDER:
        like->kind = NODE_SHELF;
        return models_join(dir->path, name, found->path) ? node_attr_shelf(m, like, attr)
                                                         : -ENAMETOOLONG;
    case NAME_VIEW:
        if (look == view_stat)
            foresight_next(m, dir->path, name);
        return describe_view(m, found, look, like);
    }
    return -EINVAL;
}

/* A file of a view that is a folder. */
static int resolve_file(struct mount *m, const struct node *dir, const char *name,
                        struct name *found) {
    struct arena a = { 0 };
    struct file_list files = { 0 };
    const struct file_entry *file = NULL;
    int rc = dir->info.error.code ? dir->info.error.code
                                  : view_files(&files, &a, m->engine, dir->path, &dir->spec, NULL);
    for (uint32_t i = 0; rc == 0 && i < files.n && !file; i++)
        if (str_is(files.items[i].name, name))
            file = &files.items[i];
    if (rc == 0 && (!file || (!file->passed && strlen(name) >= sizeof found->spec.file)))
        rc = -ENOENT;
    if (rc == 0 && file->passed) {
        found->kind = NAME_SOURCE;
        rc = models_join(dir->path, name, found->path) ? 0 : -ENAMETOOLONG;
    } else if (rc == 0) {
        found->kind = NAME_VIEW;
        found->spec = dir->spec;
        snprintf(found->spec.file, sizeof found->spec.file, "%s", name);
        snprintf(found->path, sizeof found->path, "%s", dir->path);
    }
    arena_fini(&a);
    return rc;
}

static int look_up(struct mount *m, const struct node *dir, const char *name, view_look *look,
                   struct fuse_entry_param *e) {
    struct name found;
    *e = (struct fuse_entry_param){ .attr_timeout = name_timeout_s,
                                    .entry_timeout = name_timeout_s };
    const bool in_view = node_is_folder(dir);
    int rc = in_view ? resolve_file(m, dir, name, &found)
                     : names_resolve(m->names, dir->path, name, &found);
    if (rc < 0)
        return rc;
    struct node like = { .path = found.path, .follow = in_view };
    rc = describe(m, dir, name, &found, look, &like, &e->attr);
    if (rc < 0)
        return rc;
    struct node *n = nodes_get(m->nodes, &like);
    if (!n)
        return -ENOMEM;
    if (n->kind == NODE_VIEW) {
        node_attr_view(m, n, &e->attr);
        e->attr_timeout = n->info.error.code ? name_timeout_s : view_timeout_s;
    }
    e->ino = (fuse_ino_t)(uintptr_t)n;
    return 0;
}

int node_lookup(struct mount *m, const struct node *dir, const char *name,
                struct fuse_entry_param *e) {
    return look_up(m, dir, name, view_stat, e);
}

int node_recall(struct mount *m, const struct node *dir, const char *name,
                struct fuse_entry_param *e) {
    return look_up(m, dir, name, view_recall, e);
}

int node_getattr(struct mount *m, const struct node *n, struct stat *out, double *timeout_s) {
    struct root *root = m->engine->root;
    struct stat st;
    *timeout_s = name_timeout_s;
    if (n->kind == NODE_SHELF)
        return node_attr_shelf(m, n, out);
    if (n->kind == NODE_VIEW) {
        node_attr_view(m, n, out);
        *timeout_s = view_timeout_s;
        return 0;
    }
    if (!*n->path && root_only(root)) /* one file: the folder around it is not shown */
        return node_attr_shelf(m, n, out);
    const bool follow = !*n->path || n->follow;
    const int rc = follow ? root_stat(root, n->path, &st) : root_lstat(root, n->path, &st);
    if (rc < 0)
        return rc == -ENOENT ? -ESTALE : rc;
    if (*n->path && (st.st_dev != n->dev || st.st_ino != n->ino))
        return -ESTALE;
    node_attr_real(m, &st, out);
    return 0;
}
