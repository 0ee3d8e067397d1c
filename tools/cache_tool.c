/* SPDX-License-Identifier: Apache-2.0
 * tools/cache_tool.c - `weightfs cache`: look at the cache, check it, empty it. */
#include "fs/cache.h"
#include "fs/engine.h"
#include "tools/progress.h"
#include "tools/text.h"
#include "tools/verbs.h"
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

static const char help[] =
    "usage: weightfs cache stat|verify|clear [--cache DIR] [--json]\n"
    "\n"
    "  stat     how much there is of what\n"
    "  verify   check every value; damaged ones are removed, and made again when they are read\n"
    "  clear    remove everything; mounts that use the cache go on, and fill it again\n"
    "\n"
    "      --cache DIR   default: /var/cache/weightfs for root, else $XDG_CACHE_HOME/weightfs or\n"
    "                    ~/.cache/weightfs\n"
    "      --json        stat and verify: for scripts\n"
    "\n"
    "Exit status: 0 done, 1 wrong usage, 2 failed, or verify found damage.\n";

static const struct option options[] = {
    { "cache", required_argument, NULL, 'c' },
    { "json", no_argument, NULL, 'j' },
    { "help", no_argument, NULL, 'h' },
    { 0 },
};

static int print_stat(struct cache *c, const char *dir, bool json) {
    struct cache_stat st;
    char used[TEXT_SIZE], map[TEXT_SIZE];
    cache_stat(c, &st);
    if (json) {
        fputs("{\"path\": ", stdout);
        text_json(stdout, str_from(dir));
        printf(
            ", \"limit_bytes\": %llu, \"used_bytes\": %llu, \"chunks\": %llu, \"facts\": %llu}\n",
            (unsigned long long)st.map_bytes, (unsigned long long)st.used_bytes,
            (unsigned long long)st.chunks, (unsigned long long)st.facts);
        return TOOL_OK;
    }
    printf("%s: %s of at most %s; %llu chunks, %llu facts\n", dir, text_bytes(st.used_bytes, used),
           text_bytes(st.map_bytes, map), (unsigned long long)st.chunks,
           (unsigned long long)st.facts);
    return TOOL_OK;
}

static void verify_progress(uint64_t done, uint64_t all, void *user) {
    struct progress *p = user;
    p->all = all * CHUNK_VALUE;
    progress_step(p, done * CHUNK_VALUE);
}

static int verify(struct cache *c, const char *dir, bool json) {
    struct progress p;
    struct cache_stat st;
    struct err err = { 0 };
    cache_stat(c, &st);
    progress_init(&p, dir, st.chunks * CHUNK_VALUE, json);
    const int64_t bad = cache_verify(c, verify_progress, &p);
    progress_fini(&p, st.chunks * CHUNK_VALUE);
    if (bad < 0) {
        err_set(&err, (int)bad, "%s: %s", dir, strerror((int)-bad));
        return text_fail("cache", &err);
    }
    if (json)
        printf("{\"checked\": %llu, \"damaged\": %lld}\n", (unsigned long long)st.chunks,
               (long long)bad);
    else
        printf("%s: %llu chunks checked, %lld damaged and removed\n", dir,
               (unsigned long long)st.chunks, (long long)bad);
    return bad ? TOOL_FAILED : TOOL_OK;
}

static int run(const char *what, const char *dir, bool json) {
    struct cache *c = NULL;
    struct err err = { 0 };
    if (access(dir, F_OK) < 0) {
        err_set(&err, -errno, "there is no cache at %s (--cache names another)", dir);
        return text_fail("cache", &err);
    }
    if (cache_open(&c, dir, 0, &err) < 0)
        return text_fail("cache", &err);
    int rc;
    if (strcmp(what, "stat") == 0)
        rc = print_stat(c, dir, json);
    else if (strcmp(what, "verify") == 0)
        rc = verify(c, dir, json);
    else
        rc = cache_clear(c, &err) < 0 ? text_fail("cache", &err) : TOOL_OK;
    cache_close(c);
    return rc;
}

int tool_cache(int argc, char **argv) {
    char place[PATH_MAX];
    const char *dir = NULL;
    bool json = false;
    int opt;
    opterr = 0;
    while ((opt = getopt_long(argc, argv, "h", options, NULL)) != -1) {
        if (opt == 'c')
            dir = optarg;
        else if (opt == 'j')
            json = true;
        else if (opt == 'h')
            return fputs(help, stdout), TOOL_OK;
        else
            return text_option("cache", argv);
    }
    const char *what = argc - optind == 1 ? argv[optind] : "";
    if (strcmp(what, "stat") && strcmp(what, "verify") && strcmp(what, "clear"))
        return text_usage("cache", "stat, verify or clear?");
    if (!dir && !engine_default_cache(place, sizeof place))
        return text_usage("cache", "neither XDG_CACHE_HOME nor HOME is set: name it by --cache");
    return run(what, dir ? dir : place, json);
}
