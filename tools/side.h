/* SPDX-License-Identifier: Apache-2.0
 * tools/side.h - the tensors of a model on disk or of a view, by name and as floats. */
#pragma once
#include "tools/place.h"
#include "tools/view_model.h"

struct side {
    struct place place;
    struct view *view;         /* NULL: a model on disk */
    struct view_model headers; /* of the view */
    struct model *model;       /* the tensors; owned unless it is the view's */
};

/* A Hugging Face folder that is to be compared with a GGUF is taken as the GGUF of it. */
int side_open(struct side *s, const char *path, const struct engine_options *o, struct err *err);
int side_as_gguf(struct side *s, struct err *err);
void side_close(struct side *s);

/* Elements [first, first + n) of @t as floats; @first and @n are whole blocks. @raw has room for
 * them as they are stored. Thread-safe. */
int side_read(const struct side *s, const struct tensor *t, uint64_t first, uint64_t n, void *raw,
              float *dst, struct err *err);
