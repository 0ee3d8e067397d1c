/* SPDX-License-Identifier: Apache-2.0
 * formats/folder.h - a Hugging Face folder: what its small files say. */
#pragma once
#include "formats/arena.h"
#include "formats/source.h"

struct json;

struct folder {
    struct root *root; /* borrowed */
    struct str path;   /* relative to the root; "" for SRC itself */
    struct str name;   /* of the folder, or of the repository in a hub cache */
    struct json *config, *generation_config, *tokenizer_config; /* NULL: absent */
    /* Larger files (tokenizer.model, tokenizer.json, README.md) are read when a form needs them. */
};

void folder_free(struct folder *f); /* what is malloced; the rest is in the model's arena */

/* The identity of all that a conversion of the folder may depend on: its name, the name and identity
 * of every file in it. *mtime_ns: of the newest. Costs one readdir and a stat a file. */
int folder_hash(struct root *root, const char *path, struct hash128 *out, int64_t *mtime_ns,
                struct err *err);
