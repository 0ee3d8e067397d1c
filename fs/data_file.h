/* SPDX-License-Identifier: Apache-2.0
 * fs/data_file.h - the weights of an ONNX view, which may lie in a file beside it. */
#pragma once
#include "fs/name_parse.h"

struct engine; /* fs/engine.h */

/* Of the view @view in folder @dir, both as names_list has them: the name of its data file, and in
 * @found what that stands for. Only where the source is an ONNX file: whether there is one stands
 * in its header, which is read; names_list knows the others. Thread-safe. */
bool data_file_find(struct engine *e, struct names *n, const char *dir, const char *view,
                    struct name *found, char name[NAME_MAX + 1]);
