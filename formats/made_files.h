/* SPDX-License-Identifier: Apache-2.0
 * formats/made_files.h - a view that is a folder: the files in it that are made, each with its own
 * layout, and those of the source's folder that are passed on. */
#pragma once
#include "formats/buffer.h"
#include "formats/plan.h"

struct folder;
struct made_files;

/* Append the file's bytes to @l. @i: as it was added. */
typedef int made_file_fn(const struct made_files *f, struct layout *l, uint32_t i);

struct made_file {
    struct str name; /* terminated */
    made_file_fn *make;
    uint32_t i;
};

/* Lack of memory is remembered, as struct buffer does it: add all, then lay or list. */
struct made_files {
    struct arena *arena; /* the view's */
    const struct model *m;
    const void *user; /* the maker's own */
    struct made_file *items;
    uint32_t n, cap;
    bool failed;
    struct err *err;
};

/* @name.p NULL counts as no memory. */
void made_files_add(struct made_files *f, struct str name, made_file_fn *make, uint32_t i);

/* The file @file alone (-ENOENT: there is none), or, where it is empty, all of them, one behind the
 * other. */
int made_files_lay(const struct made_files *f, struct layout *l, const char *file);

/* These, and of the source's folder (if it is one) all that no weight is in, that is not hidden,
 * and whose name no file made has. */
int made_files_list(const struct made_files *f, struct file_list *out);

/* Append a text, and release it. */
int made_files_text(const struct made_files *f, struct layout *l, struct buffer *b);

/* made_tokenizer.c: what says how to split text and when to stop, of a GGUF: tokenizer.json,
 * tokenizer_config.json, generation_config.json. */
void made_files_add_tokenizer(struct made_files *f);
