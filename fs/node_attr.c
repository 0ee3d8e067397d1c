/* SPDX-License-Identifier: Apache-2.0
 * fs/node_attr.c - owner, mode, size and times of what the mount shows. */
#include "fs/node.h"
#include "formats/gguf.h"
#include "formats/merge.h"
#include "formats/recent.h"
#include "fs/models.h"
#include <stdio.h>
#include <unistd.h>

enum { BLOCK = 4096, UNIT = 512 /* of st_blocks */ };

static void apply_options(const struct mount *m, struct stat *st) {
    if (m->o->set_uid)
        st->st_uid = m->o->uid;
    if (m->o->set_gid)
        st->st_gid = m->o->gid;
    st->st_mode &= ~m->o->umask;
    st->st_blksize = BLOCK; /* llama.cpp takes it for the alignment of O_DIRECT */
}

void node_attr_real(const struct mount *m, const struct stat *src, struct stat *out) {
    *out = *src;
    if (src->st_dev != m->src_dev) /* a filesystem mounted within SRC has numbers of its own */
        out->st_ino ^= (uint64_t)src->st_dev * 0x9e3779b97f4a7c15u;
    if (S_ISFIFO(src->st_mode))
        out->st_mode &= S_IFMT; /* the kernel would open one of its own, and wait for a writer */
    apply_options(m, out);
}

static struct timespec time_of(int64_t ns) {
    return (struct timespec){ ns / 1000000000, ns % 1000000000 };
}

void node_attr_view(const struct mount *m, const struct node *n, struct stat *out) {
    const struct timespec t = time_of(n->info.mtime_ns);
    uint64_t ino;
    memcpy(&ino, &n->info.id, sizeof ino);
    *out = (struct stat){ .st_ino = ino,
                          .st_mode = S_IFREG | n->mode,
                          .st_nlink = 1, /* ONNX Runtime refuses more */
                          .st_uid = n->uid,
                          .st_gid = n->gid,
                          .st_size = (off_t)n->info.size,
                          .st_blocks = (blkcnt_t)((n->info.size + UNIT - 1) / UNIT),
                          .st_atim = t,
                          .st_mtim = t,
                          .st_ctim = t };
    if (node_is_folder(n)) {
        out->st_mode = S_IFDIR | n->mode | n->mode >> 2;
        out->st_size = out->st_blocks = 0;
    }
    apply_options(m, out);
}

int node_attr_shelf(const struct mount *m, const struct node *n, struct stat *out) {
    struct stat src;
    const int rc = root_stat(m->engine->root, "", &src);
    if (rc < 0)
        return rc;
    *out = src;
    out->st_ino = *n->path ? hash64(n->path, strlen(n->path)) : src.st_ino;
    out->st_mode = S_IFDIR | (src.st_mode & 0777);
    out->st_nlink = 1;
    apply_options(m, out);
    return 0;
}

/* Who may read: the permissions of all that is on the way and in the view, taken together. */
struct readers {
    mode_t mode; /* r bits */
    uid_t uid;
    gid_t gid;
};

/* @bits: r for a file; for a folder x, moved to where r is. Where the owner is another one, the
 * view's owner counts as one of the others. */
static void narrow(struct readers *r, const struct stat *st, mode_t bits) {
    const mode_t other = bits & S_IROTH;
    mode_t allowed = other;
    allowed |= st->st_uid == r->uid ? bits & S_IRUSR : other << 6;
    allowed |= st->st_gid == r->gid ? bits & S_IRGRP : other << 3;
    r->mode &= allowed;
}

static void narrow_file(struct readers *r, struct root *root, const char *path) {
    struct stat st;
    if (root_stat(root, path, &st) == 0)
        narrow(r, &st, st.st_mode & 0444);
}

/* The weights and the config of a folder; its other files may be read by whom they let, but what
 * comes of them is too little to matter. */
static void narrow_folder(struct readers *r, struct root *root, const char *dir) {
    DIR *d;
    struct stat st;
    if (root_opendir(root, dir, &d) < 0) {
        r->mode = 0;
        return;
    }
    for (struct dirent *e; (e = readdir(d));) {
        const struct str name = str_from(e->d_name);
        if ((str_ends(name, STR(".safetensors")) || str_ends(name, STR(".json"))) &&
            root_stat_in(root, d, dir, e->d_name, &st) == 0)
            narrow(r, &st, st.st_mode & 0444);
    }
    closedir(d);
}

static void narrow_parts(struct readers *r, struct root *root, const char *path) {
    size_t prefix;
    const unsigned parts = gguf_split_parts(path, &prefix);
    for (unsigned i = 1; i <= parts; i++) {
        char part[PATH_MAX];
        if (snprintf(part, sizeof part, "%.*s-%05u-of-%05u.gguf", (int)prefix, path, i, parts) <
            (int)sizeof part)
            narrow_file(r, root, part);
    }
}

/* The folders above, which the view may not be in (layout=flat), must be open too. */
static void narrow_parents(struct readers *r, struct root *root, const char *path) {
    char dir[PATH_MAX];
    struct stat st;
    snprintf(dir, sizeof dir, "%s", path);
    for (char *slash; (slash = strrchr(dir, '/'));) {
        *slash = 0;
        if (root_stat(root, dir, &st) == 0)
            narrow(r, &st, (st.st_mode & 0111) << 2);
    }
}

static void narrow_source(struct readers *r, struct root *root, const char *path) {
    struct stat st;
    if (root_stat(root, path, &st) < 0) {
        r->mode = 0;
        return;
    }
    const bool folder = S_ISDIR(st.st_mode);
    narrow(r, &st, folder ? (st.st_mode & 0111) << 2 : st.st_mode & 0444);
    if (folder)
        narrow_folder(r, root, path);
    else
        narrow_parts(r, root, path);
    narrow_parents(r, root, path);
}

/* The owner is that of the model, or of the first of those that are merged. */
static struct readers look_at_readers(struct root *root, const char *source) {
    struct readers r = { .mode = 0 };
    char buf[PATH_MAX];
    const char *paths[1 + MERGE_MAX_ADAPTERS];
    struct stat st;
    const unsigned n = merge_split(source, buf, paths);
    if (root_stat(root, paths[0], &st) == 0)
        r = (struct readers){ 0444, st.st_uid, st.st_gid };
    for (unsigned i = 0; i < n; i++)
        narrow_source(&r, root, paths[i]);
    return r;
}

void node_set_mode(const struct mount *m, struct node *n) {
    struct recent *recent = root_recent(m->engine->root);
    const struct recent_key key = recent_key(recent, RECENT_READERS, n->path);
    struct readers r;
    if (!recent_get(recent, &key, &r, sizeof r)) {
        r = look_at_readers(m->engine->root, n->path);
        recent_put(recent, &key, &r, sizeof r);
    }
    n->mode = r.mode;
    n->uid = r.uid;
    n->gid = r.gid;
}
