/* SPDX-License-Identifier: Apache-2.0
 * fs/cache_env.c - opening the cache's environment: who else uses it, whether the last one left it
 * whole, how large it may get. docs/cache.md. */
#include "fs/cache_env.h"
#include "formats/cleanup.h"
#include "fs/log.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>

enum { MAX_READERS = 512, WALK_TIMEOUT_S = 20, MIN_MAP_BYTES = 16 << 20 };
static const uint64_t DEFAULT_MAX_BYTES = 20ull << 30;
static const char *const DB_NAMES[DB_COUNT] = { "chunks-2", "used-2", "stamps-2", "facts-1" };
static const char *const OLD_DB_NAMES[] = { "chunks-1", "used-1", "stamps-1" };
enum { OLD_DBS = sizeof OLD_DB_NAMES / sizeof *OLD_DB_NAMES };

static int lmdb_error(struct err *err, int rc, const char *what, const char *dir) {
    const int code = rc > 0 ? -rc : -EIO; /* LMDB's own codes are negative */
    return err_set(err, code, "cache %s: %s: %s", dir, what, mdb_strerror(rc));
}

/* --- who uses it: each process holds a lock on a file of its own --- */

static int boot_id(char out[40]) {
    auto_close int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
    const ssize_t n = fd < 0 ? -1 : read(fd, out, 36);
    out[n < 0 ? 0 : n] = 0;
    return n == 36 ? 0 : -EIO;
}

enum left { LEFT_NOTHING, LEFT_BY_KILL, LEFT_BY_CRASH };

/* What one mark says; a mark whose owner is dead is removed. *others: somebody is alive. */
static enum left read_mark(int dirfd, const char *name, const char *boot, bool *others) {
    auto_close int fd = openat(dirfd, name, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return LEFT_NOTHING;
    if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
        *others = true;
        return LEFT_NOTHING;
    }
    char then[40] = "";
    const ssize_t n = read(fd, then, 36);
    unlinkat(dirfd, name, 0);
    return n == 36 && strcmp(then, boot) == 0 ? LEFT_BY_KILL : LEFT_BY_CRASH;
}

static enum left read_marks(const char *dir, const char *boot, bool *others) {
    enum left worst = LEFT_NOTHING;
    DIR *d = opendir(dir);
    if (!d)
        return worst;
    for (struct dirent *e; (e = readdir(d));) {
        if (strncmp(e->d_name, "in-use.", 7) != 0)
            continue;
        const enum left l = read_mark(dirfd(d), e->d_name, boot, others);
        if (l > worst)
            worst = l;
    }
    closedir(d);
    return worst;
}

static int set_mark(struct cache *c, const char *boot, struct err *err) {
    char path[PATH_MAX];
    static _Atomic unsigned serial; /* one process may open a cache twice */
    snprintf(c->mark, sizeof c->mark, "in-use.%d.%u", (int)getpid(), serial++);
    snprintf(path, sizeof path, "%s/%s", c->dir, c->mark);
    c->mark_fd = open(path, O_CREAT | O_RDWR | O_CLOEXEC | O_TRUNC | O_NOFOLLOW, 0600);
    if (c->mark_fd < 0 || flock(c->mark_fd, LOCK_EX | LOCK_NB) < 0 ||
        write(c->mark_fd, boot, 36) != 36)
        return err_set(err, -errno, "cache %s: cannot be written: %s", c->dir, strerror(errno));
    return 0;
}

static void remove_mark(struct cache *c) {
    if (c->mark_fd < 0)
        return;
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/%s", c->dir, c->mark);
    unlink(path);
    close(c->mark_fd);
    c->mark_fd = -1;
}

/* --- is it whole --- */

static void wipe(const char *dir) {
    static const char *const files[] = { "data.mdb", "lock.mdb" };
    char path[PATH_MAX];
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        snprintf(path, sizeof path, "%s/%s", dir, files[i]);
        unlink(path);
    }
}

/* A file that is shorter than its last page would be a SIGBUS at the first read. */
static bool long_enough(MDB_env *env, const char *dir) {
    char path[PATH_MAX];
    struct stat st;
    MDB_envinfo info;
    MDB_stat ms;
    snprintf(path, sizeof path, "%s/data.mdb", dir);
    if (stat(path, &st) < 0 || mdb_env_info(env, &info) || mdb_env_stat(env, &ms))
        return false;
    return (uint64_t)st.st_size >= (uint64_t)(info.me_last_pgno + 1) * ms.ms_psize;
}

/* Visit every key of every database; what is damaged makes LMDB fail or crash. */
static bool walk_all(const char *dir) {
    MDB_env *env;
    MDB_txn *txn;
    if (mdb_env_create(&env) || mdb_env_set_maxdbs(env, DB_COUNT) ||
        mdb_env_open(env, dir, MDB_RDONLY | MDB_NOTLS, 0600) || !long_enough(env, dir) ||
        mdb_txn_begin(env, NULL, MDB_RDONLY, &txn))
        return false;
    for (int i = 0; i < DB_COUNT; i++) {
        MDB_dbi dbi;
        MDB_cursor *cur;
        MDB_val k, v;
        int rc = mdb_dbi_open(txn, DB_NAMES[i], 0, &dbi);
        if (rc == MDB_NOTFOUND)
            continue;
        if (rc || mdb_cursor_open(txn, dbi, &cur))
            return false;
        while ((rc = mdb_cursor_get(cur, &k, &v, MDB_NEXT)) == 0)
            ;
        if (rc != MDB_NOTFOUND)
            return false;
    }
    return true; /* the process ends: nothing needs to be closed */
}

static bool survives_walk(const char *dir) {
    const pid_t pid = fork();
    if (pid < 0)
        return false;
    if (pid == 0) {
        signal(SIGSEGV, SIG_DFL);
        signal(SIGBUS, SIG_DFL);
        alarm(WALK_TIMEOUT_S);
        _exit(walk_all(dir) ? 0 : 1);
    }
    int status;
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return false;
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static void check_last_owner(struct cache *c, const char *boot) {
    bool others = false;
    const enum left left = read_marks(c->dir, boot, &others);
    char data[PATH_MAX];
    snprintf(data, sizeof data, "%s/data.mdb", c->dir);
    if (others || left == LEFT_NOTHING || access(data, F_OK) < 0)
        return;
    if (left == LEFT_BY_CRASH)
        log_warning("cache %s: the machine went down while it was in use; it starts empty", c->dir);
    else if (!survives_walk(c->dir))
        log_warning("cache %s: damaged; it starts empty", c->dir);
    else
        return;
    wipe(c->dir);
}

/* --- opening --- */

static int make_dirs(const char *dir, struct err *err) {
    char path[PATH_MAX];
    if (snprintf(path, sizeof path, "%s", dir) >= (int)sizeof path - 64)
        return err_set(err, -ENAMETOOLONG, "cache %s: the name is too long", dir);
    for (char *p = path + 1;; p++) {
        if (*p && *p != '/')
            continue;
        const char end = *p;
        *p = 0;
        if (mkdir(path, 0700) < 0 && errno != EEXIST)
            return err_set(err, -errno, "cache %s: %s", path, strerror(errno));
        *p = end;
        if (!end)
            return 0;
    }
}

static uint64_t default_size(const char *dir) {
    struct statvfs vfs;
    char data[PATH_MAX];
    struct stat st;
    if (statvfs(dir, &vfs) < 0)
        return MIN_MAP_BYTES;
    snprintf(data, sizeof data, "%s/data.mdb", dir); /* what it has already counts as free */
    const uint64_t own = stat(data, &st) == 0 ? (uint64_t)st.st_blocks * 512 : 0;
    const uint64_t fifth = ((uint64_t)vfs.f_bavail * vfs.f_frsize + own) / 5;
    const uint64_t size = fifth < DEFAULT_MAX_BYTES ? fifth : DEFAULT_MAX_BYTES;
    return size & ~(uint64_t)0xffff;
}

/* What an earlier revision kept in another way: nobody finds it any more. */
static int drop_db(MDB_txn *txn, const char *name) {
    MDB_dbi dbi;
    const int rc = mdb_dbi_open(txn, name, 0, &dbi);
    return rc == MDB_NOTFOUND ? 0 : rc ? rc : mdb_drop(txn, dbi, 1);
}

static int open_env(struct cache *c, uint64_t bytes) {
    MDB_txn *txn;
    int rc = mdb_env_create(&c->env);
    if (!rc)
        rc = mdb_env_set_maxdbs(c->env, DB_COUNT + OLD_DBS);
    if (!rc)
        rc = mdb_env_set_maxreaders(c->env, MAX_READERS);
    if (!rc)
        rc = mdb_env_set_mapsize(c->env, bytes);
    /* NOSYNC: a crash of the machine empties the cache anyway, one of the process loses nothing.
     * No WRITEMAP: a full disk would be a SIGBUS. */
    if (!rc)
        rc = mdb_env_open(c->env, c->dir, MDB_NOTLS | MDB_NOSYNC | MDB_NOMETASYNC, 0600);
    if (!rc && !long_enough(c->env, c->dir))
        rc = MDB_CORRUPTED;
    if (!rc)
        rc = mdb_txn_begin(c->env, NULL, 0, &txn);
    if (rc)
        return rc;
    for (int i = 0; i < DB_COUNT && !rc; i++)
        rc = mdb_dbi_open(txn, DB_NAMES[i], MDB_CREATE, &c->db[i]);
    for (int i = 0; i < OLD_DBS && !rc; i++)
        rc = drop_db(txn, OLD_DB_NAMES[i]);
    if (rc) {
        mdb_txn_abort(txn);
        return rc;
    }
    return mdb_txn_commit(txn);
}

static int open_or_renew(struct cache *c, uint64_t bytes) {
    int rc = open_env(c, bytes);
    if (rc != MDB_CORRUPTED && rc != MDB_INVALID && rc != MDB_VERSION_MISMATCH &&
        rc != MDB_PAGE_NOTFOUND)
        return rc;
    log_warning("cache %s: damaged (%s); it starts empty", c->dir, mdb_strerror(rc));
    mdb_env_close(c->env);
    c->env = NULL;
    wipe(c->dir);
    return open_env(c, bytes);
}

static int prepare(struct cache *c, uint64_t bytes, struct err *err) {
    char path[PATH_MAX], boot[40];
    int rc = make_dirs(c->dir, err);
    if (rc < 0)
        return rc;
    boot_id(boot);
    snprintf(path, sizeof path, "%s/opening", c->dir);
    auto_close int turn = open(path, O_CREAT | O_RDWR | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (turn < 0 || flock(turn, LOCK_EX) < 0) /* one at a time looks and repairs */
        return err_set(err, -errno, "cache %s: %s", c->dir, strerror(errno));
    check_last_owner(c, boot);
    rc = set_mark(c, boot, err);
    if (rc < 0)
        return rc;
    if (bytes == 0)
        bytes = default_size(c->dir);
    c->map_bytes = bytes < MIN_MAP_BYTES ? MIN_MAP_BYTES : bytes & ~(uint64_t)0xffff;
    const uint64_t part = c->map_bytes / CHUNK_VALUE / 16;
    c->batch_max = part < BATCH_MAX ? (unsigned)part : BATCH_MAX;
    rc = open_or_renew(c, c->map_bytes);
    return rc ? lmdb_error(err, rc, "cannot be opened", c->dir) : 0;
}

int cache_open(struct cache **out, const char *dir, uint64_t bytes, struct err *err) {
    struct cache *c = calloc(1, sizeof *c);
    if (!c)
        return err_set(err, -ENOMEM, "no memory");
    c->mark_fd = -1;
    pthread_rwlock_init(&c->map_lock, NULL);
    pthread_mutex_init(&c->lock, NULL);
    pthread_cond_init(&c->work, NULL);
    pthread_cond_init(&c->room, NULL);
    c->dir = strdup(dir);
    c->batch = calloc(1, sizeof *c->batch);
    int rc = c->dir && c->batch ? prepare(c, bytes, err) : err_set(err, -ENOMEM, "no memory");
    if (rc == 0) {
        sigset_t all, old; /* signals are for the session's threads */
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &old);
        c->writer_runs = pthread_create(&c->writer, NULL, cache_writer, c) == 0;
        pthread_sigmask(SIG_SETMASK, &old, NULL);
        if (!c->writer_runs)
            rc = err_set(err, -EAGAIN, "cache %s: no thread for its writer", dir);
    }
    if (rc < 0)
        cache_close(c);
    else
        *out = c;
    return rc;
}

void cache_close(struct cache *c) {
    if (!c)
        return;
    if (c->writer_runs) {
        pthread_mutex_lock(&c->lock);
        c->stop = true;
        pthread_cond_signal(&c->work);
        pthread_mutex_unlock(&c->lock);
        pthread_join(c->writer, NULL);
    }
    if (c->env) {
        mdb_env_sync(c->env, 1); /* what a clean mark promises */
        mdb_env_close(c->env);
    }
    remove_mark(c);
    pthread_rwlock_destroy(&c->map_lock);
    pthread_mutex_destroy(&c->lock);
    pthread_cond_destroy(&c->work);
    pthread_cond_destroy(&c->room);
    free(c->batch);
    free(c->dir);
    free(c);
}

/* --- transactions --- */

/* Another process may have made the map larger; then no transaction of ours may be open. */
static void adopt_map(struct cache *c) {
    pthread_rwlock_wrlock(&c->map_lock);
    mdb_env_set_mapsize(c->env, 0);
    pthread_rwlock_unlock(&c->map_lock);
}

int cache_begin(struct cache *c, unsigned flags, MDB_txn **txn) {
    for (int attempt = 0;; attempt++) {
        pthread_rwlock_rdlock(&c->map_lock);
        int rc = mdb_txn_begin(c->env, NULL, flags, txn);
        if (rc == 0)
            return 0;
        pthread_rwlock_unlock(&c->map_lock);
        if (rc != MDB_MAP_RESIZED || attempt > 3)
            return rc;
        adopt_map(c);
    }
}

void cache_end(struct cache *c, MDB_txn *txn) {
    mdb_txn_abort(txn);
    pthread_rwlock_unlock(&c->map_lock);
}

int cache_commit(struct cache *c, MDB_txn *txn) {
    int rc = mdb_txn_commit(txn);
    pthread_rwlock_unlock(&c->map_lock);
    return rc;
}

uint64_t cache_pages_used(struct cache *c, MDB_txn *txn) {
    uint64_t bytes = 0;
    for (int i = 0; i < DB_COUNT; i++) {
        MDB_stat st;
        if (mdb_stat(txn, c->db[i], &st) == 0)
            bytes += (st.ms_branch_pages + st.ms_leaf_pages + st.ms_overflow_pages) *
                     (uint64_t)st.ms_psize;
    }
    return bytes;
}
