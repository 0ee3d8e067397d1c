/* SPDX-License-Identifier: Apache-2.0
 * tools/output.h - a file that is there whole or not at all. */
#pragma once
#include "formats/err.h"
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

struct output {
    int fd;
    bool is_stdout, replace;
    bool named;          /* a temporary name exists: the filesystem has no nameless files */
    char path[PATH_MAX]; /* where it will lie */
    char temp[PATH_MAX]; /* beside it */
};

/* @path "-" is stdout. A folder gets @name in it. -EEXIST unless @replace; -ENOSPC when fewer than
 * @bytes are free there. */
int output_open(struct output *o, const char *path, const char *name, uint64_t bytes, bool replace,
                struct err *err);
int output_write(struct output *o, const void *bytes, uint64_t n, struct err *err);
int output_commit(struct output *o, struct err *err); /* puts it in its place */
void output_fini(struct output *o);                   /* without a commit nothing remains */
