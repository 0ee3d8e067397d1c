/* SPDX-License-Identifier: Apache-2.0
 * formats/recent.h - what was found out about a path of SRC a moment ago. A listing asks the same
 * of a folder once and again for each of its views. What is remembered serves just that: it is
 * forgotten soon enough that a change is still seen within a second, and what must be true of the
 * bytes that are read (view_open) never asks here. Thread-safe; every function takes NULL, where
 * nothing is remembered. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum recent_what { RECENT_KIND, RECENT_KNOWN, RECENT_IDENTITY, RECENT_READERS };

enum {
    RECENT_MS = 250,  /* that an answer holds, from before it was looked for */
    RECENT_BYTES = 48 /* of an answer, at most */
};

struct recent;
struct recent *recent_new(void); /* NULL: no memory */
void recent_free(struct recent *r);

/* A question, made before one looks. @path is borrowed. */
struct recent_key {
    enum recent_what what;
    const char *path;
    uint64_t hash, generation;
    int64_t asked_ms;
};
struct recent_key recent_key(struct recent *r, enum recent_what what, const char *path);

/* The answer, of @n bytes; false: look yourself, and put what you find. */
bool recent_get(struct recent *r, const struct recent_key *k, void *answer, size_t n);
void recent_put(struct recent *r, const struct recent_key *k, const void *answer, size_t n);

/* Something has turned out to be otherwise: forget everything, and what is being looked for. */
void recent_forget(struct recent *r);
