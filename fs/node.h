/* SPDX-License-Identifier: Apache-2.0
 * fs/node.h - inodes: what the kernel holds on to between a lookup and a forget. */
#pragma once
#include "fs/mount.h"
#include "fs/view.h"

enum node_kind {
    NODE_REAL,  /* something of SRC; another file at the same path is another node */
    NODE_SHELF, /* a folder of layout=flat or layout=hub */
    NODE_VIEW   /* one version of a view: a changed source is another node. A file, or a folder, of
                 * which the files are views with the same spec and their name in it */
};

struct node {
    struct node *next; /* in its slot of the table */
    uint64_t hash, lookups;
    enum node_kind kind;
    char *path;          /* in SRC, of the file or the view's source; SHELF: in the mount */
    uint64_t dev, ino;   /* REAL */
    bool follow;         /* REAL: what a link leads to, not the link */
    struct ident cached; /* REAL, under the table's lock: whose pages the kernel may hold */
    struct spec spec;    /* VIEW, and all below */
    struct view_info info;
    mode_t mode;
    uid_t uid;
    gid_t gid;
};

int nodes_new(struct nodes **out, const struct mount *m);
void nodes_free(struct nodes *t); /* NULL is fine */

/* The node that is like @like (kind, path, and what tells versions apart), made as a copy of it
 * when there is none; its lookups are one more. NULL: no memory. */
struct node *nodes_get(struct nodes *t, const struct node *like);
void nodes_forget(struct nodes *t, struct node *n, uint64_t lookups);
struct node *nodes_root(struct nodes *t);
uint64_t nodes_count(struct nodes *t);

/* Are the pages that the kernel may hold those of the file as it is now? Notes @now. */
bool nodes_same_content(struct nodes *t, struct node *n, const struct ident *now);

static inline struct node *node_of(const struct mount *m, fuse_ino_t ino) {
    return ino == FUSE_ROOT_ID ? nodes_root(m->nodes) : (struct node *)(uintptr_t)ino;
}

/* A view that is a folder? */
static inline bool node_is_folder(const struct node *n) {
    return n->kind == NODE_VIEW && format_is_folder(n->spec.format) && !*n->spec.file;
}

/* fs/node_attr.c: what stat says. */
void node_attr_real(const struct mount *m, const struct stat *src, struct stat *out);
void node_attr_view(const struct mount *m, const struct node *n, struct stat *out);
int node_attr_shelf(const struct mount *m, const struct node *n, struct stat *out);
/* Fill mode, uid and gid of a view's node: nobody reads it who may not read its sources. */
void node_set_mode(const struct mount *m, struct node *n);

/* fs/node_lookup.c: a name in a folder as the kernel wants it. 0 or a negative errno; -ENOENT with
 * @e filled for a negative entry. node_recall plans no view: -EAGAIN where it would have to. */
int node_lookup(struct mount *m, const struct node *dir, const char *name,
                struct fuse_entry_param *e);
int node_recall(struct mount *m, const struct node *dir, const char *name,
                struct fuse_entry_param *e);
/* What lies at @n now; -ESTALE when it is another file. */
int node_getattr(struct mount *m, const struct node *n, struct stat *out, double *timeout_s);
