/* SPDX-License-Identifier: Apache-2.0
 * fs/main.c - the program: a verb of tools/, or a mount. */
#include "fs/mount_point.h"
#include "fs/mount_session.h"
#include "fs/options.h"
#include "tools/tools.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static enum exit_status fail(const struct err *err, enum exit_status status) {
    fprintf(stderr, "weightfs: %s\n", err->msg);
    return status;
}

/* The default place, unless the options say otherwise. */
static const char *cache_place(const struct options *o, char buf[PATH_MAX]) {
    if (o->cache)
        return o->cache;
    return engine_default_cache(buf, PATH_MAX) ? buf : NULL;
}

static enum exit_status mount_main(struct options *o) {
    char mnt[PATH_MAX], cache[PATH_MAX];
    struct err err = { 0 };
    struct daemon daemon;
    enum exit_status status;
    char *src = realpath(o->src, NULL);
    if (!src) {
        const bool word = errno == ENOENT && !strchr(o->src, '/');
        err_set(&err, -errno, "%s: %s%s", o->src, strerror(errno),
                word ? ", nor such a command" : "");
        return fail(&err, STATUS_MOUNT);
    }
    o->src = src; /* the daemon leaves the folder it was started in */
    if (mount_point_prepare(o->mnt, mnt, &err) < 0 ||
        mount_point_check(mnt, src, cache_place(o, cache), &err) < 0) {
        status = fail(&err, STATUS_MOUNT);
    } else if (daemon_begin(&daemon, o->foreground, &status)) {
        if (chdir("/") < 0)
            perror("weightfs: /");
        status = mount_run(o, mnt, &daemon);
    }
    free(src);
    return status;
}

int main(int argc, char **argv) {
    const struct tool *tool = argc > 1 ? tool_find(argv[1]) : NULL;
    struct options o;
    enum exit_status status;
    if (tool)
        return tool->run(argc - 1, argv + 1);
    if (options_parse(&o, argc, argv, &status))
        status = mount_main(&o);
    options_fini(&o);
    return (int)status;
}
