/* SPDX-License-Identifier: Apache-2.0
 * fs/mount_session.c - builds what a mount needs, runs libfuse's loop, takes it down again. */
#include "fs/mount_session.h"
#include "fs/dir.h"
#include "fs/foresee.h"
#include "fs/mount_buffer.h"
#include "fs/mount_file.h"
#include "fs/mount_point.h"
#include "fs/ops.h"
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

enum {
    LOOP_THREADS = 16,   /* at the most; they do not convert, but may wait for the disk */
    READAHEAD_KIB = 2048 /* two read requests: see mount_point.h */
};

static int open_parts(struct mount *m, struct err *err) {
    struct stat st;
    int rc = engine_open(&m->engine, m->o->src, &m->o->engine, err);
    if (rc == 0)
        rc = names_new(&m->names, m->engine->root, &m->o->names, err);
    if (rc == 0 && (rc = root_stat(m->engine->root, "", &st)) < 0)
        err_set(err, rc, "%s: %s", m->o->src, strerror(-rc));
    if (rc < 0)
        return rc;
    m->src_dev = st.st_dev;
    m->pool = pool_new();
    m->dirs = dirs_new();
    m->foresight = foresight_new();
    if (!m->pool || !m->dirs || !m->foresight || nodes_new(&m->nodes, m) < 0 ||
        files_new(&m->files) < 0)
        return err_set(err, -ENOMEM, "no memory");
    return 0;
}

/* The engine's threads leave the signals to the one that runs the loop. */
static int open_mount(struct mount *m, struct err *err) {
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &before);
    clock_gettime(CLOCK_MONOTONIC, &m->started);
    const int rc = open_parts(m, err);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return rc;
}

static void close_mount(struct mount *m) {
    engine_stop(m->engine); /* its jobs use all of the rest */
    dirs_free(m->dirs);
    files_free(m->files);
    nodes_free(m->nodes);
    names_free(m->names);
    foresight_free(m->foresight);
    engine_close(m->engine);
    pool_free(m->pool);
}

static void log_fuse(enum fuse_log_level level, const char *fmt, va_list ap) {
    char line[512];
    const int n = vsnprintf(line, sizeof line, fmt, ap);
    if (n > 0 && n < (int)sizeof line && line[n - 1] == '\n')
        line[n - 1] = 0;
    log_line(level <= FUSE_LOG_ERR       ? LOG_LEVEL_ERROR
             : level <= FUSE_LOG_WARNING ? LOG_LEVEL_WARNING
             : level <= FUSE_LOG_INFO    ? LOG_LEVEL_INFO
                                         : LOG_LEVEL_DEBUG,
             "%s", line);
}

/* default_permissions always: the kernel checks modes, or with allow_other what root may read
 * would be everybody's. */
static bool add_options(const struct mount *m, struct fuse_args *args) {
    char *list = NULL, name[PATH_MAX + 16];
    bool ok = fuse_opt_add_opt(&list, "ro,nosuid,nodev,default_permissions,max_read=1048576,"
                                      "subtype=weightfs") == 0;
    snprintf(name, sizeof name, "fsname=%s", root_path(m->engine->root));
    ok = ok && fuse_opt_add_opt_escaped(&list, name) == 0;
    const struct {
        bool on;
        const char *option;
    } flags[] = {
        { m->o->allow_other, "allow_other" },
        { m->o->allow_root, "allow_root" },
        { m->o->auto_unmount, "auto_unmount" },
        { m->o->noexec, "noexec" },
        { m->o->debug, "debug" },
    };
    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++)
        ok = ok && (!flags[i].on || fuse_opt_add_opt(&list, flags[i].option) == 0);
    ok = ok && fuse_opt_add_arg(args, "weightfs") == 0 && fuse_opt_add_arg(args, "-o") == 0 &&
         fuse_opt_add_arg(args, list) == 0;
    free(list);
    return ok;
}

static struct fuse_session *new_session(struct mount *m) {
    struct fuse_args args = FUSE_ARGS_INIT(0, NULL);
    fuse_set_log_func(log_fuse);
    struct fuse_session *se =
        add_options(m, &args) ? fuse_session_new(&args, &mount_ops, sizeof mount_ops, m) : NULL;
    fuse_opt_free_args(&args);
    return se;
}

struct opening {
    const struct options *o;
    const char *mnt;
    struct daemon *d;
};

/* In a thread of its own, beside the loop that answers it: the first stat returns when the mount
 * works, and only then does the kernel let readahead be raised (its INIT lowers it again). */
static void *announce(void *user) {
    const struct opening *p = user;
    struct stat st;
    if (stat(p->mnt, &st) < 0)
        return NULL;
    mount_point_readahead(p->mnt, READAHEAD_KIB);
    daemon_ready(p->d, p->o->log);
    return NULL;
}

static int run_loop(struct mount *m) {
    struct fuse_loop_config *config = fuse_loop_cfg_create();
    if (!config)
        return -ENOMEM;
    fuse_loop_cfg_set_max_threads(config, LOOP_THREADS);
    fuse_loop_cfg_set_idle_threads(config, LOOP_THREADS);
    const int rc = fuse_session_loop_mt(m->session, config);
    fuse_loop_cfg_destroy(config);
    return rc; /* > 0: a signal */
}

static enum exit_status serve(struct mount *m, const char *mnt, struct daemon *d) {
    struct opening opening = { m->o, mnt, d };
    pthread_t thread;
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &before);
    const int rc = pthread_create(&thread, NULL, announce, &opening);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (rc != 0) {
        log_error("no thread: %s", strerror(rc));
        return STATUS_SYSTEM;
    }
    const int ended = run_loop(m);
    daemon_stopping();
    files_quiesce(m->files); /* replies after the unmount would go to a descriptor of others */
    fuse_session_unmount(m->session);
    pthread_join(thread, NULL);
    if (ended < 0)
        log_error("%s: the mount has broken: %s", mnt, strerror(-ended));
    return ended < 0 ? STATUS_SYSTEM : STATUS_OK;
}

static enum exit_status run_session(struct mount *m, const char *mnt, struct daemon *d) {
    enum exit_status status = STATUS_SYSTEM;
    m->session = new_session(m);
    if (!m->session) {
        log_error("%s: no session with the kernel", mnt);
        return STATUS_MOUNT;
    }
    if (fuse_set_signal_handlers(m->session) == 0) {
        if (fuse_session_mount(m->session, mnt) == 0)
            status = serve(m, mnt, d);
        else
            status = STATUS_MOUNT;
        fuse_remove_signal_handlers(m->session);
    }
    if (status == STATUS_MOUNT)
        log_error("%s: cannot be mounted on", mnt);
    fuse_session_destroy(m->session);
    return status;
}

/* One descriptor an open file of SRC. */
static void raise_limits(void) {
    struct rlimit r;
    if (getrlimit(RLIMIT_NOFILE, &r) < 0)
        return;
    r.rlim_cur = r.rlim_max;
    setrlimit(RLIMIT_NOFILE, &r);
}

enum exit_status mount_run(const struct options *o, const char *mnt, struct daemon *d) {
    struct mount m = { .o = o };
    struct err err = { 0 };
    enum exit_status status = STATUS_SYSTEM;
    raise_limits();
    log_open(o->log, 0); /* to stderr, until who called has gone */
    const int rc = open_mount(&m, &err);
    if (rc == 0)
        status = run_session(&m, mnt, d);
    else
        log_error("%s", err.msg);
    if (rc < 0 && rc != -ENOMEM) /* it is SRC that will not do */
        status = STATUS_MOUNT;
    close_mount(&m);
    return status;
}
