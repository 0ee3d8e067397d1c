/* SPDX-License-Identifier: Apache-2.0
 * fs/names_layout.c - layouts that gather all models of SRC: flat puts everything into the root,
 * hub into ORG/MODEL. Beside the views, GGUF files of SRC are there under their own names. */
#include "fs/names_impl.h"
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { RESCAN_AFTER_S = 1 };

/* Which part of the catalog a folder of the mount shows. */
struct window {
    struct names *n;
    enum { SHOW_NOTHING, SHOW_ORGS, SHOW_MODELS, SHOW_FILES } show;
    char org[NAME_MAX + 1], model[NAME_MAX + 1]; /* empty: any */
};

/* Call with the lock held. */
static int refresh(struct names *n) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    if (n->scanned && t.tv_sec - n->scanned < RESCAN_AFTER_S)
        return 0;
    struct catalog fresh;
    const int rc = catalog_scan(&fresh, n->root);
    if (rc < 0) {
        catalog_fini(&fresh);
        return rc;
    }
    catalog_fini(&n->catalog);
    n->catalog = fresh;
    n->scanned = t.tv_sec;
    return 0;
}

static struct window window_on(struct names *n, const char *dir) {
    struct window w = { .n = n };
    if (n->layout == LAYOUT_FLAT) {
        w.show = *dir ? SHOW_NOTHING : SHOW_FILES;
        return w;
    }
    const char *slash = strchr(dir, '/');
    snprintf(w.org, sizeof w.org, "%.*s", slash ? (int)(slash - dir) : NAME_MAX, dir);
    if (slash)
        snprintf(w.model, sizeof w.model, "%s", slash + 1);
    w.show = !*dir ? SHOW_ORGS : !slash ? SHOW_MODELS : SHOW_FILES;
    return w;
}

static bool in_window(const struct window *w, const struct found_model *m) {
    return (!*w->org || strcmp(w->org, m->org) == 0) &&
           (!*w->model || strcmp(w->model, m->name) == 0);
}

static bool find_in_window(void *user, struct str stem, enum model_kind prefer,
                           struct found_model *out) {
    const struct window *w = user;
    const struct found_model *best = NULL;
    for (uint32_t i = 0; i < w->n->catalog.n; i++) {
        const struct found_model *m = &w->n->catalog.models[i];
        const bool here = prefer == MODEL_ADAPTER || in_window(w, m); /* adapters are elsewhere */
        if (here && str_is(stem, m->name) &&
            (!best || (m->kind == prefer && best->kind != prefer) ||
             (best->kind != prefer && m->kind < best->kind)))
            best = m;
    }
    if (best)
        *out = *best;
    return best;
}

/* The file name of a GGUF of SRC; parts of a split one but the first are not offered. */
static const char *own_file(const struct found_model *m) {
    if (m->kind != MODEL_GGUF)
        return NULL;
    const char *slash = strrchr(m->path, '/');
    return slash ? slash + 1 : m->path;
}

static int resolve_folder(const struct window *w, const char *name, struct name *out) {
    for (uint32_t i = 0; i < w->n->catalog.n; i++) {
        const struct found_model *m = &w->n->catalog.models[i];
        if (in_window(w, m) && strcmp(w->show == SHOW_ORGS ? m->org : m->name, name) == 0) {
            out->kind = NAME_FOLDER;
            out->path[0] = 0;
            return 0;
        }
    }
    return -ENOENT;
}

static int resolve_file(const struct window *w, const char *name, struct name *out) {
    for (uint32_t i = 0; i < w->n->catalog.n; i++) {
        const struct found_model *m = &w->n->catalog.models[i];
        const char *own = own_file(m);
        if (own && in_window(w, m) && strcmp(own, name) == 0) {
            out->kind = NAME_SOURCE;
            memcpy(out->path, m->path, sizeof out->path);
            return 0;
        }
    }
    return names_parse_view(w->n, name, find_in_window, (void *)w, out);
}

static int resolve_in(const struct window *w, const char *name, struct name *out) {
    switch (w->show) {
    case SHOW_ORGS:
    case SHOW_MODELS:
        return resolve_folder(w, name, out);
    case SHOW_FILES:
        return resolve_file(w, name, out);
    case SHOW_NOTHING:
        break;
    }
    return -ENOENT;
}

int layout_resolve(struct names *n, const char *dir, const char *name, struct name *out) {
    pthread_mutex_lock(&n->lock);
    int rc = refresh(n);
    if (rc == 0) {
        const struct window w = window_on(n, dir);
        rc = resolve_in(&w, name, out);
    }
    pthread_mutex_unlock(&n->lock);
    return rc;
}

/* --- listing --- */

struct listing {
    const struct window *w;
    names_emit *emit;
    void *user;
};

static int emit_view(void *user, const char *name, const struct found_model *m,
                     const struct spec *spec) {
    const struct listing *l = user;
    struct name meant;
    if (resolve_file(l->w, name, &meant) < 0 || meant.kind != NAME_VIEW ||
        strcmp(meant.path, m->path) != 0)
        return 0;
    return l->emit(l->user, name, format_is_folder(spec->format) ? DT_DIR : DT_REG);
}

static int list_files(struct listing *l, const struct found_model *m) {
    const char *own = own_file(m);
    struct name meant;
    int rc = 0;
    if (own && resolve_file(l->w, own, &meant) == 0 && strcmp(meant.path, m->path) == 0)
        rc = l->emit(l->user, own, DT_REG);
    return rc ? rc : names_each_view(l->w->n, m, emit_view, l);
}

/* The first model of each name stands for its folder. */
static int list_folder(struct listing *l, uint32_t i) {
    const struct found_model *all = l->w->n->catalog.models;
    const bool orgs = l->w->show == SHOW_ORGS;
    const char *name = orgs ? all[i].org : all[i].name;
    for (uint32_t j = 0; j < i; j++)
        if (in_window(l->w, &all[j]) && strcmp(orgs ? all[j].org : all[j].name, name) == 0)
            return 0;
    return l->emit(l->user, name, DT_DIR);
}

int layout_list(struct names *n, const char *dir, names_emit *emit, void *user) {
    pthread_mutex_lock(&n->lock);
    int rc = refresh(n);
    const struct window w = window_on(n, dir);
    struct listing l = { &w, emit, user };
    for (uint32_t i = 0; i < n->catalog.n && rc == 0 && w.show != SHOW_NOTHING; i++)
        if (in_window(&w, &n->catalog.models[i]))
            rc = w.show == SHOW_FILES ? list_files(&l, &n->catalog.models[i]) : list_folder(&l, i);
    pthread_mutex_unlock(&n->lock);
    return rc < 0 ? rc : 0;
}
