/* SPDX-License-Identifier: Apache-2.0
 * tools/place.c - from a path to an engine, a source and a spec. */
#include "tools/place.h"
#include "formats/cleanup.h"
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* The folder of @path into @dir; returns the last component. */
static const char *path_split(const char *path, char *dir, size_t size) {
    const char *slash = strrchr(path, '/');
    if (!slash)
        snprintf(dir, size, ".");
    else if (slash == path)
        snprintf(dir, size, "/");
    else
        snprintf(dir, size, "%.*s", (int)(slash - path), path);
    return slash ? slash + 1 : path;
}

static int source_set(struct place *p, const char *source, struct err *err) {
    p->source = strdup(source);
    return p->source ? 0 : err_set(err, -ENOMEM, "no memory");
}

static bool source_try(struct place *p, struct str name, const char *suffix, int *rc,
                       struct err *err) {
    char path[PATH_MAX];
    struct stat st;
    if (snprintf(path, sizeof path, "%.*s%s", STR_ARG(name), suffix) >= (int)sizeof path ||
        root_stat(p->engine->root, path, &st) < 0)
        return false;
    *rc = source_set(p, path, err);
    return true;
}

/* Whose view it is: the design's precedence, in the folder that the engine was opened on. */
static int find_source(struct place *p, struct str name, struct err *err) {
    int rc = 0;
    const bool st = p->spec.format == FORMAT_SAFETENSORS;
    if (source_try(p, name, "", &rc, err) ||
        (st && source_try(p, name, ".safetensors", &rc, err)) ||
        source_try(p, name, ".gguf", &rc, err) || source_try(p, name, ".safetensors", &rc, err))
        return rc;
    const char *root = root_path(p->engine->root);
    const char *last = strrchr(root, '/');
    if (str_is(name, last ? last + 1 : root))
        return source_set(p, "", err); /* SRC is the model folder itself */
    return err_set(err, -ENOENT, "%s: no model of the name %.*s in that folder", p->name,
                   STR_ARG(name));
}

/* NAME.FORMAT@SPEC. */
static int parse_view(struct place *p, struct str *name, struct err *err) {
    const char *at = strrchr(p->name, '@');
    const char *dot = at ? memrchr(p->name, '.', (size_t)(at - p->name)) : NULL;
    if (!dot || dot == p->name)
        return err_set(err, -ENOENT, "%s: no such file, nor a view (NAME.FORMAT@TYPE)", p->name);
    *name = (struct str){ p->name, (size_t)(dot - p->name) };
    const struct str format = { dot + 1, (size_t)(at - dot - 1) };
    for (enum format f = FORMAT_NONE + 1; f < FORMAT_COUNT; f++) {
        if (str_is(format, format_name(f)))
            return spec_parse(&p->spec, f, str_from(at + 1), err);
    }
    return err_set(err, -ENOENT, "%s: no such format: %.*s", p->name, STR_ARG(format));
}

static int open_real(struct place *p, const char *path, const struct stat *st,
                     const struct engine_options *o, struct err *err) {
    char dir[PATH_MAX];
    const bool folder = S_ISDIR(st->st_mode);
    p->name = path_split(path, dir, sizeof dir);
    const int rc = engine_open(&p->engine, folder ? path : dir, o, err);
    return rc < 0 ? rc : source_set(p, folder ? "" : p->name, err);
}

static int open_view(struct place *p, const char *path, const struct engine_options *o,
                     struct err *err) {
    char dir[PATH_MAX];
    struct str name = { 0 };
    p->name = path_split(path, dir, sizeof dir);
    p->is_view = true;
    int rc = parse_view(p, &name, err);
    if (rc == 0)
        rc = engine_open(&p->engine, dir, o, err);
    return rc < 0 ? rc : find_source(p, name, err);
}

int place_open(struct place *p, const char *path, const struct engine_options *o, struct err *err) {
    struct stat st;
    *p = (struct place){ 0 };
    if (strlen(path) >= PATH_MAX)
        return err_set(err, -ENAMETOOLONG, "the path is too long");
    const int rc =
        stat(path, &st) == 0 ? open_real(p, path, &st, o, err) : open_view(p, path, o, err);
    if (rc < 0)
        place_close(p);
    return rc;
}

void place_close(struct place *p) {
    free(p->source);
    engine_close(p->engine);
    *p = (struct place){ 0 };
}
