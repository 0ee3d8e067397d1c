/* SPDX-License-Identifier: Apache-2.0
 * fs/log.c - where messages go. */
#include "fs/log.h"
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <syslog.h>

/* The one piece of global state: a message may come from any thread at any depth, and none of the
 * functions on its way has a use for a logger of its own. */
static struct {
    atomic_int level;
    atomic_bool to_syslog;
} state = { LOG_LEVEL_WARNING, false };

void log_open(enum log_level level, int to_syslog) {
    state.level = (int)level;
    state.to_syslog = to_syslog;
    if (to_syslog)
        openlog("weightfs", LOG_PID, LOG_DAEMON);
}

void log_line(enum log_level level, const char *fmt, ...) {
    static const int priority[] = { LOG_ERR, LOG_WARNING, LOG_INFO, LOG_DEBUG };
    if ((int)level > state.level)
        return;
    char line[1024];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(line, sizeof line, fmt, ap);
    va_end(ap);
    if (state.to_syslog)
        syslog(priority[level], "%s", line);
    else
        fprintf(stderr, "weightfs: %s\n", line);
}
