/* SPDX-License-Identifier: Apache-2.0
 * tools/model_list.h - the models that lie in a folder which is none itself. */
#pragma once
#include "formats/err.h"
#include <stddef.h>

struct model_list {
    char **paths; /* sorted; each begins with the folder's */
    size_t n, cap;
};

/* Those of @path; none where it is no folder, or a model itself: also one that lacks its
 * config.json, as an index of shards or a tokenizer beside the weights shows. */
int model_list_open(struct model_list *out, const char *path, struct err *err);
void model_list_close(struct model_list *l);
