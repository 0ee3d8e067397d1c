/* SPDX-License-Identifier: Apache-2.0
 * fs/mount_file.h - open files: of SRC, or a view. */
#pragma once
#include "fs/node.h"
#include <pthread.h>

struct reading;  /* fs/mount_read.c */
struct interest; /* fs/chunk_make.h */

struct file {
    struct file *prev, *next_file; /* among all that are open */
    _Atomic uint32_t refs;         /* one of the kernel's, one a read under way */
    struct mount *m;
    uint64_t dev, ino;    /* of SRC */
    int fd;               /* of SRC; -1: a view */
    struct view *view;    /* held as long as the file is open: one version of the source */
    pthread_mutex_t lock; /* of what follows */
    struct reading *readings;
    /* Where a sequential reader is. The kernel's readahead comes from several threads at once,
     * so requests around `place` count as in order. */
    uint64_t place, in_order, ahead; /* bytes: place; read in order so far; asked for up to here */
    struct interest *interest;       /* in what is made ahead; NULL: of SRC */
    /* Of SRC: fs/mount_real.c. Once they are set they stay. */
    char *map;          /* the whole file as it was; NULL: none, or it cannot be mapped */
    uint64_t map_bytes; /* 0: not tried */
};

int files_new(struct files **out);
void files_free(struct files *f);      /* closes what the kernel has not; NULL is fine */
void files_quiesce(struct files *f);   /* cancels all reads, waits until they have replied */
uint32_t files_views(struct files *f); /* open files that are views */

/* @keep: may the kernel keep the pages it has? */
int file_open(struct mount *m, struct node *n, struct file **out, bool *keep);
void file_close(struct file *f);
struct file *file_ref(struct file *f);
void file_unref(struct file *f);

/* The attributes of a file of SRC that has lost its name but is open; -ESTALE: it is not. */
int files_getattr(struct mount *m, const struct node *n, struct stat *out);

/* fs/mount_read.c. Replies, now or later. */
void file_read(struct file *f, fuse_req_t req, size_t size, uint64_t off);
/* A descriptor was closed by the thread that sends @req: what was read ahead for it is no longer
 * wanted. */
void file_flush(struct file *f, fuse_req_t req);
