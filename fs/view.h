/* SPDX-License-Identifier: Apache-2.0
 * fs/view.h - one form of one model: a pure function of (source, spec). Views and their models
 * are kept in a bounded LRU; sizes persist in the cache, so that stat need not plan again. */
#pragma once
#include "formats/extras.h"
#include "formats/layout.h"
#include "formats/model.h"
#include "formats/plan.h"
#include "formats/spec.h"

struct engine; /* fs/engine.h */
struct views;

/* What lookup and stat need; no view has to be open for it. */
struct view_info {
    uint64_t size;     /* bytes; 0 when error is set */
    int64_t mtime_ns;  /* the newest of the source's files */
    struct hash128 id; /* of (identity of the source, spec and what that names): another version,
                        * another id */
    struct err error;  /* code != 0: well formed, but it cannot be made; why */
};

struct view {
    _Atomic uint32_t refs;
    struct engine *engine;
    struct model *model;
    struct spec spec;     /* as it was asked for */
    struct extras extras; /* what else it is made from; the layout refers to it */
    char *source;         /* path of the source, relative to the root */
    struct view_info info;
    struct arena arena;
    struct layout layout;
};

/* Size and identity of the view of @source (path relative to the root) by @spec. 0 also when the
 * view cannot be made (info.error says why); -ENOENT when the source is gone. Reads at most
 * headers, nothing at all when the answer is remembered. Thread-safe. */
int view_stat(struct engine *e, const char *source, const struct spec *spec, struct view_info *info,
              struct err *err);

/* The same of what is remembered alone: -EAGAIN where it would have to be planned. */
int view_recall(struct engine *e, const char *source, const struct spec *spec,
                struct view_info *info, struct err *err);

/* The view, planned. 0, or a negative errno with the reason. */
int view_open(struct view **out, struct engine *e, const char *source, const struct spec *spec,
              struct err *err);
struct view *view_ref(struct view *v);
void view_unref(struct view *v); /* NULL is fine */

/* The files of a view that is a folder, in @a. */
int view_files(struct file_list *out, struct arena *a, struct engine *e, const char *source,
               const struct spec *spec, struct err *err);

/* The model alone, from the same LRU; model_unref it. */
int view_model(struct model **out, struct engine *e, const char *source, struct err *err);

/* Bytes of the view's cached conversions that are in the cache; of layout.convert. */
uint64_t view_cached(const struct view *v);

int views_new(struct views **out, struct err *err);
void views_free(struct views *v);
uint32_t views_count(const struct views *v); /* views in memory */
