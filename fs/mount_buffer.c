/* SPDX-License-Identifier: Apache-2.0
 * fs/mount_buffer.c - a few buffers of the largest size; what is small comes from malloc, which
 * keeps such blocks itself. */
#include "fs/mount_buffer.h"
#include "fs/mount.h"
#include <pthread.h>
#include <stdlib.h>

enum { SMALL = 64 << 10 /* bytes */, KEPT = 16 /* buffers of MOUNT_READ_MAX */ };

struct pool {
    pthread_mutex_t lock;
    void *kept[KEPT];
    unsigned n;
};

struct pool *pool_new(void) {
    struct pool *p = calloc(1, sizeof *p);
    if (p)
        pthread_mutex_init(&p->lock, NULL);
    return p;
}

void pool_free(struct pool *p) {
    if (!p)
        return;
    while (p->n > 0)
        free(p->kept[--p->n]);
    pthread_mutex_destroy(&p->lock);
    free(p);
}

static bool is_pooled(size_t bytes) {
    return bytes > SMALL && bytes <= MOUNT_READ_MAX;
}

void *pool_get(struct pool *p, size_t bytes) {
    void *buf = NULL;
    if (!is_pooled(bytes))
        return malloc(bytes);
    pthread_mutex_lock(&p->lock);
    if (p->n > 0)
        buf = p->kept[--p->n];
    pthread_mutex_unlock(&p->lock);
    return buf ? buf : malloc(MOUNT_READ_MAX);
}

void pool_put(struct pool *p, void *buf, size_t bytes) {
    if (is_pooled(bytes)) {
        pthread_mutex_lock(&p->lock);
        if (p->n < KEPT) {
            p->kept[p->n++] = buf;
            buf = NULL;
        }
        pthread_mutex_unlock(&p->lock);
    }
    free(buf);
}
