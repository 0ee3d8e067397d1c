/* SPDX-License-Identifier: Apache-2.0
 * tools/convert_tool.h - what the files of `weightfs convert` share. */
#pragma once
#include "fs/engine.h"
#include "fs/view.h"
#include "tools/place.h"

struct convert {
    struct engine_options engine;
    const char *view, *out;
    uint64_t off, len;
    bool range, force, quiet;
};

/* The view as the file c->out. @name: in a folder, and of the progress. */
int convert_view(struct convert *c, struct view *v, const char *name, struct err *err);

/* convert_folder.c: the files of a view that is one. */
int convert_folder(struct convert *c, const struct place *p, struct err *err);
