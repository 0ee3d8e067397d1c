/* SPDX-License-Identifier: Apache-2.0
 * tests/faults.c - the Nth call for memory, the Nth read of a source, the Nth step of LMDB, the Nth
 * thread fails, for N from 1 on until a run needs no more of them. Each run opens an engine and
 * reads views with a cache: it ends with the right errno or with the right bytes, and, as the next
 * run shows, spoils nothing. Leaks are told by the address sanitizer. The linker puts the functions
 * here in front of the real ones (--wrap).
 *
 * usage: faults DATA  (tests/data) */
#include "fs/cache_env.h"
#include "fs/engine.h"
#include "fs/render.h"
#include "fs/view.h"
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* --- the faults --- */

enum fault { FAULT_NONE, FAULT_MEMORY, FAULT_READ, FAULT_SHORT, FAULT_LMDB, FAULT_THREAD, FAULTS };

static const struct {
    const char *name;
    int allowed[2]; /* what a caller may be told; 0: nothing, the call must succeed */
    unsigned dense; /* every N up to here, then fewer and fewer */
} kinds[FAULTS] = {
    [FAULT_NONE] = { "none", { 0, 0 }, 0 },
    [FAULT_MEMORY] = { "memory", { -ENOMEM, -ENOMEM }, 400 },
    [FAULT_READ] = { "read", { -EIO, -EIO }, 40 },
    [FAULT_SHORT] = { "short read", { 0, 0 }, 40 },
    [FAULT_LMDB] = { "LMDB", { 0, 0 }, 60 },
    [FAULT_THREAD] = { "thread", { -EAGAIN, -ENOMEM }, 10 },
};

static enum fault kind;
static unsigned fail_at;
static atomic_uint calls;

static bool fails(enum fault f) {
    return kind == f && ++calls == fail_at;
}

#define WRAP(type, name, args) \
    type __real_##name args;   \
    type __wrap_##name args;   \
    type __wrap_##name args

WRAP(void *, malloc, (size_t n)) {
    return fails(FAULT_MEMORY) ? NULL : __real_malloc(n);
}

WRAP(void *, calloc, (size_t n, size_t size)) {
    return fails(FAULT_MEMORY) ? NULL : __real_calloc(n, size);
}

WRAP(void *, realloc, (void *p, size_t n)) {
    return fails(FAULT_MEMORY) ? NULL : __real_realloc(p, n);
}

WRAP(char *, strdup, (const char *s)) {
    return fails(FAULT_MEMORY) ? NULL : __real_strdup(s);
}

/* With _FILE_OFFSET_BITS=64 the name is this one. */
WRAP(ssize_t, pread64, (int fd, void *buf, size_t n, off_t off)) {
    if (fails(FAULT_READ)) {
        errno = EIO;
        return -1;
    }
    return __real_pread64(fd, buf, fails(FAULT_SHORT) && n > 1 ? n / 2 : n, off);
}

WRAP(int, mdb_env_open, (MDB_env * env, const char *path, unsigned flags, mdb_mode_t mode)) {
    return fails(FAULT_LMDB) ? EIO : __real_mdb_env_open(env, path, flags, mode);
}

WRAP(int, mdb_txn_begin, (MDB_env * env, MDB_txn *parent, unsigned flags, MDB_txn **txn)) {
    return fails(FAULT_LMDB) ? ENOMEM : __real_mdb_txn_begin(env, parent, flags, txn);
}

WRAP(int, mdb_dbi_open, (MDB_txn * txn, const char *name, unsigned flags, MDB_dbi *dbi)) {
    return fails(FAULT_LMDB) ? ENOMEM : __real_mdb_dbi_open(txn, name, flags, dbi);
}

WRAP(int, mdb_get, (MDB_txn * txn, MDB_dbi dbi, MDB_val *k, MDB_val *v)) {
    return fails(FAULT_LMDB) ? MDB_CORRUPTED : __real_mdb_get(txn, dbi, k, v);
}

WRAP(int, mdb_put, (MDB_txn * txn, MDB_dbi dbi, MDB_val *k, MDB_val *v, unsigned flags)) {
    return fails(FAULT_LMDB) ? MDB_MAP_FULL : __real_mdb_put(txn, dbi, k, v, flags);
}

WRAP(int, mdb_txn_commit, (MDB_txn * txn)) {
    if (!fails(FAULT_LMDB))
        return __real_mdb_txn_commit(txn);
    mdb_txn_abort(txn);
    return ENOSPC;
}

WRAP(int, pthread_create,
     (pthread_t * t, const pthread_attr_t *attr, void *(*run)(void *), void *arg)) {
    return fails(FAULT_THREAD) ? EAGAIN : __real_pthread_create(t, attr, run, arg);
}

/* --- a run --- */

static const struct {
    const char *source, *spec;
    enum format format;
} views[] = {
    { "made.gguf", "q4_0", FORMAT_GGUF },
    { "good.safetensors", "f16", FORMAT_TORCH },
    { "tinylm", "q5_0", FORMAT_GGUF },
    { "tinylm", "q8_0", FORMAT_GGUF },
};
enum { VIEWS = sizeof views / sizeof *views, READ_MAX = 900 << 10 };

static struct {
    uint64_t size;
    size_t n;
    uint8_t bytes[READ_MAX];
} want[VIEWS];
static uint8_t got[READ_MAX];
static char dir[64];
static unsigned wrong;

static void complain(const char *what, const char *view, int rc, const char *msg) {
    if (wrong++ < 20)
        fprintf(stderr, "%s %u: %s: %s: %d, %s\n", kinds[kind].name, fail_at, view, what, rc, msg);
}

/* True: the call has done its work. */
static bool check(int rc, const struct err *err, const char *what, const char *view) {
    if (rc < 0 && rc != kinds[kind].allowed[0] && rc != kinds[kind].allowed[1])
        complain(what, view, rc, err->msg);
    if (rc < 0 && !err->msg[0])
        complain("no reason given", view, rc, what);
    return rc == 0;
}

static void read_view(struct engine *e, unsigned i) {
    struct spec spec;
    struct view *v;
    struct err err = { 0 };
    if (spec_parse(&spec, views[i].format, str_from(views[i].spec), &err) < 0)
        abort();
    if (!check(view_open(&v, e, views[i].source, &spec, &err), &err, "open", views[i].source))
        return;
    const size_t n = v->layout.size < READ_MAX ? v->layout.size : READ_MAX;
    if (kind == FAULT_NONE && want[i].n == 0) {
        want[i].size = v->layout.size;
        want[i].n = n;
        if (check(render_read(v, want[i].bytes, n, 0, &err), &err, "read", views[i].source) == 0)
            abort();
    }
    if (v->layout.size != want[i].size)
        complain("another size", views[i].source, 0, "");
    err = (struct err){ 0 };
    memset(got, 0xaa, n);
    if (check(render_read(v, got, n, 0, &err), &err, "read", views[i].source) &&
        memcmp(got, want[i].bytes, n) != 0)
        complain("other bytes", views[i].source, 0, "");
    (void)view_cached(v);
    view_unref(v);
}

static void run(enum fault f, unsigned at) {
    char src[80], cache[80];
    struct err err = { 0 };
    struct engine *e;
    snprintf(src, sizeof src, "%s/src", dir);
    snprintf(cache, sizeof cache, "%s/cache", dir);
    const struct engine_options o = { .cache_dir = cache, .cache_bytes = 64 << 20, .threads = 2 };
    calls = 0;
    fail_at = at;
    kind = f;
    const int rc = engine_open(&e, src, &o, &err);
    if (check(rc, &err, "engine", "")) {
        for (unsigned i = 0; i < VIEWS; i++)
            read_view(e, i);
        engine_close(e);
    }
}

/* Every second time on an empty cache: then it is filled, else asked. */
static void empty_cache(void) {
    char command[128];
    kind = FAULT_NONE;
    snprintf(command, sizeof command, "rm -rf %s/cache", dir);
    if (system(command) != 0)
        abort();
}

static void run_all(enum fault f) {
    unsigned runs = 0, last = 0;
    for (unsigned at = 1;; at += at < kinds[f].dense ? 1 : 1 + at / 16) {
        if (at % 2)
            empty_cache();
        run(f, at);
        last = calls;
        runs++;
        if (last < at && at % 2) /* it was never reached, and an empty cache needs most of them */
            break;
    }
    run(FAULT_NONE, 0);
    printf("%s: %u runs, %u calls\n", kinds[f].name, runs, last);
}

/* The folder as a GGUF, for a source of that kind. */
static void make_gguf(void) {
    char src[80], path[96];
    struct err err = { 0 };
    struct engine *e;
    struct view *v;
    struct spec spec;
    const struct engine_options o = { .cache_dir = "", .threads = 2 };
    snprintf(src, sizeof src, "%s/src", dir);
    snprintf(path, sizeof path, "%s/made.gguf", src);
    if (spec_parse(&spec, FORMAT_GGUF, STR("f16"), &err) < 0 ||
        engine_open(&e, src, &o, &err) < 0 || view_open(&v, e, "tinylm", &spec, &err) < 0)
        abort();
    uint8_t *all = malloc(v->layout.size);
    FILE *f = fopen(path, "w");
    if (!all || !f || render_read(v, all, v->layout.size, 0, &err) < 0 ||
        fwrite(all, 1, v->layout.size, f) != v->layout.size || fclose(f) != 0)
        abort();
    free(all);
    view_unref(v);
    engine_close(e);
}

int main(int argc, char **argv) {
    char command[512];
    snprintf(dir, sizeof dir, "/tmp/weightfs-faults.XXXXXX");
    if (argc < 2 || !mkdtemp(dir))
        return 2;
    log_open(LOG_LEVEL_ERROR, 0);
    snprintf(command, sizeof command,
             "mkdir %s/src && cp -r %s/bad/good.safetensors %s/models/tinylm %s/src", dir, argv[1],
             argv[1], dir);
    if (system(command) != 0)
        return 2;
    make_gguf();
    run(FAULT_NONE, 0);
    for (enum fault f = FAULT_MEMORY; f < FAULTS; f++)
        run_all(f);
    snprintf(command, sizeof command, "rm -rf %s", dir);
    if (system(command) != 0 || wrong)
        fprintf(stderr, "%u wrong\n", wrong);
    return wrong > 0;
}
