/* SPDX-License-Identifier: Apache-2.0
 * formats/err.h - why something failed: an errno and a sentence for the user. */
#pragma once

struct err {
    int code;      /* negative errno; 0: nothing failed */
    char msg[256]; /* what, where, and what to do about it; no newline */
};

/* Fill @err (which may be NULL) and return @code, so that a fault reads `return err_set(...)`.
 * An error that is filled already keeps its first message: the cause, not the consequence. */
int err_set(struct err *err, int code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* Put "WHERE: " in front of the message, for example the file that a reader was given; not twice,
 * and not where @where is empty. */
void err_prefix(struct err *err, const char *where);
