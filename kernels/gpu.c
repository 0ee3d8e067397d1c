/* SPDX-License-Identifier: Apache-2.0
 * kernels/gpu.c - opens the module, and lends its queues. */
#include "kernels/gpu.h"
#include <dlfcn.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct gpu {
    int device;
    const char *path;
    gpu_report_fn *report;
    pthread_t opener;

    pthread_mutex_t lock; /* of what follows */
    pthread_cond_t opened;
    bool started, done, failed; /* the opener is there; is through; there is no GPU (any more) */
    void *library;
    const struct gpu_module *module; /* set once, before there are queues */
    struct gpu_queue *queues[GPU_QUEUES], *idle[GPU_QUEUES];
    unsigned n_queues, n_idle;
};

static void fail(struct gpu *g, const char *reason, bool tell) {
    pthread_mutex_lock(&g->lock);
    tell &= !g->failed;
    g->failed = true;
    pthread_mutex_unlock(&g->lock);
    if (tell && g->report)
        g->report(reason);
}

static bool load(struct gpu *g, char why[GPU_WHY]) {
    gpu_module_fn *find = NULL;
    g->library = dlopen(g->path, RTLD_NOW | RTLD_LOCAL);
    void *symbol = g->library ? dlsym(g->library, GPU_MODULE_SYMBOL) : NULL;
    memcpy(&find, &symbol, sizeof find);
    const struct gpu_module *module = find ? find() : NULL;
    if (!module) {
        const char *error = dlerror();
        snprintf(why, GPU_WHY, "%s", error ? error : "no module");
    } else if (module->version != GPU_MODULE_VERSION) {
        snprintf(why, GPU_WHY, "%s is of another version", g->path);
    } else {
        pthread_mutex_lock(&g->lock);
        g->module = module;
        pthread_mutex_unlock(&g->lock);
        return true;
    }
    return false;
}

static void *open_device(void *arg) {
    struct gpu *g = arg;
    char why[GPU_WHY] = "";
    bool ok = load(g, why);
    for (unsigned i = 0; ok && i < GPU_QUEUES; i++) {
        struct gpu_queue *q = g->module->queue_new(g->device - GPU_DEVICE_0, GPU_ELEMS, why);
        ok = q != NULL || i > 0; /* with less memory fewer will do */
        if (!q)
            break;
        pthread_mutex_lock(&g->lock);
        g->queues[g->n_queues++] = g->idle[g->n_idle++] = q;
        pthread_mutex_unlock(&g->lock);
    }
    if (!ok)
        fail(g, why, g->device >= GPU_DEVICE_0);
    pthread_mutex_lock(&g->lock);
    g->done = true;
    pthread_cond_broadcast(&g->opened);
    pthread_mutex_unlock(&g->lock);
    return NULL;
}

static bool start(struct gpu *g) {
    sigset_t all, old; /* signals are for others */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    const bool started = pthread_create(&g->opener, NULL, open_device, g) == 0;
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    return started;
}

struct gpu *gpu_open(int device, gpu_report_fn *report) {
    const char *named = getenv("WEIGHTFS_GPU_MODULE");
    struct gpu *g = device == GPU_OFF ? NULL : calloc(1, sizeof *g);
    if (!g)
        return NULL;
    g->device = device;
    g->report = report;
    g->path = named && *named ? named : WEIGHTFS_GPU_MODULE;
    pthread_mutex_init(&g->lock, NULL);
    pthread_cond_init(&g->opened, NULL);
    return g;
}

void gpu_close(struct gpu *g) {
    if (!g)
        return;
    if (g->started)
        pthread_join(g->opener, NULL);
    while (g->n_queues > 0)
        g->module->queue_free(g->queues[--g->n_queues]);
    /* The library stays: CUDA's runtime has handlers in it that run at exit. */
    pthread_cond_destroy(&g->opened);
    pthread_mutex_destroy(&g->lock);
    free(g);
}

/* With the lock. */
static void begin(struct gpu *g) {
    if (g->started || g->done)
        return;
    g->started = start(g);
    g->done = g->failed = !g->started;
}

bool gpu_wait(struct gpu *g) {
    if (!g)
        return false;
    pthread_mutex_lock(&g->lock);
    begin(g);
    while (!g->done)
        pthread_cond_wait(&g->opened, &g->lock);
    const bool there = !g->failed;
    pthread_mutex_unlock(&g->lock);
    return there;
}

const struct gpu_type *gpu_type(struct gpu *g, const char *name) {
    if (!g)
        return NULL;
    if (g->device >= GPU_DEVICE_0)
        gpu_wait(g);
    pthread_mutex_lock(&g->lock);
    begin(g);
    const struct gpu_module *m = g->failed || g->n_queues == 0 ? NULL : g->module;
    pthread_mutex_unlock(&g->lock);
    for (size_t i = 0; m && i < m->n_types; i++)
        if (!strcmp(m->types[i].name, name))
            return &m->types[i];
    return NULL;
}

struct gpu_queue *gpu_take(struct gpu *g) {
    if (!g)
        return NULL;
    pthread_mutex_lock(&g->lock);
    struct gpu_queue *q = g->failed || g->n_idle == 0 ? NULL : g->idle[--g->n_idle];
    pthread_mutex_unlock(&g->lock);
    return q;
}

void gpu_give(struct gpu *g, struct gpu_queue *q) {
    pthread_mutex_lock(&g->lock);
    g->idle[g->n_idle++] = q;
    pthread_mutex_unlock(&g->lock);
}

bool gpu_encode(struct gpu *g, struct gpu_queue *q, const struct gpu_work *work) {
    char why[GPU_WHY] = "";
    if (g->module->encode(q, work, why))
        return true;
    fail(g, why, true);
    return false;
}
