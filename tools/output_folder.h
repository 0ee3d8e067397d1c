/* SPDX-License-Identifier: Apache-2.0
 * tools/output_folder.h - a folder that is there whole or not at all. */
#pragma once
#include "formats/err.h"
#include <limits.h>

struct output_folder {
    char path[PATH_MAX]; /* where it will lie */
    char temp[PATH_MAX]; /* beside it; empty: nothing to remove */
};

/* A folder @path gets one of the name @name in it. -EEXIST where there is one already. Files are
 * written below o->temp. */
int output_folder_open(struct output_folder *o, const char *path, const char *name,
                       struct err *err);
int output_folder_commit(struct output_folder *o, struct err *err); /* puts it in its place */
void output_folder_fini(struct output_folder *o); /* without a commit nothing remains */
