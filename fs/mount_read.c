/* SPDX-License-Identifier: Apache-2.0
 * fs/mount_read.c - read requests. Those of views are answered by whichever thread has the bytes;
 * FUSE's own threads never convert, or a `stat` would wait behind conversions. */
#include "fs/mount_read.h"
#include "fs/mount_buffer.h"
#include "fs/render.h"
#include <errno.h>
#include <stdlib.h>

enum {
    ORDER_SLACK = 4 << 20, /* bytes that requests may be out of order */
    ORDER_MIN = 1 << 20,   /* bytes in order before anything is made ahead */
    AHEAD_MAX = 8 << 20    /* bytes made ahead of a reader */
};

struct reading {
    struct render render;
    struct reading *prev, *next; /* of the file */
    struct file *file;
    fuse_req_t req;
    pid_t pid; /* of the thread that caused it; 0: of another namespace */
};

static void link_reading(struct reading *r) {
    struct file *f = r->file;
    pthread_mutex_lock(&f->lock);
    r->next = f->readings;
    if (r->next)
        r->next->prev = r;
    f->readings = r;
    pthread_mutex_unlock(&f->lock);
    readings_begin(f->m->files);
}

static void unlink_reading(struct reading *r) {
    struct file *f = r->file;
    pthread_mutex_lock(&f->lock);
    *(r->prev ? &r->prev->next : &f->readings) = r->next;
    if (r->next)
        r->next->prev = r->prev;
    pthread_mutex_unlock(&f->lock);
}

void file_cancel(struct file *f, pid_t pid) {
    pthread_mutex_lock(&f->lock);
    for (struct reading *r = f->readings; r; r = r->next) {
        if (pid == CANCEL_ALL || r->pid == pid)
            render_cancel(&r->render);
    }
    pthread_mutex_unlock(&f->lock);
}

/* A thread that closes waits for no read, so what it has caused is readahead. Another process with
 * the same open file may want those pages too: it then asks for them itself. */
void file_flush(struct file *f, fuse_req_t req) {
    const pid_t pid = fuse_req_ctx(req)->pid;
    if (f->view && pid > 0)
        file_cancel(f, pid);
}

static void interrupted(fuse_req_t req, void *user) {
    (void)req;
    render_cancel(&((struct reading *)user)->render);
}

static void reading_done(struct render *render, int rc) {
    struct reading *r = (struct reading *)render;
    struct file *f = r->file;
    struct files *files = f->m->files;
    fuse_req_interrupt_func(r->req, NULL, NULL); /* waits while it runs */
    unlink_reading(r);
    if (rc < 0 && rc != -EINTR)
        log_warning("%s at byte %llu: %s", f->view->source, (unsigned long long)render->off,
                    render->err.code ? render->err.msg : strerror(-rc));
    if (rc < 0)
        fuse_reply_err(r->req, -rc);
    else
        fuse_reply_buf(r->req, (char *)render->buf, render->len);
    pool_put(f->m->pool, render->buf, render->len);
    free(r);
    file_unref(f);
    readings_end(files);
}

/* What a request tells of its reader. */
struct plan {
    bool here_and_there; /* not, or not yet, from front to back */
    uint64_t from, n;    /* to make ahead; n may be 0 */
};

static struct plan plan_read(struct file *f, uint64_t off, size_t len) {
    struct plan p = { 0 };
    pthread_mutex_lock(&f->lock);
    const bool in_order = off + ORDER_SLACK >= f->place && off <= f->place + ORDER_SLACK;
    if (!in_order) {
        f->in_order = 0;
        f->place = f->ahead = off + len;
    } else {
        f->in_order += len;
        f->place = off + len > f->place ? off + len : f->place;
        f->ahead = f->ahead > f->place ? f->ahead : f->place;
        const uint64_t depth = f->in_order < AHEAD_MAX ? f->in_order : AHEAD_MAX;
        if (f->in_order >= ORDER_MIN && f->ahead < f->place + depth / 2) {
            p.from = f->ahead;
            p.n = f->place + depth - f->ahead;
        }
    }
    p.here_and_there = f->in_order < ORDER_MIN;
    pthread_mutex_unlock(&f->lock);
    return p;
}

static void make_ahead(struct file *f, const struct plan *p) {
    if (p->n == 0 || p->from >= f->view->layout.size)
        return;
    const uint64_t end = render_ahead(f->view, p->from, p->n, f->interest);
    pthread_mutex_lock(&f->lock);
    if (end > f->ahead)
        f->ahead = end;
    pthread_mutex_unlock(&f->lock);
}

static void read_view(struct file *f, fuse_req_t req, size_t size, uint64_t off) {
    const uint64_t end = f->view->layout.size;
    const size_t len = off >= end ? 0 : size < end - off ? size : (size_t)(end - off);
    if (len == 0) {
        fuse_reply_buf(req, NULL, 0);
        return;
    }
    struct reading *r = calloc(1, sizeof *r);
    uint8_t *buf = r ? pool_get(f->m->pool, len) : NULL;
    if (!buf) {
        free(r);
        fuse_reply_err(req, ENOMEM);
        return;
    }
    const struct plan plan = plan_read(f, off, len);
    r->render = (struct render){ .view = f->view,
                                 .off = off,
                                 .len = len,
                                 .buf = buf,
                                 .done = reading_done,
                                 .here_and_there = plan.here_and_there,
                                 .who = f->interest };
    r->file = file_ref(f);
    r->req = req;
    r->pid = fuse_req_ctx(req)->pid;
    link_reading(r);
    fuse_req_interrupt_func(req, interrupted, r);
    file_ref(f); /* r may be gone when render_start returns */
    render_start(&r->render);
    make_ahead(f, &plan);
    file_unref(f);
}

void file_read(struct file *f, fuse_req_t req, size_t size, uint64_t off) {
    if (f->view)
        read_view(f, req, size, off);
    else
        real_read(f, req, size, off);
}
