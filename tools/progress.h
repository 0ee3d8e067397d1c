/* SPDX-License-Identifier: Apache-2.0
 * tools/progress.h - how far it is, with rate and time left: on a terminal, nothing in a pipe. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

struct progress {
    const char *what; /* borrowed; NULL: show nothing */
    uint64_t all;     /* bytes */
    int64_t start_ns, shown_ns;
};

/* Shown on stderr if that is a terminal and not @quiet. */
void progress_init(struct progress *p, const char *what, uint64_t all, bool quiet);
void progress_step(struct progress *p, uint64_t done); /* at most ten times a second */
/* Wipes the line, and where it was shown says how long @done bytes took. */
void progress_fini(struct progress *p, uint64_t done);
