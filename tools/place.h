/* SPDX-License-Identifier: Apache-2.0
 * tools/place.h - what a path on the command line means: a model on disk, or a view of one. What
 * exists is what it is; else the path's last part is looked up as a mount would. */
#pragma once
#include "fs/engine.h"
#include "fs/view.h"

struct place {
    struct engine *engine; /* opened on the folder it lies in; closed by place_close */
    char *source;          /* path of the model, relative to the engine's root */
    const char *name;      /* the last component of the path, in the caller's string */
    bool is_view;
    struct spec spec; /* of a view */
};

/* -ENOENT when the path neither exists nor is the name of a view, with the reason. */
int place_open(struct place *p, const char *path, const struct engine_options *o, struct err *err);
/* What lies there: a view by @spec (p->spec, or one that belongs to it), or, for one that is no
 * view, the model. Messages begin with the name. */
int place_view(struct view **out, const struct place *p, const struct spec *spec, struct err *err);
int place_model(struct model **out, const struct place *p, struct err *err);

void place_close(struct place *p);

/* Of a view the spec of one file that has its weights: a folder's as they are in one safetensors.
 */
struct spec place_weights(const struct place *p);
