/* SPDX-License-Identifier: Apache-2.0
 * tools/warm.c - `weightfs warm`: convert views now, so that whoever reads them later does not
 * wait. A path in a mount is read through it; a path without one goes to the cache directly. */
#include "formats/cleanup.h"
#include "fs/cache.h"
#include "fs/gpu_batch.h"
#include "tools/place.h"
#include "tools/progress.h"
#include "tools/pump.h"
#include "tools/text.h"
#include "tools/verbs.h"
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <pthread.h>
#include <string.h>
#include <sys/stat.h>

static const char help[] =
    "usage: weightfs warm [OPTION...] PATH...\n"
    "\n"
    "Convert views and keep what comes of it in the cache. A PATH is a view in a mount, or\n"
    "DIR/NAME.FORMAT@TYPE without one: then it is the cache of a later mount that is filled.\n"
    "\n"
    "  -q, --quiet        no progress\n"
    "      --cache DIR    the cache of views without a mount (default: as the mount's)\n"
    "      --threads N    that convert, or read from a mount (default: one a core)\n"
    "      --gpu WHICH    auto, off, or the number of a CUDA device (default: auto)\n"
    "      --requantize   make a quantized type from a quantized source\n"
    "\n"
    "Exit status: 0 all are warm, 1 wrong usage, 2 some failed (each with a line on stderr).\n";

enum { OPT_CACHE = 256, OPT_THREADS, OPT_GPU, OPT_REQUANTIZE, PIECE = 1 << 20, READERS = 8 };
static const struct option options[] = {
    { "quiet", no_argument, NULL, 'q' },
    { "help", no_argument, NULL, 'h' },
    { "cache", required_argument, NULL, OPT_CACHE },
    { "threads", required_argument, NULL, OPT_THREADS },
    { "gpu", required_argument, NULL, OPT_GPU },
    { "requantize", no_argument, NULL, OPT_REQUANTIZE },
    { 0 },
};

struct warm {
    struct engine_options engine;
    bool quiet;
};

/* One file of a mount, read by several threads. */
struct file {
    int fd;
    uint64_t size;
    _Atomic uint64_t next, done; /* bytes handed out; read */
    _Atomic int rc;
};

static void *file_read(void *arg) {
    struct file *f = arg;
    auto_free char *buf = malloc(PIECE);
    if (!buf)
        f->rc = -ENOMEM;
    for (uint64_t off; f->rc == 0 && (off = atomic_fetch_add(&f->next, PIECE)) < f->size;) {
        const ssize_t n = pread(f->fd, buf, PIECE, (off_t)off);
        if (n < 0)
            f->rc = -errno;
        else
            f->done += (uint64_t)n;
    }
    return NULL;
}

static int warm_mounted(struct warm *w, const char *path, uint64_t size, struct err *err) {
    auto_close int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return err_set(err, -errno, "%s: %s", path, strerror(errno));
    struct file f = { .fd = fd, .size = size };
    struct progress progress;
    pthread_t thread[READERS];
    unsigned n = 0;
    progress_init(&progress, path, size, w->quiet);
    const unsigned want =
        w->engine.threads && w->engine.threads < READERS ? w->engine.threads : READERS;
    while (n < want && pthread_create(&thread[n], NULL, file_read, &f) == 0)
        n++;
    if (n == 0)
        return err_set(err, -EAGAIN, "no threads");
    while (f.rc == 0 && f.done < size && f.next < size) {
        progress_step(&progress, f.done);
        usleep(20000);
    }
    while (n > 0)
        pthread_join(thread[--n], NULL);
    progress_fini(&progress, f.done);
    return f.rc ? err_set(err, f.rc, "%s: %s", path, strerror(-f.rc)) : 0;
}

struct count {
    struct progress *progress;
    uint64_t done;
};

static int count_bytes(void *user, const void *bytes, size_t n, struct err *err) {
    struct count *c = user;
    (void)bytes;
    (void)err;
    c->done += n;
    progress_step(c->progress, c->done);
    return 0;
}

static int warm_view(struct warm *w, const char *path, struct err *err) {
    struct place p;
    struct view *v = NULL;
    struct progress progress;
    struct count count = { &progress, 0 };
    int rc = place_open(&p, path, &w->engine, err);
    if (rc < 0)
        return rc;
    if (!p.engine->cache)
        rc = err_set(err, -EIO, "there is no cache to fill");
    if (rc == 0)
        rc = place_view(&v, &p, &p.spec, err);
    if (rc == 0) {
        progress_init(&progress, path, v->info.size, w->quiet);
        rc = pump_run(v, 0, v->info.size, count_bytes, &count, err);
        progress_fini(&progress, count.done);
    }
    view_unref(v);
    place_close(&p); /* writes what is still queued for the cache */
    return rc;
}

static int warm_path(struct warm *w, const char *path, struct err *err) {
    struct stat st;
    if (stat(path, &st) < 0)
        return warm_view(w, path, err);
    if (S_ISREG(st.st_mode))
        return warm_mounted(w, path, (uint64_t)st.st_size, err);
    return err_set(err, -EISDIR, "%s is no file; name the views that are wanted", path);
}

static int parse(struct warm *w, int argc, char **argv) {
    int opt;
    *w = (struct warm){ 0 };
    opterr = 0;
    while ((opt = getopt_long(argc, argv, "qh", options, NULL)) != -1) {
        switch (opt) {
        case 'q':
            w->quiet = true;
            break;
        case 'h':
            fputs(help, stdout);
            return -1;
        case OPT_CACHE:
            w->engine.cache_dir = optarg;
            break;
        case OPT_THREADS:
            if (!text_parse_threads(optarg, &w->engine.threads))
                return text_usage("warm", "--threads wants a number, not %s", optarg);
            break;
        case OPT_GPU:
            if (!gpu_batch_parse(optarg, &w->engine.gpu))
                return text_usage("warm", "--gpu wants auto, off or a number, not %s", optarg);
            break;
        case OPT_REQUANTIZE:
            w->engine.requantize = true;
            break;
        default:
            return text_option("warm", argv);
        }
    }
    return optind < argc ? TOOL_OK : text_usage("warm", "which views?");
}

int tool_warm(int argc, char **argv) {
    struct warm w;
    int rc = parse(&w, argc, argv);
    if (rc)
        return rc < 0 ? TOOL_OK : rc;
    rc = TOOL_OK;
    for (int i = optind; i < argc; i++) {
        struct err err = { 0 };
        if (warm_path(&w, argv[i], &err) < 0)
            rc = text_fail("warm", &err);
    }
    return rc;
}
