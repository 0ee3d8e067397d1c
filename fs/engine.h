/* SPDX-License-Identifier: Apache-2.0
 * fs/engine.h - everything below the mount, in one struct: the tools use it without a mount. */
#pragma once
#include "formats/model.h"
#include "fs/log.h"
#include "kernels/gpu.h"
#include "kernels/kernels.h"
#include <stdatomic.h>

struct cache;   /* fs/cache.h */
struct flight;  /* fs/flight.h */
struct workers; /* fs/worker.h */
struct strips;  /* fs/strip.h */
struct views;   /* fs/view.h */

struct engine_options {
    const char *cache_dir; /* NULL: the default place; "": no cache */
    uint64_t cache_bytes;  /* 0: the smaller of 20 GiB and a fifth of what is free */
    unsigned threads;      /* that convert; 0: one a core that the process may run on */
    bool requantize;       /* as if every spec said +requantize */
    int gpu;               /* GPU_AUTO (0), GPU_OFF, or GPU_DEVICE_0 + N */
};

/* Counted since the engine was opened; any thread may add. */
struct engine_stats {
    _Atomic uint64_t reads, read_bytes;                 /* of views */
    _Atomic uint64_t cache_hits, cache_misses;          /* chunks asked of the cache */
    _Atomic uint64_t converted_chunks, converted_bytes; /* made; bytes of output */
    _Atomic uint64_t convert_ns;                        /* time of the workers in conversions */
    _Atomic uint64_t errors;                            /* reads and opens that failed */
    _Atomic uint32_t converting;                        /* chunks under way now */
};

struct engine {
    struct root *root;
    struct kernels kernels;
    struct gpu *gpu;     /* NULL: off */
    struct cache *cache; /* NULL: none, or it failed to open */
    struct flight *flight;
    struct strips *strips;
    struct workers *workers;
    struct views *views;
    bool requantize;
    struct engine_stats stats;
};

/* Opens SRC, the cache and the workers: call it after daemonizing, as LMDB and threads do not
 * survive a fork. A cache that cannot be opened is logged and done without. */
int engine_open(struct engine **out, const char *src, const struct engine_options *o,
                struct err *err);
/* Let the workers finish what they have; nothing may be read after it, and engine_close follows. */
void engine_stop(struct engine *e);

void engine_close(struct engine *e); /* NULL is fine; no view may be open any more */

/* Where the cache lies unless somebody says otherwise: $XDG_CACHE_HOME/weightfs, ~/.cache/weightfs,
 * for root /var/cache/weightfs. False: no home. */
bool engine_default_cache(char *buf, size_t size);
