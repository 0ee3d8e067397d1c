/* SPDX-License-Identifier: Apache-2.0
 * fs/names.c - the names of the mount in the layout of SRC, and what all layouts share: options,
 * and how names of views are read. Which views are listed is in fs/names_offered.c, the other
 * layouts are in fs/names_layout.c. */
#include "fs/names_impl.h"
#include "formats/extras.h"
#include "fs/log.h"
#include "fs/name_parse.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

/* --- options --- */

static int add_view(struct names *n, const struct spec *s, struct err *err) {
    struct spec *grown = realloc(n->views, (n->n_views + 1) * sizeof *grown);
    if (!grown)
        return err_set(err, -ENOMEM, "no memory");
    n->views = grown;
    n->views[n->n_views++] = *s;
    return 0;
}

static int add_all(struct names *n, struct err *err) {
    int rc = 0;
    for (enum format f = FORMAT_NONE + 1; f < FORMAT_COUNT; f++)
        for (size_t i = 0; format_type(f, i) && rc == 0; i++) {
            struct spec s;
            if (spec_parse(&s, f, str_from(format_type(f, i)->name), NULL) == 0)
                rc = add_view(n, &s, err);
        }
    return rc;
}

static int parse_views(struct names *n, const char *text, struct err *err) {
    if (strcmp(text, "none") == 0) {
        n->list_none = true;
        return 0;
    }
    if (strcmp(text, "all") == 0)
        return add_all(n, err);
    struct stat st;
    int rc = 0;
    for (const char *p = text; *p && rc == 0;) {
        const char *end = strchrnul(p, ':');
        struct spec s;
        if (!names_parse_listed((struct str){ p, (size_t)(end - p) }, &s, NULL))
            return err_set(err, -EINVAL, "views=%s: \"%.*s\" is not FORMAT@TYPE, as gguf@q8_0",
                           text, (int)(end - p), p);
        if (n->root && s.profile[0] && root_stat(n->root, "weightfs.yaml", &st) < 0)
            log_warning("views=%s: %s is no type; models have it whose folder has a weightfs.yaml "
                        "with such a profile",
                        text, s.profile);
        rc = add_view(n, &s, err);
        p = *end ? end + 1 : end;
    }
    return rc;
}

int names_new(struct names **out, struct root *root, const struct names_options *o,
              struct err *err) {
    struct names *n = calloc(1, sizeof *n);
    if (!n)
        return err_set(err, -ENOMEM, "no memory");
    pthread_mutex_init(&n->lock, NULL);
    n->root = root;
    n->style = o->style;
    n->layout = o->layout;
    const int rc = o->views ? parse_views(n, o->views, err) : 0;
    if (rc < 0)
        names_free(n);
    else
        *out = n;
    return rc;
}

void names_free(struct names *n) {
    if (!n)
        return;
    catalog_fini(&n->catalog);
    pthread_mutex_destroy(&n->lock);
    free(n->views);
    free(n);
}

/* --- resolving --- */

static enum model_kind preferred(enum format f) {
    return f == FORMAT_GGUF          ? MODEL_GGUF
           : f == FORMAT_SAFETENSORS ? MODEL_SAFETENSORS
           : f == FORMAT_TORCH       ? MODEL_TORCH
           : f == FORMAT_ONNX        ? MODEL_ONNX
                                     : MODEL_FOLDER;
}

/* Every form that @name may be read in: '@' always, the mode's own besides. */
int names_parse_view(const struct names *n, const char *name, find_model *find, void *user,
                     struct name *out) {
    const enum names_style styles[] = { NAMES_AT, n->style };
    for (size_t i = 0; i < (n->style == NAMES_AT ? 1 : 2); i++) {
        struct parsed_name p;
        struct found_model m;
        if (!name_parse(name, styles[i], &p))
            continue;
        if (!names_find(find, user, p.stem, preferred(p.spec.format), &m) &&
            !(name_projector(&p) && find(user, p.stem, MODEL_FOLDER, &m) && m.kind == MODEL_FOLDER))
            continue;
        /* what is no type may be a profile: the one case in which a file is looked into */
        if (p.spec.profile[0] && !extras_has_profile(n->root, m.path, p.spec.profile))
            continue;
        out->kind = NAME_VIEW;
        out->spec = p.spec;
        memcpy(out->path, m.path, sizeof out->path);
        return 0;
    }
    return -ENOENT;
}

struct place {
    struct root *root;
    const char *dir;
};

static bool find_in_folder(void *user, struct str stem, enum model_kind prefer,
                           struct found_model *out) {
    const struct place *p = user;
    const char *only = root_only(p->root);
    return models_find(p->root, p->dir, stem, prefer, out) &&
           (!only || strcmp(only, out->path) == 0);
}

static int resolve_source(struct names *n, const char *dir, const char *name, struct name *out) {
    struct stat st;
    const char *only = root_only(n->root);
    if (!models_join(dir, name, out->path))
        return -ENAMETOOLONG;
    out->kind = NAME_SOURCE;
    if ((!only || strcmp(only, out->path) == 0) && root_lstat(n->root, out->path, &st) == 0)
        return 0;
    if (*dir && models_is_folder(n->root, dir))
        return -ENOENT; /* loaders glob in there */
    struct place p = { n->root, dir };
    return names_parse_view(n, name, find_in_folder, &p, out);
}

int names_resolve(struct names *n, const char *dir, const char *name, struct name *out) {
    return n->layout == LAYOUT_SOURCE ? resolve_source(n, dir, name, out)
                                      : layout_resolve(n, dir, name, out);
}

/* --- listing --- */

struct listing {
    struct names *n;
    names_emit *emit;
    void *user;
    const char *dir;
    char *seen; /* names of views, each with its NUL: two models may share one */
    size_t seen_n;
};

static bool add_seen(struct listing *l, const char *name) {
    const size_t len = strlen(name) + 1;
    for (size_t at = 0; at < l->seen_n; at += strlen(l->seen + at) + 1)
        if (strcmp(l->seen + at, name) == 0)
            return false;
    char *grown = realloc(l->seen, l->seen_n + len);
    if (!grown)
        return false;
    l->seen = grown;
    memcpy(l->seen + l->seen_n, name, len);
    l->seen_n += len;
    return true;
}

/* A view is listed only if its name leads back to this model: a real file of that name, or a
 * model that comes first, has it otherwise. */
static int emit_view(void *user, const char *name, const struct found_model *m,
                     const struct spec *spec) {
    struct listing *l = user;
    struct name meant;
    if (names_resolve(l->n, l->dir, name, &meant) < 0 || meant.kind != NAME_VIEW ||
        strcmp(meant.path, m->path) != 0 || !add_seen(l, name))
        return 0;
    return l->emit(l->user, name, format_is_folder(spec->format) ? DT_DIR : DT_REG);
}

static int list_source(struct listing *l) {
    struct root *root = l->n->root;
    struct found_model m;
    const bool inside = *l->dir && models_is_folder(root, l->dir);
    const bool root_is_model = !*l->dir && models_root(root, &m);
    int rc = 0;
    DIR *d;
    if (root_only(root)) {
        rc = l->emit(l->user, root_only(root), DT_REG);
        if (rc == 0 && models_classify(root, "", root_only(root), &m))
            rc = names_each_view(l->n, &m, emit_view, l);
        return rc;
    }
    if (root_is_model)
        rc = names_each_view(l->n, &m, emit_view, l);
    const int opened = root_opendir(root, l->dir, &d);
    if (opened < 0)
        return opened;
    for (struct dirent *e; rc == 0 && (e = readdir(d));) {
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
            continue;
        rc = l->emit(l->user, e->d_name, e->d_type);
        if (rc == 0 && !inside && !root_is_model && models_classify(root, l->dir, e->d_name, &m))
            rc = names_each_view(l->n, &m, emit_view, l);
    }
    closedir(d);
    return rc;
}

int names_list(struct names *n, const char *dir, names_emit *emit, void *user) {
    if (n->layout != LAYOUT_SOURCE)
        return layout_list(n, dir, emit, user);
    struct listing l = { .n = n, .emit = emit, .user = user, .dir = dir };
    const int rc = list_source(&l);
    free(l.seen);
    return rc < 0 ? rc : 0;
}

bool names_is_source(struct names *n, const char *path) {
    struct found_model m;
    if (!*path)
        return models_root(n->root, &m);
    char dir[PATH_MAX];
    snprintf(dir, sizeof dir, "%s", path);
    char *slash = strrchr(dir, '/');
    if (slash)
        *slash = 0;
    else
        dir[0] = 0;
    return models_classify(n->root, dir, slash ? slash + 1 : path, &m) && strcmp(m.path, path) == 0;
}

int names_split_path(const char *path, char **dir, const char **name) {
    const char *slash = strrchr(path, '/');
    *name = slash ? slash + 1 : path;
    *dir = slash ? strndup(path, slash == path ? 1 : (size_t)(slash - path)) : strdup(".");
    return *dir ? 0 : -ENOMEM;
}
