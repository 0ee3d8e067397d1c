/* SPDX-License-Identifier: Apache-2.0
 * fs/options_table.h - the options behind -o: one row each, for the parser and for --help. */
#pragma once
#include "fs/options.h"

struct option_row {
    const char *name;         /* with '=' when it takes a value */
    const char *value, *help; /* NULL help: accepted, not shown */
    /* NULL: accepted and without effect. @value is NULL when the row takes none. False: the value
     * makes no sense, and @why (of OPTION_WHY bytes) says what would. */
    bool (*set)(struct options *o, const char *value, char *why);
};

enum { OPTION_WHY = 256 };

extern const struct option_row option_table[]; /* ends with a row whose name is NULL */

/* Keep a malloced string until options_fini; NULL when there is no memory. */
char *options_own(struct options *o, char *s);
