/* SPDX-License-Identifier: Apache-2.0
 * fs/view_infos.c - the answers of stat, by the identity of the view. */
#include "fs/view_infos.h"
#include <stdlib.h>
#include <time.h>

enum {
    MAX_INFOS = 1 << 16,
    RETRY_AFTER_S = 1 /* what could not be made is tried again */
};

struct info {
    _Atomic uint32_t refs;
    struct view_info v;
    time_t made; /* CLOCK_MONOTONIC, seconds */
};

static void info_ref(void *p) {
    ((struct info *)p)->refs++;
}

static void info_unref(void *p) {
    struct info *i = p;
    if (--i->refs == 0)
        free(i);
}

static time_t monotonic_s(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec;
}

bool infos_get(struct lru *infos, const struct hash128 *id, struct view_info *out) {
    struct info *i = lru_get(infos, id);
    const bool fresh = i && (!i->v.error.code || monotonic_s() - i->made < RETRY_AFTER_S);
    if (fresh)
        *out = i->v;
    if (i)
        info_unref(i);
    return fresh;
}

void infos_put(struct lru *infos, const struct view_info *v) {
    struct info *i = calloc(1, sizeof *i);
    if (!i)
        return;
    i->refs = 1;
    i->v = *v;
    i->made = monotonic_s();
    lru_put(infos, &v->id, i, sizeof *i);
    info_unref(i);
}

struct lru *infos_new(void) {
    return lru_new(MAX_INFOS, UINT64_MAX, info_ref, info_unref);
}
