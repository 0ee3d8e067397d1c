/* SPDX-License-Identifier: Apache-2.0
 * formats/root.h - the inside of struct root, shared by root.c and source.c only. */
#pragma once
#include "formats/source.h"
#include <pthread.h>

/* Descriptors that are open and not in use, the one used longest ago first. */
struct fd_pool {
    pthread_mutex_t lock;
    struct source *oldest, *newest;
    uint32_t open; /* descriptors, in use or not */
};

struct root {
    int fd;       /* O_PATH; what must not be left */
    char *path;   /* of SRC, absolute */
    char *prefix; /* from fd to SRC; "" unless SRC is a snapshot of a hub cache */
    char *only;   /* SRC is a file: its name */
    struct fd_pool pool;
    struct recent *recent; /* NULL: nothing is remembered */
};
