/* SPDX-License-Identifier: Apache-2.0
 * fs/dir.c - readdir and readdirplus. */
#include "fs/dir.h"
#include "formats/cleanup.h"
#include "fs/data_file.h"
#include "fs/foresee.h"
#include "fs/models.h"
#include <errno.h>
#include <pthread.h>

struct dir_entry {
    const char *name;
    unsigned char type;
};

struct dirs {
    pthread_mutex_t lock;
    struct dir *open;
};

struct dir {
    struct dir *prev, *next; /* among all that are open */
    pthread_mutex_t lock;    /* two threads may read one stream */
    struct arena arena;
    struct dir_entry *entries;
    uint32_t n, cap;
    bool failed; /* no memory */
};

static int collect(void *user, const char *name, unsigned char type) {
    struct dir *d = user;
    if (d->n == d->cap) {
        const uint32_t cap = d->cap ? 2 * d->cap : 64;
        struct dir_entry *more = realloc(d->entries, cap * sizeof *more);
        if (!more) {
            d->failed = true;
            return 1;
        }
        d->entries = more;
        d->cap = cap;
    }
    const struct str copy = arena_str(&d->arena, str_from(name));
    if (!copy.p) {
        d->failed = true;
        return 1;
    }
    d->entries[d->n++] = (struct dir_entry){ copy.p, type };
    return 0;
}

/* Or a file of SRC with such a name: a lookup will tell. */
static bool looks_like_view(const struct mount *m, const char *name, struct parsed_name *parsed) {
    const enum names_style style = m->o->names.style;
    return name_parse(name, NAMES_AT, parsed) ||
           (style != NAMES_AT && name_parse(name, style, parsed));
}

/* What views of ONNX models have beside them. */
static void add_data_files(struct mount *m, const struct node *n, struct dir *d) {
    auto_free struct name *found = malloc(sizeof *found);
    char name[NAME_MAX + 1];
    struct parsed_name parsed;
    d->failed |= !found;
    for (uint32_t i = 0, end = d->n; i < end && !d->failed; i++) {
        const char *view = d->entries[i].name;
        if (looks_like_view(m, view, &parsed) && parsed.spec.format == FORMAT_ONNX &&
            data_file_find(m->engine, m->names, n->path, view, found, name))
            collect(d, name, DT_REG);
    }
}

static void tell_foresight(struct mount *m, const struct node *n, const struct dir *d) {
    struct parsed_name parsed;
    foresight_begin(m->foresight, n->path);
    for (uint32_t i = 0; i < d->n; i++)
        if (looks_like_view(m, d->entries[i].name, &parsed))
            foresight_add(m->foresight, d->entries[i].name);
}

static int list_view(struct mount *m, const struct node *n, struct dir *d) {
    struct arena a = { 0 };
    struct file_list files = { 0 };
    int rc = n->info.error.code ? n->info.error.code
                                : view_files(&files, &a, m->engine, n->path, &n->spec, NULL);
    for (uint32_t i = 0; rc == 0 && i < files.n; i++)
        rc = collect(d, files.items[i].name.p, DT_REG);
    arena_fini(&a);
    return rc < 0 ? rc : 0;
}

static int fill(struct mount *m, const struct node *n, struct dir *d) {
    arena_fini(&d->arena);
    d->n = 0;
    d->failed = false;
    if (collect(d, ".", DT_DIR) || collect(d, "..", DT_DIR))
        return -ENOMEM;
    const bool in_view = node_is_folder(n);
    const int rc = in_view ? list_view(m, n, d) : names_list(m->names, n->path, collect, d);
    if (rc == 0 && !in_view) {
        add_data_files(m, n, d);
        tell_foresight(m, n, d);
    }
    return d->failed ? -ENOMEM : rc;
}

struct dirs *dirs_new(void) {
    struct dirs *ds = calloc(1, sizeof *ds);
    if (ds)
        pthread_mutex_init(&ds->lock, NULL);
    return ds;
}

static void free_dir(struct dir *d) {
    arena_fini(&d->arena);
    free(d->entries);
    pthread_mutex_destroy(&d->lock);
    free(d);
}

void dirs_free(struct dirs *ds) {
    if (!ds)
        return;
    for (struct dir *d = ds->open, *next; d; d = next) {
        next = d->next;
        free_dir(d);
    }
    pthread_mutex_destroy(&ds->lock);
    free(ds);
}

int dir_open(struct mount *m, const struct node *n, struct dir **out) {
    struct dir *d = calloc(1, sizeof *d);
    if (!d)
        return -ENOMEM;
    pthread_mutex_init(&d->lock, NULL);
    const int rc = fill(m, n, d);
    if (rc < 0) {
        free_dir(d);
        return rc == -ENOENT ? -ESTALE : rc;
    }
    pthread_mutex_lock(&m->dirs->lock);
    d->next = m->dirs->open;
    if (d->next)
        d->next->prev = d;
    m->dirs->open = d;
    pthread_mutex_unlock(&m->dirs->lock);
    *out = d;
    return 0;
}

void dir_close(struct mount *m, struct dir *d) {
    pthread_mutex_lock(&m->dirs->lock);
    *(d->prev ? &d->prev->next : &m->dirs->open) = d->next;
    if (d->next)
        d->next->prev = d->prev;
    pthread_mutex_unlock(&m->dirs->lock);
    free_dir(d);
}

struct filling {
    struct mount *m;
    const struct node *node;
    fuse_req_t req;
    char *buf;
    size_t size, used;
};

/* False: the buffer is full. */
static bool add_plain(struct filling *f, const struct dir_entry *e, off_t next) {
    struct stat st = { .st_ino = hash64(e->name, strlen(e->name)), .st_mode = e->type << 12 };
    struct stat real;
    char path[PATH_MAX];
    if (f->node->kind == NODE_REAL && models_join(f->node->path, e->name, path) &&
        root_lstat(f->m->engine->root, path, &real) == 0)
        node_attr_real(f->m, &real, &st);
    const size_t n =
        fuse_add_direntry(f->req, f->buf + f->used, f->size - f->used, e->name, &st, next);
    if (n > f->size - f->used)
        return false;
    f->used += n;
    return true;
}

/* Without an inode number the kernel takes the name alone: for views that are not planned, and what
 * has just gone. */
static bool add_plus(struct filling *f, const struct dir_entry *e, off_t next) {
    struct fuse_entry_param p = { 0 };
    const bool dots = strcmp(e->name, ".") == 0 || strcmp(e->name, "..") == 0;
    if (dots || node_recall(f->m, f->node, e->name, &p) < 0)
        p = (struct fuse_entry_param){ .attr = { .st_ino = hash64(e->name, strlen(e->name)),
                                                 .st_mode = e->type << 12 } };
    const size_t n =
        fuse_add_direntry_plus(f->req, f->buf + f->used, f->size - f->used, e->name, &p, next);
    if (n <= f->size - f->used) {
        f->used += n;
        return true;
    }
    if (p.ino) /* the kernel has not seen it, and will not forget it */
        nodes_forget(f->m->nodes, node_of(f->m, p.ino), 1);
    return false;
}

void dir_read(struct mount *m, const struct node *n, struct dir *d, fuse_req_t req, size_t size,
              off_t off, bool plus) {
    auto_free char *buf = malloc(size);
    struct filling f = { m, n, req, buf, size, 0 };
    if (!buf) {
        fuse_reply_err(req, ENOMEM);
        return;
    }
    pthread_mutex_lock(&d->lock);
    for (uint32_t i = off < 0 ? d->n : (uint32_t)off; i < d->n; i++) {
        if (!(plus ? add_plus : add_plain)(&f, &d->entries[i], (off_t)i + 1))
            break;
    }
    pthread_mutex_unlock(&d->lock);
    fuse_reply_buf(req, buf, f.used);
}
