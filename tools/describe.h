/* SPDX-License-Identifier: Apache-2.0
 * tools/describe.h - a model in words, or as JSON, on stdout. */
#pragma once
#include "fs/view.h"
#include <stdbool.h>

struct describe {
    bool json, tensors; /* tensors: list each */
};

/* @v: the view whose tensors and metadata @m holds; NULL for a model on disk. */
void describe_model(const struct describe *how, const char *path, const struct model *m,
                    const struct view *v);
int describe_view(const struct describe *how, const char *path, struct view *v, struct err *err);

/* Name of its architecture, as its format has it; empty when nothing says so. */
struct str describe_architecture(const struct model *m);
