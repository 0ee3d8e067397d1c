/* SPDX-License-Identifier: Apache-2.0
 * formats/profile.h - named ways to quantize, from weightfs.yaml: docs/profiles.md. */
#pragma once
#include "formats/arena.h"
#include "formats/source.h"
#include "formats/spec.h"

struct regex;

struct profile_pattern { /* --tensor-type */
    struct regex *regex; /* anywhere in a tensor's name */
    enum dtype type;
};

enum override_kind { OVERRIDE_INT, OVERRIDE_FLOAT, OVERRIDE_BOOL, OVERRIDE_STR };

struct profile_override { /* --override-kv */
    const char *key;
    enum override_kind kind;
    union {
        int64_t i; /* INT, BOOL */
        double f;
        struct str s;
    };
};

struct profile {
    struct arena arena;
    struct spec spec;                 /* type and options */
    struct profile_pattern *patterns; /* the first that fits decides */
    uint32_t n_patterns;
    struct profile_override *overrides;
    uint32_t n_overrides;
    struct str *include, *exclude; /* parts of names in an imatrix; one of the two at most */
    uint32_t n_include, n_exclude;
    uint32_t *prune; /* numbers of layers, ascending */
    uint32_t n_prune;
};

enum { PROFILE_MAX_FILE = 256 << 10 /* bytes */, PROFILE_MAX_LAYER = 9999 };

/* The profile @name in the file at @path. -ENOENT when there is no such file or profile; -EBADMSG
 * with file and line when it is not well formed. */
int profile_open(struct profile **out, struct root *root, const char *path, const char *name,
                 struct err *err);
void profile_close(struct profile *p); /* NULL is fine */

/* Does the imatrix entry @name count? */
bool profile_includes(const struct profile *p, struct str name);
