/* SPDX-License-Identifier: Apache-2.0
 * tests/view_cat.c - SRC PATH FORMAT@SPEC writes that view to stdout, by way of the engine but
 * without a mount or a cache. A view that cannot be made: "ERRNO MESSAGE" on stderr, exit 1. */
#include "fs/engine.h"
#include "fs/render.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PIECE = 4 << 20 };

static int fail(int code, const struct err *err) {
    fprintf(stderr, "%s %s\n", strerrorname_np(-code), err->msg);
    return 1;
}

static int cat(struct view *v, struct err *err) {
    uint8_t *buf = malloc(PIECE);
    int ret = buf ? 0 : -1;
    for (uint64_t off = 0; ret == 0 && off < v->info.size; off += PIECE) {
        size_t n = v->info.size - off < PIECE ? (size_t)(v->info.size - off) : PIECE;
        ret = render_read(v, buf, n, off, err);
        if (ret == 0 && write(STDOUT_FILENO, buf, n) != (ssize_t)n)
            ret = -1;
    }
    free(buf);
    return ret;
}

int main(int argc, char **argv) {
    const struct engine_options options = { .cache_dir = "" };
    struct err err = { 0 };
    struct engine *e = NULL;
    struct view *v = NULL;
    struct spec spec;
    char *at = argc == 4 ? strchr(argv[3], '@') : NULL;
    if (!at)
        return fprintf(stderr, "usage: view_cat SRC PATH FORMAT@SPEC\n"), 2;
    enum format format = FORMAT_SAFETENSORS;
    for (enum format f = FORMAT_NONE + 1; f < FORMAT_COUNT; f++)
        if (strlen(format_name(f)) == (size_t)(at - argv[3]) &&
            !memcmp(format_name(f), argv[3], (size_t)(at - argv[3])))
            format = f;
    int ret = spec_parse(&spec, format, str_from(at + 1), &err);
    if (ret == 0)
        ret = engine_open(&e, argv[1], &options, &err);
    if (ret == 0)
        ret = view_open(&v, e, argv[2], &spec, &err);
    if (ret == 0)
        ret = cat(v, &err);
    view_unref(v);
    engine_close(e);
    return ret < 0 ? fail(ret, &err) : 0;
}
