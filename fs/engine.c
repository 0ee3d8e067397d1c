/* SPDX-License-Identifier: Apache-2.0
 * fs/engine.c - putting the parts together. */
#include "fs/engine.h"
#include "fs/cache.h"
#include "fs/flight.h"
#include "fs/strip.h"
#include "fs/view.h"
#include "fs/worker.h"
#include <errno.h>
#include <limits.h>
#include <malloc.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Finished chunks in memory: what eight sequential readers have in front of them. */
enum { KEEP_BYTES = 48 << 20 };

/* Transposes that are turned over already: what two readers need of large ones, or eight. */
enum { STRIPS_BYTES = 80 << 20 };

static unsigned usable_cores(void) {
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) < 0)
        return 1;
    return (unsigned)CPU_COUNT(&set);
}

bool engine_default_cache(char *buf, size_t size) {
    const char *xdg = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    int n;
    if (geteuid() == 0)
        n = snprintf(buf, size, "/var/cache/weightfs");
    else if (xdg && *xdg == '/')
        n = snprintf(buf, size, "%s/weightfs", xdg);
    else if (home && *home == '/')
        n = snprintf(buf, size, "%s/.cache/weightfs", home);
    else
        return false;
    return n > 0 && (size_t)n < size;
}

static void open_cache(struct engine *e, const struct engine_options *o) {
    char place[PATH_MAX];
    const char *dir = o->cache_dir;
    struct err err = { 0 };
    if (dir && !*dir)
        return;
    if (!dir && !engine_default_cache(place, sizeof place)) {
        log_warning("no cache: neither XDG_CACHE_HOME nor HOME is set; name one with cache=DIR");
        return;
    }
    if (!dir)
        dir = place;
    if (cache_open(&e->cache, dir, o->cache_bytes, &err) < 0)
        log_warning("no cache, every read converts: %s", err.msg);
}

static void report_gpu(const char *reason) {
    log_warning("no GPU, the CPU does its work: %s", reason);
}

int engine_open(struct engine **out, const char *src, const struct engine_options *o,
                struct err *err) {
    struct engine *e = calloc(1, sizeof *e);
    if (!e)
        return err_set(err, -ENOMEM, "no memory");
    mallopt(M_ARENA_MAX, 2); /* many threads plan now and then: one heap each would be a waste */
    kernels_init(&e->kernels, cpu_detect());
    e->gpu = gpu_open(o->gpu, report_gpu);
    e->requantize = o->requantize;
    int rc = root_open(&e->root, src, err);
    if (rc == 0)
        rc = views_new(&e->views, err);
    if (rc == 0) {
        open_cache(e, o);
        e->flight = flight_new(KEEP_BYTES);
        e->strips = strips_new(STRIPS_BYTES);
        e->workers = workers_new(o->threads ? o->threads : usable_cores());
        if (!e->flight || !e->strips || !e->workers)
            rc = err_set(err, -ENOMEM, "no memory or no threads");
    }
    if (rc < 0)
        engine_close(e);
    else
        *out = e;
    return rc;
}

void engine_stop(struct engine *e) {
    if (!e)
        return;
    workers_free(e->workers); /* jobs hold views, chunks and the cache */
    e->workers = NULL;
}

void engine_close(struct engine *e) {
    if (!e)
        return;
    engine_stop(e);
    views_free(e->views);
    strips_free(e->strips);
    flight_free(e->flight);
    cache_close(e->cache);
    gpu_close(e->gpu);
    root_close(e->root);
    free(e);
}
