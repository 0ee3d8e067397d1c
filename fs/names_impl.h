/* SPDX-License-Identifier: Apache-2.0
 * fs/names_impl.h - the inside of struct names, shared by names*.c only. */
#pragma once
#include "fs/catalog.h"
#include "fs/names.h"
#include <pthread.h>
#include <time.h>

struct names {
    struct root *root;
    enum names_style style;
    enum names_layout layout;
    struct spec *views; /* that views= asks for; NULL: each model's own */
    size_t n_views;
    bool list_none;
    pthread_mutex_t lock; /* below */
    struct catalog catalog;
    time_t scanned; /* CLOCK_MONOTONIC, seconds; 0: never */
};

/* names_offered.c. FORMAT@TYPE, as views= has it; false: it is none. */
bool names_parse_listed(struct str text, struct spec *out, struct err *err);

/* Each listed view of a model with its name, until @emit returns nonzero. */
typedef int view_emit(void *user, const char *name, const struct found_model *m,
                      const struct spec *spec);
int names_each_view(const struct names *n, const struct found_model *m, view_emit *emit,
                    void *user);

/* Read @name as a view of a model that @find knows. 0 or -ENOENT. */
typedef bool find_model(void *user, struct str stem, enum model_kind prefer,
                        struct found_model *out);
int names_parse_view(const struct names *n, const char *name, find_model *find, void *user,
                     struct name *out);

/* names_merge.c: the model that @stem names, or, where there is none, a base with adapters, whose
 * path is as formats/merge.h has it. */
bool names_find(find_model *find, void *user, struct str stem, enum model_kind prefer,
                struct found_model *out);

/* names_layout.c: names_resolve and names_list of the other layouts. */
int layout_resolve(struct names *n, const char *dir, const char *name, struct name *out);
int layout_list(struct names *n, const char *dir, names_emit *emit, void *user);
