/* SPDX-License-Identifier: Apache-2.0
 * formats/arch/pooling.c - how embeddings are pooled: modules.json of sentence-transformers.
 * Source: conversion/base.py, _try_set_pooling_type. */
#include "formats/arch/work.h"
#include <errno.h>

enum { POOLING_MEAN = 1, POOLING_CLS = 2, POOLING_LAST = 3 }; /* enum llama_pooling_type */

static const struct {
    const char *flag, *mode;
    uint32_t type;
} modes[] = {
    { "pooling_mode_mean_tokens", "mean", POOLING_MEAN },
    { "pooling_mode_cls_token", "cls", POOLING_CLS },
    { "pooling_mode_lasttoken", "lasttoken", POOLING_LAST },
};

static int add_type(struct arch_work *w, const struct json *pooling) {
    struct str mode;
    bool set;
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++)
        if (json_bool(json_get(pooling, modes[i].flag), &set) && set)
            return work_u32(w, ".pooling_type", modes[i].type);
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++)
        if (json_str(json_get(pooling, "pooling_mode"), &mode) && str_is(mode, modes[i].mode))
            return work_u32(w, ".pooling_type", modes[i].type);
    return err_set(w->err, -ENOTSUP, "modules.json: pooling by mean, cls or last token only");
}

/* A folder below this one, by a plain name: what sentence-transformers writes ("1_Pooling"). */
static int add_module(struct arch_work *w, struct str path) {
    struct json *pooling;
    if (path.n == 0 || path.n > 200 || path.p[0] == '.' || memchr(path.p, '/', path.n) ||
        memchr(path.p, 0, path.n))
        return err_set(w->err, -EBADMSG, "modules.json: a path that is not a folder beside it");
    const struct str file = arena_printf(w->form->arena, "%.*s/config.json", STR_ARG(path));
    if (!file.p)
        return work_no_memory(w);
    int rc = folder_json(w->folder, file.p, FOLDER_MAX_CONFIG, &pooling, w->err);
    if (rc == 0 && !pooling)
        rc = err_set(w->err, -ENOENT, "%s, which modules.json names, is missing", file.p);
    if (rc == 0)
        rc = add_type(w, pooling);
    json_free(pooling);
    return rc;
}

/* What goes before a classifier. */
static int add_classifier_pooling(struct arch_work *w) {
    struct str mode;
    if (!hf_config_str(&w->config, "classifier_pooling", &mode))
        return 0;
    if (!str_is(mode, "mean") && !str_is(mode, "cls"))
        return err_set(w->err, -ENOTSUP, "config.json: \"classifier_pooling\" is \"%.*s\"",
                       STR_ARG(mode));
    return work_u32(w, ".classifier.pooling_type",
                    str_is(mode, "mean") ? POOLING_MEAN : POOLING_CLS);
}

int hparam_pooling(struct arch_work *w) {
    struct json *modules;
    int rc = folder_json(w->folder, "modules.json", FOLDER_MAX_CONFIG, &modules, w->err);
    for (size_t i = 0; i < json_len(modules) && rc == 0; i++) {
        struct str type, path;
        if (json_str(json_get(json_at(modules, i), "type"), &type) &&
            str_ends(type, STR("Pooling")) &&
            json_str(json_get(json_at(modules, i), "path"), &path)) {
            rc = add_module(w, path);
            break;
        }
    }
    json_free(modules);
    return rc < 0 ? rc : add_classifier_pooling(w);
}
