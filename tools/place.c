/* SPDX-License-Identifier: Apache-2.0
 * tools/place.c - from a path to an engine, a source and a spec. */
#include "tools/place.h"
#include "formats/cleanup.h"
#include "fs/names.h"
#include "quant/recipe.h"
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

static int source_set(struct place *p, const char *source, struct err *err) {
    p->source = strdup(source);
    return p->source ? 0 : err_set(err, -ENOMEM, "no memory");
}

/* Letters and digits of @a and @b are the same, whatever else there is and whatever the case. */
static bool sounds_like(const char *a, const char *b) {
    for (;; a++, b++) {
        while (*a && !isalnum((unsigned char)*a))
            a++;
        while (*b && !isalnum((unsigned char)*b))
            b++;
        if (tolower((unsigned char)*a) != tolower((unsigned char)*b))
            return false;
        if (!*a)
            return true;
    }
}

static int no_type(const char *name, const char *type, struct err *err) {
    for (size_t i = 0; i < ftype_count; i++)
        if (sounds_like(type, ftype_table[i].name))
            return err_set(err, -ENOENT, "%s: %s is not a type, %s is", name, type,
                           ftype_table[i].name);
    return err_set(err, -ENOENT,
                   "%s: %s is not a type (`weightfs types` lists them), nor a profile in "
                   "weightfs.yaml",
                   name, type);
}

/* Why @name is nothing: the resolver only says that it is. */
static int no_view(const char *name, struct err *err) {
    struct spec spec;
    const char *at = strrchr(name, '@');
    const char *dot = at ? memrchr(name, '.', (size_t)(at - name)) : NULL;
    if (!dot || dot == name)
        return err_set(err, -ENOENT, "%s: no such file, nor a view (NAME.FORMAT@TYPE)", name);
    const struct str format = { dot + 1, (size_t)(at - dot - 1) };
    for (enum format f = FORMAT_NONE + 1; f < FORMAT_COUNT; f++) {
        if (!str_is(format, format_name(f)))
            continue;
        if (!at[1])
            return err_set(err, -ENOENT, "%s: a type is missing behind the @", name);
        const int rc = spec_parse(&spec, f, str_from(at + 1), err);
        if (rc == 0 && spec.profile[0])
            return no_type(name, spec.profile, err);
        if (rc < 0)
            err_prefix(err, name);
        return rc < 0 ? rc
                      : err_set(err, -ENOENT, "%s: there is no model %.*s in that folder", name,
                                (int)(dot - name), name);
    }
    return err_set(err, -ENOENT, "%s: no such format: %.*s", name, STR_ARG(format));
}

/* A model that lies there. A folder is a root of its own, so that links in a hub cache work. */
static int open_real(struct place *p, const char *path, const struct stat *st,
                     const struct engine_options *o, struct err *err) {
    const char *slash = strrchr(path, '/');
    p->name = slash && slash[1] ? slash + 1 : path;
    if (S_ISDIR(st->st_mode)) {
        const int rc = engine_open(&p->engine, path, o, err);
        return rc < 0 ? rc : source_set(p, "", err);
    }
    auto_free char *dir = slash == path ? strdup("/")
                          : slash       ? strndup(path, (size_t)(slash - path))
                                        : strdup(".");
    const int rc = dir ? engine_open(&p->engine, dir, o, err) : err_set(err, -ENOMEM, "no memory");
    return rc < 0 ? rc : source_set(p, p->name, err);
}

static int resolve(struct place *p, struct err *err) {
    static const struct names_options options = { .views = "none" };
    struct names *names = NULL;
    auto_free struct name *n = malloc(sizeof *n);
    int rc =
        n ? names_new(&names, p->engine->root, &options, err) : err_set(err, -ENOMEM, "no memory");
    if (rc < 0)
        return rc;
    rc = names_resolve(names, "", p->name, n);
    names_free(names);
    if (rc < 0 || n->kind != NAME_VIEW)
        return no_view(p->name, err);
    p->spec = n->spec;
    return source_set(p, n->path, err);
}

/* The file @name of the view p->spec, which is a folder. */
static int choose_file(struct place *p, const char *name, struct err *err) {
    struct arena a = { 0 };
    struct file_list files = { 0 };
    const struct file_entry *file = NULL;
    int rc = view_files(&files, &a, p->engine, p->source, &p->spec, err);
    for (uint32_t i = 0; rc == 0 && i < files.n && !file; i++)
        if (str_is(files.items[i].name, name))
            file = &files.items[i];
    if (rc == 0 && !file)
        rc = err_set(err, -ENOENT, "%s has no file %s", p->name, name);
    else if (rc == 0 && file->passed)
        rc = err_set(err, -EINVAL, "%s is that of the source: cp copies it", name);
    arena_fini(&a);
    if (rc == 0 &&
        snprintf(p->spec.file, sizeof p->spec.file, "%s", name) >= (int)sizeof p->spec.file)
        rc = err_set(err, -ENAMETOOLONG, "%s: the name is too long", name);
    p->name = name;
    return rc;
}

static int open_view(struct place *p, const char *path, const struct engine_options *o,
                     struct err *err) {
    auto_free char *dir = NULL;
    p->is_view = true;
    int rc = names_split_path(path, &dir, &p->name);
    if (rc < 0)
        return err_set(err, rc, "%s: %s", path, strerror(-rc));
    const char *file = p->name;
    auto_free char *outer = NULL;
    struct stat st;
    const bool in_view = stat(dir, &st) < 0 && strrchr(dir, '@'); /* DIR/NAME.FORMAT@TYPE/FILE */
    if (in_view)
        rc = names_split_path(dir, &outer, &p->name);
    if (rc < 0)
        return err_set(err, rc, "%s: %s", path, strerror(-rc));
    rc = engine_open(&p->engine, in_view ? outer : dir, o, err);
    if (rc == 0)
        rc = resolve(p, err);
    if (rc == 0 && in_view)
        rc = choose_file(p, file, err);
    return rc;
}

int place_open(struct place *p, const char *path, const struct engine_options *o, struct err *err) {
    struct stat st;
    *p = (struct place){ 0 };
    const int rc =
        stat(path, &st) == 0 ? open_real(p, path, &st, o, err) : open_view(p, path, o, err);
    if (rc < 0)
        place_close(p);
    return rc;
}

int place_view(struct view **out, const struct place *p, const struct spec *spec, struct err *err) {
    const int rc = view_open(out, p->engine, p->source, spec, err);
    if (rc < 0)
        err_prefix(err, p->name);
    return rc;
}

int place_model(struct model **out, const struct place *p, struct err *err) {
    const int rc = view_model(out, p->engine, p->source, err);
    if (rc < 0)
        err_prefix(err, p->name);
    return rc;
}

void place_close(struct place *p) {
    free(p->source);
    engine_close(p->engine);
    *p = (struct place){ 0 };
}

struct spec place_weights(const struct place *p) {
    struct spec s = p->spec;
    if (format_is_folder(s.format) && !*s.file) {
        s.format = s.format == FORMAT_GENAI ? FORMAT_ONNX : FORMAT_SAFETENSORS;
        s.split = 0;
    }
    return s;
}
