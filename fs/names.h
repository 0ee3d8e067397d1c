/* SPDX-License-Identifier: Apache-2.0
 * fs/names.h - what the names in the mount stand for: things of SRC as they are, and views,
 * NAME.FORMAT@SPEC. From names and file types alone: no header is read, and of files only
 * weightfs.yaml is opened, for a SPEC that is no type, and config.json and the head of a GGUF, for
 * a listing. Whether a view can be made is found out by view_stat. Thread-safe. */
#pragma once
#include "formats/spec.h"
#include "formats/source.h"
#include <limits.h>

/* How views are listed; the first form always resolves. */
enum names_style {
    NAMES_AT,  /* NAME.gguf@q4_k_m */
    NAMES_EXT, /* NAME@q4_k_m.gguf */
    NAMES_HUB, /* NAME-Q4_K_M.gguf */
};

enum names_layout {
    LAYOUT_SOURCE, /* as in SRC */
    LAYOUT_FLAT,   /* every view and every GGUF of SRC in the root */
    LAYOUT_HUB,    /* ORG/MODEL/FILE, as LM Studio wants it */
};

struct names_options {
    enum names_style style;
    enum names_layout layout;
    const char *views; /* FORMAT@SPEC:...; "all"; "none"; NULL: up to three a model */
};

struct names;
int names_new(struct names **out, struct root *root, const struct names_options *o,
              struct err *err);   /* -EINVAL: a view in @o->views is not well formed */
void names_free(struct names *n); /* NULL is fine */

enum name_kind {
    NAME_SOURCE, /* what lies at `path` in SRC: file, folder, link ... */
    NAME_VIEW,   /* the view by `spec` of the source at `path` */
    NAME_FOLDER, /* a folder that exists in a layout only; no path */
};

struct name {
    enum name_kind kind;
    char path[PATH_MAX]; /* relative to the root */
    struct spec spec;    /* of a view */
};

/* What @name in folder @dir of the mount is. @dir: a path in the mount, "" for its root; in
 * LAYOUT_SOURCE that is the path in SRC. -ENOENT: nothing, or not well formed. */
int names_resolve(struct names *n, const char *dir, const char *name, struct name *out);

/* Call @emit for each name in @dir (not . and ..); it returns nonzero to stop. @type: DT_REG,
 * DT_DIR, DT_LNK ... Views come after what is in SRC. 0 or a negative errno. */
typedef int names_emit(void *user, const char *name, unsigned char type);
int names_list(struct names *n, const char *dir, names_emit *emit, void *user);

/* The model to which a file or folder of SRC belongs, for attributes and tools: true if views can
 * be made of @path (a model file, or a Hugging Face folder). */
bool names_is_source(struct names *n, const char *path);

/* Take the path of a view apart: "DIR/NAME.gguf@q4_0" with DIR and NAME... existing in the file
 * system. For the tools: *dir is malloced and to be opened as a root, *name points into @path. */
int names_split_path(const char *path, char **dir, const char **name);
