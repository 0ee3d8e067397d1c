/* SPDX-License-Identifier: Apache-2.0
 * tests/view_cat.c - SRC PATH FORMAT@SPEC writes that view to stdout, by way of the engine but
 * without a mount or a cache. A view that cannot be made: "ERRNO MESSAGE" on stderr, exit 1.
 * --many SRC and pairs PATH FORMAT@SPEC: one behind the other, each after a line with its size; of
 * those that cannot be made only the line, "0 ERRNO MESSAGE". */
#include "fs/engine.h"
#include "fs/render.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PIECE = 4 << 20 };

static int cat(struct view *v, struct err *err) {
    uint8_t *buf = malloc(PIECE);
    int ret = buf ? 0 : -1;
    for (uint64_t off = 0; ret == 0 && off < v->info.size; off += PIECE) {
        size_t n = v->info.size - off < PIECE ? (size_t)(v->info.size - off) : PIECE;
        ret = render_read(v, buf, n, off, err);
        if (ret == 0 && fwrite(buf, 1, n, stdout) != n)
            ret = -1;
    }
    free(buf);
    return ret;
}

/* @what: FORMAT@SPEC. */
static int open_view(struct view **out, struct engine *e, const char *path, const char *what,
                     struct err *err) {
    const char *at = strchr(what, '@');
    enum format format = FORMAT_SAFETENSORS;
    struct spec spec;
    for (enum format f = FORMAT_NONE + 1; f < FORMAT_COUNT; f++)
        if (strlen(format_name(f)) == (size_t)(at - what) &&
            !memcmp(format_name(f), what, (size_t)(at - what)))
            format = f;
    const int ret = spec_parse(&spec, format, str_from(at + 1), err);
    return ret < 0 ? ret : view_open(out, e, path, &spec, err);
}

static int cat_one(struct engine *e, char **pair, struct err *err) {
    struct view *v = NULL;
    int ret = open_view(&v, e, pair[0], pair[1], err);
    if (ret == 0)
        ret = cat(v, err);
    view_unref(v);
    return ret;
}

/* A view that fails half way ends the output there. */
static int cat_many(struct engine *e, char **pairs, int n, struct err *err) {
    int ret = 0;
    for (int i = 0; ret == 0 && i < n; i++) {
        struct view *v = NULL;
        struct err why = { 0 };
        const int rc = open_view(&v, e, pairs[2 * i], pairs[2 * i + 1], &why);
        if (rc < 0)
            printf("0 %s %s\n", strerrorname_np(-rc), why.msg);
        else
            printf("%llu\n", (unsigned long long)v->info.size);
        if (rc == 0)
            ret = cat(v, err);
        view_unref(v);
    }
    return ret;
}

int main(int argc, char **argv) {
    const struct engine_options options = { .cache_dir = "" };
    struct err err = { 0 };
    struct engine *e = NULL;
    const bool many = argc > 1 && strcmp(argv[1], "--many") == 0;
    char **args = argv + 1 + many;
    const int n = argc - 1 - many;
    bool usable = n % 2 == 1 && (many ? n >= 3 : n == 3);
    for (int i = 2; usable && i < n; i += 2)
        usable = strchr(args[i], '@');
    if (!usable)
        return fprintf(stderr, "usage: view_cat [--many] SRC PATH FORMAT@SPEC...\n"), 2;
    int ret = engine_open(&e, args[0], &options, &err);
    if (ret == 0)
        ret = many ? cat_many(e, args + 1, n / 2, &err) : cat_one(e, args + 1, &err);
    engine_close(e);
    if (ret < 0)
        fprintf(stderr, "%s %s\n", strerrorname_np(-ret), err.msg);
    return ret < 0 || fflush(stdout) != 0;
}
