/* SPDX-License-Identifier: Apache-2.0
 * formats/cleanup.h - locals that are released when their scope ends. */
#pragma once
#include <stdlib.h>
#include <unistd.h>

static inline void cleanup_free(void *p) {
    free(*(void **)p);
}
static inline void cleanup_close(int *fd) {
    if (*fd >= 0)
        close(*fd);
}

#define auto_free  __attribute__((cleanup(cleanup_free)))
#define auto_close __attribute__((cleanup(cleanup_close)))

/* Ownership leaves the local: its cleanup then finds NULL (or -1 for a descriptor). */
#define take(p)                          \
    ({                                   \
        __typeof__(p) take_value_ = (p); \
        (p) = NULL;                      \
        take_value_;                     \
    })
static inline int take_fd(int *fd) {
    int value = *fd;
    *fd = -1;
    return value;
}
