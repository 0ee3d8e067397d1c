/* SPDX-License-Identifier: Apache-2.0
 * tools/tools.c - the table of verbs. */
#include "tools/tools.h"
#include <stddef.h>
#include <string.h>

const struct tool tools[] = {
    { 0 },
};

const struct tool *tool_find(const char *name) {
    for (const struct tool *t = tools; t->name; t++) {
        if (strcmp(t->name, name) == 0)
            return t;
    }
    return NULL;
}
