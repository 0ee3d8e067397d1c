/* SPDX-License-Identifier: Apache-2.0
 * tools/view_model.h - a view's own tensors and metadata. */
#pragma once
#include "fs/view.h"

/* A view that was read back: its headers are written to a sparse file, and the reader of its
 * format reads them; so what is told is what a client finds. */
struct view_model {
    struct root *root;
    struct model *model;
    char dir[64]; /* of the sparse file; empty: none */
};

int view_model_open(struct view_model *r, const struct view *v, struct err *err);
void view_model_close(struct view_model *r);
