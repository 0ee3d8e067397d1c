/* SPDX-License-Identifier: Apache-2.0
 * formats/err.c - filling struct err. */
#include "formats/err.h"
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* File names and metadata end up in messages: no control characters reach a log or a terminal. */
static void make_printable(char *s) {
    for (; *s; s++)
        if ((unsigned char)*s < 0x20 || *s == 0x7f)
            *s = '?';
}

int err_set(struct err *err, int code, const char *fmt, ...) {
    if (!err || err->code)
        return code;
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(err->msg, sizeof err->msg, fmt, ap);
    va_end(ap);
    make_printable(err->msg);
    err->code = code;
    return code;
}

void err_prefix(struct err *err, const char *where) {
    const size_t n = strlen(where);
    if (!err || !err->code || !n || (strncmp(err->msg, where, n) == 0 && err->msg[n] == ':'))
        return;
    char old[sizeof err->msg];
    memcpy(old, err->msg, sizeof old);
    snprintf(err->msg, sizeof err->msg, "%.100s: %.150s", where, old);
    make_printable(err->msg);
}
