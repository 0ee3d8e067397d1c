/* SPDX-License-Identifier: Apache-2.0
 * tools/tools.c - the table of verbs. */
#include "tools/verbs.h"
#include <stddef.h>
#include <string.h>

const struct tool tools[] = {
    { "ls", "list the models of a folder and their views", tool_ls },
    { "info", "tell what a model or a view consists of", tool_info },
    { "convert", "write a view to an ordinary file", tool_convert },
    { "compare", "tell how far the numbers of two models or views are apart", tool_compare },
    { "validate", "check that a model or a view is sound", tool_validate },
    { "types", "list the types, with bits a weight and measured rates", tool_types },
    { "warm", "convert views now, into the cache", tool_warm },
    { "status", "tell what a mount does", tool_status },
    { "cache", "look at the cache, check it, empty it", tool_cache },
    { 0 },
};

const struct tool *tool_find(const char *name) {
    for (const struct tool *t = tools; t->name; t++) {
        if (strcmp(t->name, name) == 0)
            return t;
    }
    return NULL;
}
