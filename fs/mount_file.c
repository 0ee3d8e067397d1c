/* SPDX-License-Identifier: Apache-2.0
 * fs/mount_file.c - opening and closing; the list of what is open, for a mount that ends while
 * the kernel still holds files. */
#include "fs/mount_file.h"
#include "formats/recent.h"
#include "fs/chunk_make.h"
#include "fs/mount_read.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

struct files {
    pthread_mutex_t lock;
    pthread_cond_t idle;
    struct file *open;
    uint32_t readings; /* under way, of all files */
    uint32_t views;
};

int files_new(struct files **out) {
    struct files *f = calloc(1, sizeof *f);
    if (!f)
        return -ENOMEM;
    pthread_mutex_init(&f->lock, NULL);
    pthread_cond_init(&f->idle, NULL);
    *out = f;
    return 0;
}

void files_free(struct files *fs) {
    if (!fs)
        return;
    while (fs->open)
        file_close(fs->open);
    pthread_cond_destroy(&fs->idle);
    pthread_mutex_destroy(&fs->lock);
    free(fs);
}

void readings_begin(struct files *fs) {
    pthread_mutex_lock(&fs->lock);
    fs->readings++;
    pthread_mutex_unlock(&fs->lock);
}

void readings_end(struct files *fs) {
    pthread_mutex_lock(&fs->lock);
    if (--fs->readings == 0)
        pthread_cond_broadcast(&fs->idle);
    pthread_mutex_unlock(&fs->lock);
}

void files_quiesce(struct files *fs) {
    pthread_mutex_lock(&fs->lock);
    for (struct file *f = fs->open; f; f = f->next_file)
        file_cancel(f, CANCEL_ALL);
    while (fs->readings > 0)
        pthread_cond_wait(&fs->idle, &fs->lock);
    pthread_mutex_unlock(&fs->lock);
}

uint32_t files_views(struct files *fs) {
    pthread_mutex_lock(&fs->lock);
    const uint32_t n = fs->views;
    pthread_mutex_unlock(&fs->lock);
    return n;
}

int files_getattr(struct mount *m, const struct node *n, struct stat *out) {
    struct files *fs = m->files;
    struct stat st;
    int rc = -ESTALE;
    pthread_mutex_lock(&fs->lock);
    for (struct file *f = fs->open; f && rc < 0 && n->kind == NODE_REAL; f = f->next_file) {
        if (f->fd >= 0 && f->dev == n->dev && f->ino == n->ino && fstat(f->fd, &st) == 0)
            rc = 0;
    }
    pthread_mutex_unlock(&fs->lock);
    if (rc == 0)
        node_attr_real(m, &st, out);
    return rc;
}

static void link_file(struct files *fs, struct file *f) {
    pthread_mutex_lock(&fs->lock);
    f->next_file = fs->open;
    if (f->next_file)
        f->next_file->prev = f;
    fs->open = f;
    fs->views += f->view != NULL;
    pthread_mutex_unlock(&fs->lock);
}

static void unlink_file(struct files *fs, struct file *f) {
    pthread_mutex_lock(&fs->lock);
    *(f->prev ? &f->prev->next_file : &fs->open) = f->next_file;
    if (f->next_file)
        f->next_file->prev = f->prev;
    fs->views -= f->view != NULL;
    pthread_mutex_unlock(&fs->lock);
}

static int open_real(struct file *f, struct node *n, bool *keep) {
    struct stat st;
    f->fd = root_openat(f->m->engine->root, n->path, O_RDONLY);
    if (f->fd < 0)
        return f->fd == -ENOENT ? -ESTALE : f->fd; /* the kernel then looks the name up again */
    if (fstat(f->fd, &st) < 0)
        return -errno;
    if (!S_ISREG(st.st_mode))
        return -EACCES;
    if (st.st_dev != n->dev || st.st_ino != n->ino)
        return -ESTALE;
    f->dev = n->dev;
    f->ino = n->ino;
    const struct ident now = ident_from_stat(&st);
    *keep = nodes_same_content(f->m->nodes, n, &now);
    return 0;
}

static int open_view(struct file *f, struct node *n) {
    struct engine *e = f->m->engine;
    struct err err = { 0 };
    int rc =
        n->info.error.code ? n->info.error.code : view_open(&f->view, e, n->path, &n->spec, &err);
    if (rc == 0 && memcmp(&f->view->info.id, &n->info.id, sizeof n->info.id) != 0)
        rc = -ESTALE; /* the source has changed since the lookup */
    if (rc == -ESTALE)
        recent_forget(root_recent(e->root)); /* the kernel looks the name up again */
    if (rc < 0 && rc != -ESTALE) {
        e->stats.errors++;
        char spec[SPEC_MAX_TEXT];
        spec_text(&n->spec, spec, sizeof spec);
        log_warning("%s, as %s@%s: %s", *n->path ? n->path : root_path(e->root),
                    format_name(n->spec.format), spec,
                    n->info.error.code ? n->info.error.msg : err.msg);
    }
    return rc;
}

int file_open(struct mount *m, struct node *n, struct file **out, bool *keep) {
    struct file *f = calloc(1, sizeof *f);
    if (!f)
        return -ENOMEM;
    f->refs = 1;
    f->m = m;
    f->fd = -1;
    pthread_mutex_init(&f->lock, NULL);
    *keep = true;
    int rc = n->kind == NODE_VIEW ? open_view(f, n) : open_real(f, n, keep);
    if (rc == 0 && f->view && !(f->interest = interest_new()))
        rc = -ENOMEM;
    if (rc < 0) {
        file_unref(f);
        return rc;
    }
    link_file(m->files, f);
    *out = f;
    return 0;
}

struct file *file_ref(struct file *f) {
    f->refs++;
    return f;
}

void file_unref(struct file *f) {
    if (--f->refs > 0)
        return;
    real_close(f);
    if (f->fd >= 0)
        close(f->fd);
    view_unref(f->view);
    interest_unref(f->interest);
    pthread_mutex_destroy(&f->lock);
    free(f);
}

void file_close(struct file *f) {
    unlink_file(f->m->files, f);
    file_cancel(f, CANCEL_ALL);
    if (f->interest)
        f->interest->ended = true;
    file_unref(f);
}
