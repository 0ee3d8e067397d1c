/* SPDX-License-Identifier: Apache-2.0
 * fs/view.c - from a source and a spec to a planned view, remembered at three levels: sizes on
 * disk, models and views in memory. No lock is held while something is read or planned; two
 * threads that want the same view at once may both plan it, and one plan is dropped. */
#include "fs/view.h"
#include "formats/container.h"
#include "formats/folder.h"
#include "formats/merge.h"
#include "formats/plan.h"
#include "formats/recent.h"
#include "formats/tokenizer/memo.h"
#include "fs/cache.h"
#include "fs/engine.h"
#include "fs/lru.h"
#include "fs/strip.h"
#include "fs/view_infos.h"
#include <errno.h>
#include <stdlib.h>

enum {
    PLAN_REV = 8, /* bumped when a planner writes other sizes: forgets those that persist */
    MAX_VIEWS = 256,
    MAX_MODELS = 128,
    LAYOUT_BYTES = 24 << 20, /* of views that nobody holds; likewise of models */
    MODEL_BYTES = 40 << 20,
};

struct views {
    struct lru *views, *models, *infos;
    struct tokenizer_store *tokenizers; /* of folders */
};

/* --- identity --- */

struct identity {
    struct hash128 id;
    int64_t mtime_ns;
};

typedef int look_at_identity(struct engine *e, const char *source, struct identity *out,
                             struct err *err);

static int identity_now(struct engine *e, const char *source, struct identity *out,
                        struct err *err) {
    struct recent *recent = root_recent(e->root);
    const struct recent_key key = recent_key(recent, RECENT_IDENTITY, source);
    const int rc = model_identity(e->root, source, &out->id, &out->mtime_ns, err);
    if (rc == 0)
        recent_put(recent, &key, out, sizeof *out);
    return rc;
}

/* As it is, or as it was a moment ago. */
static int identity_recently(struct engine *e, const char *source, struct identity *out,
                             struct err *err) {
    struct recent *recent = root_recent(e->root);
    const struct recent_key key = recent_key(recent, RECENT_IDENTITY, source);
    return recent_get(recent, &key, out, sizeof *out) ? 0 : identity_now(e, source, out, err);
}

/* What identifies the view of a source that is identified by @model. */
static int identify(struct engine *e, const char *source, const struct spec *spec,
                    const struct identity *model, struct view_info *v, struct err *err) {
    struct hash128 extras;
    v->mtime_ns = model->mtime_ns;
    int rc = extras_identity(e->root, source, spec, &extras, &v->mtime_ns, err);
    if (rc < 0)
        return rc;
    char text[SPEC_MAX_TEXT];
    spec_text(spec, text, sizeof text);
    struct hasher *h = hasher_new();
    if (!h)
        return err_set(err, -ENOMEM, "no memory");
    hasher_u64(h, PLAN_REV);
    hasher_add(h, model->id.b, sizeof model->id.b);
    hasher_add(h, extras.b, sizeof extras.b);
    hasher_u64(h, spec->format);
    hasher_bytes(h, text, strlen(text));
    hasher_u64(h, spec->part);
    hasher_u64(h, spec->parts);
    hasher_bytes(h, spec->file, strlen(spec->file));
    hasher_u64(h, spec->data);
    v->id = hasher_end(h);
    return 0;
}

static struct spec with_defaults(const struct engine *e, const struct spec *spec) {
    struct spec s = *spec;
    s.requantize |= e->requantize;
    return s;
}

/* --- models --- */

static void ref_model(void *m) {
    model_ref(m);
}

static void unref_model(void *m) {
    model_unref(m);
}

/* Of an ONNX model the identity may not know all files: their names stand in it. */
static bool is_stale(const struct model *m) {
    for (uint32_t i = 0; m->onnx && i < m->n_sources; i++)
        if (source_check(m->sources[i], NULL) < 0)
            return true;
    return false;
}

/* A model that is merged of others shares them with their own views. */
static int open_source(struct model **out, struct engine *e, const char *source, struct err *err) {
    char buf[PATH_MAX];
    const char *paths[1 + MERGE_MAX_ADAPTERS];
    struct model *parts[1 + MERGE_MAX_ADAPTERS];
    const unsigned n = merge_split(source, buf, paths);
    unsigned opened = 0;
    int rc = 0;
    if (n == 1)
        return model_open(out, e->root, source, err);
    while (opened < n && rc == 0) {
        rc = view_model(&parts[opened], e, paths[opened], err);
        opened += rc == 0;
    }
    if (rc == 0)
        rc = merge_models(out, parts, n, err);
    while (opened > 0)
        model_unref(parts[--opened]);
    return rc;
}

static int model_by_id(struct model **out, struct engine *e, const char *source,
                       const struct hash128 *id, struct err *err) {
    *out = lru_get(e->views->models, id);
    if (*out && !is_stale(*out))
        return 0;
    model_unref(*out);
    int rc = open_source(out, e, source, err);
    if (rc == 0 && (*out)->folder && !(*out)->n_parts)
        (*out)->folder->store = e->views->tokenizers;
    if (rc == 0)
        lru_put(e->views->models, id, *out, model_bytes(*out));
    return rc;
}

int view_model(struct model **out, struct engine *e, const char *source, struct err *err) {
    struct hash128 id;
    int64_t mtime_ns;
    int rc = model_identity(e->root, source, &id, &mtime_ns, err);
    return rc < 0 ? rc : model_by_id(out, e, source, &id, err);
}

/* --- views --- */

struct view *view_ref(struct view *v) {
    v->refs++;
    return v;
}

void view_unref(struct view *v) {
    if (!v || --v->refs > 0)
        return;
    strips_forget(v->engine->strips, v);
    arena_fini(&v->arena);
    extras_close(&v->extras);
    model_unref(v->model);
    free(v->source);
    free(v);
}

static void ref_view(void *v) {
    view_ref(v);
}

static void unref_view(void *v) {
    view_unref(v);
}

static int plan(struct view *v, struct err *err) {
    v->layout.arena = &v->arena;
    int rc = plan_view(&v->layout, v->model, &v->extras, err);
    if (rc < 0)
        return rc;
    struct hash128 *hashes = model_source_hashes(v->model);
    if (!hashes)
        return err_set(err, -ENOMEM, "no memory");
    rc = layout_hash(&v->layout, hashes, err);
    free(hashes);
    v->info.size = v->layout.size;
    return rc;
}

static int make_view(struct view **out, struct engine *e, const char *source,
                     const struct spec *spec, const struct hash128 *model,
                     const struct view_info *info, struct err *err) {
    struct view *v = calloc(1, sizeof *v);
    if (!v)
        return err_set(err, -ENOMEM, "no memory");
    v->refs = 1;
    v->engine = e;
    v->spec = *spec;
    v->info = *info;
    v->source = strdup(source);
    int rc = v->source ? 0 : err_set(err, -ENOMEM, "no memory");
    if (rc == 0)
        rc = model_by_id(&v->model, e, source, model, err);
    if (rc == 0)
        rc = extras_open(&v->extras, e->root, source, spec, err);
    if (rc == 0)
        rc = plan(v, err);
    if (rc == 0) /* it may hold more than before */
        lru_put(e->views->models, model, v->model, model_bytes(v->model));
    if (rc == 0)
        *out = v;
    else
        view_unref(v);
    return rc;
}

/* The size as the cache on disk remembers it. */
static bool size_remembered(struct engine *e, struct view_info *v) {
    return cache_fact_get(e->cache, &v->id, &v->size, sizeof v->size) == (int)sizeof v->size;
}

static void remember(struct engine *e, const struct view_info *v) {
    infos_put(e->views->infos, v);
    cache_fact_put(e->cache, &v->id, &v->size, sizeof v->size);
}

/* @before: what the source is taken for until the view is planned; what has changed by then is
 * looked at again. */
static int open_view(struct view **out, struct engine *e, const char *source,
                     const struct spec *spec, look_at_identity *before, struct err *err) {
    const struct spec s = with_defaults(e, spec);
    for (int attempt = 0; attempt < 3; attempt++, before = identity_now) {
        struct identity model, model_now;
        struct view_info info = { 0 }, now = { 0 };
        int rc = before(e, source, &model, err);
        if (rc == 0)
            rc = identify(e, source, &s, &model, &info, err);
        if (rc < 0)
            return rc;
        *out = lru_get(e->views->views, &info.id);
        if (*out && !is_stale((*out)->model))
            return 0;
        view_unref(*out);
        struct err why = { 0 };
        rc = make_view(out, e, source, &s, &model.id, &info, &why);
        /* a source that changed meanwhile may have been read half old, half new */
        if (identity_now(e, source, &model_now, err) == 0 &&
            identify(e, source, &s, &model_now, &now, err) == 0 &&
            memcmp(&now.id, &info.id, sizeof now.id) != 0) {
            lru_remove(e->views->models, &model.id);
            if (rc == 0)
                view_unref(*out);
            continue;
        }
        if (rc < 0)
            return err_set(err, rc, "%s", why.msg);
        lru_put(e->views->views, &info.id, *out, (*out)->arena.held);
        remember(e, &(*out)->info);
        return 0;
    }
    return err_set(err, -ESTALE, "%s: changes all the time", source);
}

int view_open(struct view **out, struct engine *e, const char *source, const struct spec *spec,
              struct err *err) {
    return open_view(out, e, source, spec, identity_now, err);
}

int view_recall(struct engine *e, const char *source, const struct spec *spec,
                struct view_info *info, struct err *err) {
    const struct spec s = with_defaults(e, spec);
    struct identity model;
    *info = (struct view_info){ 0 };
    int rc = identity_recently(e, source, &model, err);
    if (rc == 0)
        rc = identify(e, source, &s, &model, info, err);
    if (rc < 0 || infos_get(e->views->infos, &info->id, info))
        return rc;
    if (!size_remembered(e, info))
        return -EAGAIN;
    infos_put(e->views->infos, info);
    return 0;
}

int view_stat(struct engine *e, const char *source, const struct spec *spec, struct view_info *info,
              struct err *err) {
    struct view *v;
    struct err why = { 0 };
    int rc = view_recall(e, source, spec, info, err);
    if (rc != -EAGAIN)
        return rc;
    rc = open_view(&v, e, source, spec, identity_recently, &why);
    if (rc == 0) {
        *info = v->info;
        view_unref(v);
    } else {
        info->error = why;
        info->error.code = rc;
        infos_put(e->views->infos, info);
        log_info("%s: %s", source, why.msg);
    }
    return 0;
}

int view_files(struct file_list *out, struct arena *a, struct engine *e, const char *source,
               const struct spec *spec, struct err *err) {
    const struct spec s = with_defaults(e, spec);
    struct extras extras = { 0 };
    struct model *m = NULL;
    int rc = view_model(&m, e, source, err);
    if (rc == 0)
        rc = extras_open(&extras, e->root, source, &s, err);
    if (rc == 0)
        rc = plan_files(out, a, m, &extras, err);
    extras_close(&extras);
    model_unref(m);
    return rc;
}

uint64_t view_cached(const struct view *v) {
    uint64_t sum = 0;
    for (uint32_t i = 0; i < v->layout.n; i++) {
        const struct extent *x = &v->layout.extents[i];
        if (x->kind != EXTENT_CONVERT || !x->convert->cached)
            continue;
        const uint64_t n = cache_count(v->engine->cache, &x->convert->key);
        sum += n == chunk_count(x->convert) ? x->len : n * chunk_stride(x->convert);
    }
    return sum;
}

int views_new(struct views **out, struct err *err) {
    struct views *vs = calloc(1, sizeof *vs);
    if (vs) {
        vs->views = lru_new(MAX_VIEWS, LAYOUT_BYTES, ref_view, unref_view);
        vs->models = lru_new(MAX_MODELS, MODEL_BYTES, ref_model, unref_model);
        vs->infos = infos_new();
        vs->tokenizers = tokenizer_store_new();
    }
    if (vs && vs->views && vs->models && vs->infos && vs->tokenizers) {
        *out = vs;
        return 0;
    }
    views_free(vs);
    return err_set(err, -ENOMEM, "no memory");
}

void views_free(struct views *vs) {
    if (!vs)
        return;
    lru_free(vs->views);
    lru_free(vs->models);
    lru_free(vs->infos);
    tokenizer_store_free(vs->tokenizers);
    free(vs);
}

uint32_t views_count(const struct views *vs) {
    return lru_count(vs->views);
}
