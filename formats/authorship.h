/* SPDX-License-Identifier: Apache-2.0
 * formats/authorship.h - NAME.metadata.json beside a folder: pairs of general.* that take the place
 * of those which the folder itself gives, as convert_hf_to_gguf.py --metadata has them. Source:
 * gguf-py/gguf/metadata.py, Metadata.load (llama.cpp 0c1e570). */
#pragma once
#include "formats/err.h"
#include "formats/json.h"
#include <limits.h>

struct root;

enum { AUTHORSHIP_MAX_FILE = 1 << 20 /* bytes */ };

struct authorship {
    struct json *doc;        /* an object: key of general.* -> value */
    char file[NAME_MAX + 1]; /* for messages */
};

/* The file at @path, relative to the root; authorship_close it. -ENOENT when there is none,
 * -EBADMSG with the file's name for what is not a JSON object. Keys and values are looked at when
 * they are used. */
int authorship_open(struct authorship **out, struct root *root, const char *path, struct err *err);
void authorship_close(struct authorship *a); /* NULL is fine */

/* Does it say anything of @key? *value is its value then; NULL: that there is none (null). @a may
 * be NULL. */
bool authorship_get(const struct authorship *a, const char *key, const struct json **value);

/* -EBADMSG: the value of @key should have been @wanted. */
int authorship_bad(const struct authorship *a, const char *key, const char *wanted,
                   struct err *err);
