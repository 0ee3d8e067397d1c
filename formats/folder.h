/* SPDX-License-Identifier: Apache-2.0
 * formats/folder.h - a Hugging Face folder: what its small files say, and which files hold its
 * weights. */
#pragma once
#include "formats/folder_trace.h"
#include "formats/model.h"
#include "formats/source.h"
#include <pthread.h>

struct json;
struct tokenizer_memo; /* formats/tokenizer/memo.h */
struct tokenizer_store;

/* How the folder is laid out. */
enum folder_layout {
    LAYOUT_HF,
    LAYOUT_MISTRAL, /* params.json is in the place of config.json, and @config has it */
    LAYOUT_META     /* likewise; with the weights @config is what transformers' script writes:
                     * formats/original.h */
};

struct folder {
    struct root *root; /* borrowed */
    struct str path;   /* relative to the root, with a NUL behind; "" for SRC itself */
    struct str name;   /* of the folder, or of the repository in a hub cache */
    struct json *config, *generation_config, *tokenizer_config; /* NULL: absent */
    enum folder_layout layout;
    struct hash128 configs; /* of the text of these three */
    /* Larger files (tokenizer.model, tokenizer.json, README.md) are read when a form needs them. */
    struct tokenizer_slot *tokenizer;
    struct tokenizer_store *store; /* borrowed; where other folders' memos are; may be NULL */
    struct folder_trace *trace;    /* all that is looked at is written down here; may be NULL */
};

/* The tokenizer's pairs, made by the first form that needs them (formats/tokenizer/tokenizer.c). */
struct tokenizer_slot {
    pthread_mutex_t lock;
    struct tokenizer_memo *memo;
};

enum {
    FOLDER_MAX_CONFIG = 16 << 20,     /* bytes: config.json and its like */
    FOLDER_MAX_TOKENIZER = 128 << 20, /* bytes: tokenizer.json, tokenizer.model */
    FOLDER_MAX_CARD = 8 << 20,        /* bytes: README.md */
    FOLDER_MAX_ENTRIES = 1 << 16,
};

struct tokenizer_slot *tokenizer_slot_new(void);         /* NULL: no memory */
uint64_t tokenizer_slot_bytes(struct tokenizer_slot *s); /* a fair share of what is in it */

/* f->config, from config.json, or else from params.json. -ENOENT where there is neither, -EBADMSG
 * for what is no JSON object. */
int folder_config(struct folder *f, struct err *err);

/* m->folder: name and small files of the folder at @path, without its weights. */
int folder_open(struct model *m, struct root *root, const char *path, struct err *err);
void folder_free(struct folder *f); /* what is malloced; the rest is in the model's arena */

/* What views of the folder at @path are called: its own name, or, for a snapshot of a hub cache
 * (models--ORG--NAME/snapshots/REV), NAME. In @a. False: no memory. */
bool folder_name(struct arena *a, const struct root *root, const char *path, struct str *out);

/* Is @name a regular file in the folder (a link to one counts)? */
bool folder_has(const struct folder *f, const char *name);

/* The file @name as source_slurp has it, errors prefixed with the name. -ENOENT when absent. */
int folder_slurp(const struct folder *f, const char *name, uint64_t limit, char **out, size_t *n,
                 struct err *err);

/* As source_hash has it. */
int folder_hash_file(const struct folder *f, const char *name, uint64_t limit, struct hasher *h,
                     struct err *err);

/* The JSON file @name; *out is NULL when there is none. */
int folder_json(const struct folder *f, const char *name, uint64_t limit, struct json **out,
                struct err *err);

/* The same for what the converter ignores where it is not JSON. */
void folder_optional(struct folder *f, const char *name, struct json **out);

/* The names in @dir (below the folder; "" is the folder), sorted by bytes, in @a. Absent: none. */
int folder_list(const struct folder *f, const char *dir, struct arena *a, struct str **names,
                uint32_t *n, struct err *err);

/* The identity of all that a conversion of the folder may depend on: its name, the name and
 * identity of every file in it. *mtime_ns: of the newest. Costs one readdir and a stat a file. */
int folder_hash(struct root *root, const char *path, struct hash128 *out, int64_t *mtime_ns,
                struct err *err);
