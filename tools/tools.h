/* SPDX-License-Identifier: Apache-2.0
 * tools/tools.h - the verbs of the program, `weightfs VERB ...`; fs/main.c looks its first argument
 * up here before it takes it for a folder to mount. */
#pragma once

/* What a verb exits with; the mount's own statuses agree (mount(8)). */
enum tool_exit {
    TOOL_OK = 0,
    TOOL_USAGE = 1,  /* the command line is wrong; nothing was done */
    TOOL_FAILED = 2, /* something failed; the reason is on stderr */
};

struct tool {
    const char *name;
    const char *help;                  /* one line */
    int (*run)(int argc, char **argv); /* argv[0] is the verb; returns enum tool_exit */
};

extern const struct tool tools[]; /* ends with a row whose name is NULL */

/* NULL: @name is no verb. */
const struct tool *tool_find(const char *name);
