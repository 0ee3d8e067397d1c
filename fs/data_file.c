/* SPDX-License-Identifier: Apache-2.0
 * fs/data_file.c - asks the plan of a view whether its weights lie beside it. */
#include "fs/data_file.h"
#include "formats/container.h"
#include "fs/view.h"
#include <stdio.h>
#include <string.h>

bool data_file_find(struct engine *e, struct names *n, const char *dir, const char *view,
                    struct name *found, char name[NAME_MAX + 1]) {
    char source[PATH_MAX];
    struct view_info info;
    if (names_resolve(n, dir, view, found) < 0 || found->kind != NAME_VIEW ||
        found->spec.format != FORMAT_ONNX || found->spec.data ||
        !str_ends(str_from(found->path), STR(".onnx")))
        return false;
    found->spec.data = true;
    snprintf(source, sizeof source, "%s", found->path);
    return view_stat(e, source, &found->spec, &info, NULL) == 0 && !info.error.code &&
           name_format(model_file_name(source), &found->spec, NAMES_AT, name, NAME_MAX + 1) &&
           names_resolve(n, dir, name, found) == 0 && found->kind == NAME_VIEW &&
           strcmp(found->path, source) == 0; /* another model may have the name */
}
