/* SPDX-License-Identifier: Apache-2.0
 * tools/view_model.h - a view's own tensors and metadata. */
#pragma once
#include "fs/view.h"

/* A view that was read back: its headers are written to a sparse file, and the reader of its
 * format reads them; so what is told is what a client finds. Numbers are rendered when they are
 * read. */
struct view_model {
    struct root *root;
    struct model *model;
    struct view *data; /* of an ONNX model with a data file; or NULL */
    char dir[64];      /* of the sparse files; empty: none */
};

/* @v must live as long. */
int view_model_open(struct view_model *r, struct view *v, struct err *err);
void view_model_close(struct view_model *r);
