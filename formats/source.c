/* SPDX-License-Identifier: Apache-2.0
 * formats/source.c - reading files whose descriptors come and go. */
#include "formats/source.h"
#include "formats/cleanup.h"
#include "formats/root.h"
#include "formats/source_rows.h"
#include <errno.h>
#include <fcntl.h>
#include <string.h>

enum {
    POOL_MAX = 256,      /* descriptors; far below the usual limit of 1024 a process */
    HASH_PIECE = 1 << 16 /* bytes, on the stack: they stay in the second-level cache */
};

struct source {
    struct ident id;
    struct root *root;
    char *path;
    _Atomic uint32_t refs;
    uint8_t *bytes;    /* in memory, of `of`; then no descriptor is ever open */
    struct source *of; /* a reference */
    source_read_fn *read; /* in the file's place; or NULL */
    void *user;
    /* under the pool's lock: */
    int fd;
    uint32_t users;             /* preads under way */
    struct source *prev, *next; /* in the pool while fd >= 0 and users == 0 */
};

struct ident ident_from_stat(const struct stat *st) {
    return (struct ident){
        .dev = st->st_dev,
        .ino = st->st_ino,
        .size = (uint64_t)st->st_size,
        .mtime_ns = st->st_mtim.tv_sec * 1000000000 + st->st_mtim.tv_nsec,
        .ctime_ns = st->st_ctim.tv_sec * 1000000000 + st->st_ctim.tv_nsec,
    };
}

bool ident_eq(const struct ident *a, const struct ident *b) {
    return a->dev == b->dev && a->ino == b->ino && a->size == b->size &&
           a->mtime_ns == b->mtime_ns && a->ctime_ns == b->ctime_ns;
}

void hasher_ident(struct hasher *h, const struct ident *id) {
    hasher_u64(h, id->dev);
    hasher_u64(h, id->ino);
    hasher_u64(h, id->size);
    hasher_u64(h, (uint64_t)id->mtime_ns);
    hasher_u64(h, (uint64_t)id->ctime_ns);
}

/* --- the pool: call with the lock held --- */

static void pool_unlink(struct fd_pool *p, struct source *s) {
    *(s->prev ? &s->prev->next : &p->oldest) = s->next;
    *(s->next ? &s->next->prev : &p->newest) = s->prev;
    s->prev = s->next = NULL;
}

static void pool_append(struct fd_pool *p, struct source *s) {
    s->prev = p->newest;
    *(p->newest ? &p->newest->next : &p->oldest) = s;
    p->newest = s;
}

static void pool_shrink(struct fd_pool *p) {
    while (p->open > POOL_MAX && p->oldest) {
        struct source *s = p->oldest;
        pool_unlink(p, s);
        close(s->fd);
        s->fd = -1;
        p->open--;
    }
}

/* --- one source --- */

static int changed(const struct source *s, struct err *err) {
    return err_set(err, -ESTALE, "%s: changed since it was opened", s->path);
}

static int open_regular(struct root *root, const char *path, struct stat *st, struct err *err) {
    auto_close int fd = root_openat(root, path, O_RDONLY);
    if (fd < 0)
        return err_set(err, fd, "%s: %s", path,
                       fd == -EACCES ? "no permission, or a link that leaves the source folder"
                                     : strerror(-fd));
    if (fstat(fd, st) < 0)
        return err_set(err, -errno, "%s: %s", path, strerror(errno));
    if (!S_ISREG(st->st_mode))
        return err_set(err, -EINVAL, "%s: not a regular file", path);
    return take_fd(&fd);
}

/* The descriptor, open and counted as in use. */
static int acquire(struct source *s, struct err *err) {
    struct fd_pool *p = &s->root->pool;
    pthread_mutex_lock(&p->lock);
    if (s->fd >= 0) {
        if (s->users++ == 0)
            pool_unlink(p, s);
        pthread_mutex_unlock(&p->lock);
        return s->fd;
    }
    pthread_mutex_unlock(&p->lock);

    struct stat st;
    auto_close int fd = open_regular(s->root, s->path, &st, err);
    if (fd < 0)
        return fd == -ENOENT ? changed(s, err) : fd;
    const struct ident now = ident_from_stat(&st);
    if (!ident_eq(&now, &s->id))
        return changed(s, err);

    pthread_mutex_lock(&p->lock);
    if (s->fd < 0) { /* else another thread was faster */
        s->fd = take_fd(&fd);
        p->open++;
        pool_shrink(p);
    } else if (s->users == 0) {
        pool_unlink(p, s);
    }
    s->users++;
    pthread_mutex_unlock(&p->lock);
    return s->fd;
}

static void release(struct source *s) {
    struct fd_pool *p = &s->root->pool;
    pthread_mutex_lock(&p->lock);
    if (--s->users == 0)
        pool_append(p, s);
    pool_shrink(p);
    pthread_mutex_unlock(&p->lock);
}

int source_open(struct source **out, struct root *root, const char *path, struct err *err) {
    struct stat st;
    auto_close int fd = open_regular(root, path, &st, err);
    if (fd < 0)
        return fd;
    struct source *s = calloc(1, sizeof *s);
    char *copy = strdup(path);
    if (!s || !copy) {
        free(s);
        free(copy);
        return err_set(err, -ENOMEM, "open %s", path);
    }
    *s = (struct source){ .id = ident_from_stat(&st), .root = root, .path = copy, .refs = 1 };
    s->fd = take_fd(&fd);
    pthread_mutex_lock(&root->pool.lock);
    root->pool.open++;
    pool_append(&root->pool, s);
    pool_shrink(&root->pool);
    pthread_mutex_unlock(&root->pool.lock);
    *out = s;
    return 0;
}

int source_memory(struct source **out, struct source *of, void *bytes, uint64_t n,
                  struct err *err) {
    struct source *s = calloc(1, sizeof *s);
    if (!s) {
        free(bytes);
        return err_set(err, -ENOMEM, "no memory for %llu bytes", (unsigned long long)n);
    }
    *s = (struct source){ .id = of->id, .root = of->root, .refs = 1, .fd = -1 };
    s->id.ino = ~of->id.ino; /* other bytes than the file's */
    s->id.size = n;
    s->bytes = bytes;
    s->of = source_ref(of);
    *out = s;
    return 0;
}

struct source *source_ref(struct source *s) {
    s->refs++;
    return s;
}

void source_close(struct source *s) {
    if (!s || --s->refs > 0)
        return;
    struct fd_pool *p = &s->root->pool;
    pthread_mutex_lock(&p->lock);
    if (s->fd >= 0) {
        pool_unlink(p, s);
        close(s->fd);
        p->open--;
    }
    pthread_mutex_unlock(&p->lock);
    source_close(s->of);
    free(s->bytes);
    free(s->path);
    free(s);
}

const struct ident *source_ident(const struct source *s) {
    return &s->id;
}

const char *source_path(const struct source *s) {
    return s->path ? s->path : "";
}

static int pread_all(int fd, const char *path, void *dst, uint64_t n, uint64_t off,
                     struct err *err) {
    char *p = dst;
    while (n > 0) {
        ssize_t got = pread(fd, p, n < (1u << 30) ? n : (1u << 30), (off_t)off);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return err_set(err, -errno, "%s: read at byte %llu: %s", path, (unsigned long long)off,
                           strerror(errno));
        if (got == 0)
            return err_set(err, -EIO, "%s: ends at byte %llu", path, (unsigned long long)off);
        p += got;
        off += (uint64_t)got;
        n -= (uint64_t)got;
    }
    return 0;
}

void source_read_from(struct source *s, source_read_fn *read, void *user) {
    s->read = read;
    s->user = user;
}

static int copy_rows(const struct source *s, const struct source_rows *r, struct err *err) {
    uint64_t off = r->off;
    for (uint64_t i = 0; i < r->rows; i++, off += r->step) {
        if (off > s->id.size || r->n > s->id.size - off)
            return err_set(err, -EIO, "%s: ends at byte %llu", s->of->path,
                           (unsigned long long)s->id.size);
        memcpy(r->dst + i * r->dst_step, s->bytes + off, r->n);
    }
    return 0;
}

int source_pread_rows(struct source *s, const struct source_rows *r, struct err *err) {
    int rc = 0;
    if (s->of)
        return copy_rows(s, r, err);
    int fd = s->read ? 0 : acquire(s, err);
    if (fd < 0)
        return fd;
    uint64_t off = r->off;
    for (uint64_t i = 0; i < r->rows && rc == 0; i++, off += r->step) {
        uint8_t *dst = r->dst + i * r->dst_step;
        rc = s->read ? s->read(s->user, dst, r->n, off, err)
                     : pread_all(fd, s->path, dst, r->n, off, err);
    }
    if (!s->read)
        release(s);
    return rc;
}

int source_pread(struct source *s, void *dst, uint64_t n, uint64_t off, struct err *err) {
    const struct source_rows one = { .off = off, .n = n, .rows = 1, .dst = dst };
    return source_pread_rows(s, &one, err);
}

int source_check(struct source *s, struct err *err) {
    if (s->of)
        return source_check(s->of, err);
    int fd = acquire(s, err);
    if (fd < 0)
        return fd;
    struct stat st;
    int rc = fstat(fd, &st) < 0 ? err_set(err, -errno, "%s: %s", s->path, strerror(errno)) : 0;
    release(s);
    if (rc < 0)
        return rc;
    const struct ident now = ident_from_stat(&st);
    return ident_eq(&now, &s->id) ? 0 : changed(s, err);
}

static int open_small(struct root *root, const char *path, uint64_t limit, struct stat *st,
                      struct err *err) {
    const int fd = open_regular(root, path, st, err);
    if (fd < 0 || (uint64_t)st->st_size <= limit)
        return fd;
    close(fd);
    return err_set(err, -EFBIG, "%s: %llu bytes, more than the %llu that it may have", path,
                   (unsigned long long)st->st_size, (unsigned long long)limit);
}

int source_hash(struct root *root, const char *path, uint64_t limit, struct hasher *h,
                struct err *err) {
    uint8_t piece[HASH_PIECE];
    struct stat st;
    auto_close int fd = open_small(root, path, limit, &st, err);
    if (fd < 0)
        return fd;
    const uint64_t size = (uint64_t)st.st_size;
    int rc = 0;
    hasher_u64(h, size);
    for (uint64_t off = 0; rc == 0 && off < size; off += sizeof piece) {
        const size_t n = size - off < sizeof piece ? size - off : sizeof piece;
        rc = pread_all(fd, path, piece, n, off, err);
        if (rc == 0)
            hasher_add(h, piece, n);
    }
    return rc;
}

int source_slurp(struct root *root, const char *path, uint64_t limit, char **out, size_t *n,
                 struct ident *id, struct err *err) {
    struct stat st;
    auto_close int fd = open_small(root, path, limit, &st, err);
    if (fd < 0)
        return fd;
    const uint64_t size = (uint64_t)st.st_size;
    auto_free char *buf = malloc(size + 1);
    if (!buf)
        return err_set(err, -ENOMEM, "%s: no memory for %llu bytes", path,
                       (unsigned long long)size);
    int rc = pread_all(fd, path, buf, size, 0, err);
    if (rc < 0)
        return rc;
    buf[size] = 0;
    if (id)
        *id = ident_from_stat(&st);
    *n = size;
    *out = take(buf);
    return 0;
}
