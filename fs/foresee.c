/* SPDX-License-Identifier: Apache-2.0
 * fs/foresee.c - the folder that was listed last, and how far its views are planned. */
#include "fs/foresee.h"
#include "fs/name_parse.h"
#include "fs/view.h"
#include "fs/worker.h"
#include <pthread.h>
#include <stdlib.h>

enum {
    SEARCH = 64,      /* names behind the last one that was found: lookups come about in order */
    AHEAD_THREADS = 4 /* views a worker */
};

struct foresight {
    pthread_mutex_t lock;
    struct arena arena;
    struct str dir;
    struct str *names; /* of views */
    uint32_t n, cap;
    uint32_t at;      /* the one that was looked up last */
    uint32_t planned; /* up to here */
};

struct plan_job {
    struct job job;
    struct mount *m;
    char *name; /* both behind the struct */
    char dir[];
};

struct foresight *foresight_new(void) {
    struct foresight *f = calloc(1, sizeof *f);
    if (f)
        pthread_mutex_init(&f->lock, NULL);
    return f;
}

void foresight_free(struct foresight *f) {
    if (!f)
        return;
    arena_fini(&f->arena);
    pthread_mutex_destroy(&f->lock);
    free(f->names);
    free(f);
}

void foresight_begin(struct foresight *f, const char *dir) {
    pthread_mutex_lock(&f->lock);
    arena_fini(&f->arena);
    f->dir = arena_str(&f->arena, str_from(dir));
    f->n = f->at = f->planned = 0;
    pthread_mutex_unlock(&f->lock);
}

void foresight_add(struct foresight *f, const char *name) {
    pthread_mutex_lock(&f->lock);
    if (f->n == f->cap) {
        const uint32_t cap = f->cap ? 2 * f->cap : 64;
        struct str *more = realloc(f->names, cap * sizeof *more);
        if (more) {
            f->names = more;
            f->cap = cap;
        }
    }
    if (f->n < f->cap) {
        f->names[f->n] = arena_str(&f->arena, str_from(name));
        f->n += f->names[f->n].p != NULL;
    }
    pthread_mutex_unlock(&f->lock);
}

static void run(struct job *j) {
    struct plan_job *p = (struct plan_job *)j;
    struct view_info info;
    struct name found;
    if (names_resolve(p->m->names, p->dir, p->name, &found) == 0 && found.kind == NAME_VIEW)
        view_stat(p->m->engine, found.path, &found.spec, &info, NULL);
    free(p);
}

static void push(struct mount *m, struct str dir, struct str name) {
    struct plan_job *p = malloc(sizeof *p + dir.n + name.n + 2);
    if (!p)
        return;
    p->job.run = run;
    p->m = m;
    memcpy(p->dir, dir.p, dir.n + 1);
    p->name = p->dir + dir.n + 1;
    memcpy(p->name, name.p, name.n + 1);
    workers_push(m->engine->workers, JOB_AHEAD, &p->job);
}

/* Its place in the listing, near the last one; n if it is not there. */
static uint32_t find(const struct foresight *f, const char *name) {
    for (uint32_t i = f->at; i < f->n && i - f->at < SEARCH; i++)
        if (str_is(f->names[i], name))
            return i;
    return f->n;
}

void foresight_next(struct mount *m, const char *dir, const char *name) {
    struct foresight *f = m->foresight;
    pthread_mutex_lock(&f->lock);
    const uint32_t i = f->dir.p && str_is(f->dir, dir) ? find(f, name) : f->n;
    if (i < f->n) {
        uint32_t end = i + 1 + AHEAD_THREADS * workers_threads(m->engine->workers);
        end = end < f->n ? end : f->n;
        f->at = i;
        if (f->planned <= i)
            f->planned = i + 1;
        while (f->planned < end)
            push(m, f->dir, f->names[f->planned++]);
    }
    pthread_mutex_unlock(&f->lock);
}
