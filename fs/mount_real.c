/* SPDX-License-Identifier: Apache-2.0
 * fs/mount_real.c - reads of SRC's own files. Large ones are answered from a mapping which the
 * kernel alone reads, while it takes the reply: one copy from page cache to page cache. With pread
 * there are two, and three times the work for this process (0.65 against 0.22 s a GB, Linux 6.18;
 * splice took 1.2 to 1.4 times as long as pread). What is no longer there is EFAULT for the reply,
 * and EIO for the reader: never a SIGBUS, for nothing here looks into the mapping. */
#include "fs/mount_buffer.h"
#include "fs/mount_read.h"
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

enum { MAP_MIN = 64 << 10 /* bytes of a read: below, a copy is cheaper than page faults */ };

/* The file's mapping, made by the first read that wants it; NULL: it cannot be mapped. */
static char *mapping(struct file *f, uint64_t size) {
    pthread_mutex_lock(&f->lock);
    if (!f->map_bytes && size <= SIZE_MAX) {
        void *map = mmap(NULL, size, PROT_READ, MAP_SHARED, f->fd, 0);
        f->map = map == MAP_FAILED ? NULL : map;
        f->map_bytes = size;
    }
    char *map = f->map;
    pthread_mutex_unlock(&f->lock);
    return map;
}

void real_close(struct file *f) {
    if (f->map)
        munmap(f->map, f->map_bytes);
}

static void count(struct mount *m, uint64_t bytes) {
    m->real_reads++;
    m->real_bytes += bytes;
}

/* False: the file is to be read another way. It may be closed as soon as there is a reply. */
static bool reply_mapped(struct file *f, fuse_req_t req, size_t size, uint64_t off) {
    struct stat st;
    if (size < MAP_MIN || fstat(f->fd, &st) < 0 || off >= (uint64_t)st.st_size)
        return false;
    const uint64_t left = (uint64_t)st.st_size - off, n = size < left ? size : left;
    const char *map = mapping(f, (uint64_t)st.st_size);
    if (!map || off + n > f->map_bytes)
        return false;
    readahead(f->fd, (off64_t)off, n); /* a page fault alone would ask for less at once */
    count(f->m, n);
    fuse_reply_buf(req, map + off, n);
    return true;
}

static void reply_copied(struct file *f, fuse_req_t req, size_t size, uint64_t off) {
    struct mount *m = f->m; /* see reply_mapped */
    char *buf = pool_get(m->pool, size);
    ssize_t n;
    if (!buf) {
        fuse_reply_err(req, ENOMEM);
        return;
    }
    do
        n = pread(f->fd, buf, size, (off_t)off);
    while (n < 0 && errno == EINTR);
    if (n < 0) {
        fuse_reply_err(req, errno);
    } else {
        count(m, (uint64_t)n);
        fuse_reply_buf(req, buf, (size_t)n);
    }
    pool_put(m->pool, buf, size);
}

void real_read(struct file *f, fuse_req_t req, size_t size, uint64_t off) {
    if (!reply_mapped(f, req, size, off))
        reply_copied(f, req, size, off);
}
