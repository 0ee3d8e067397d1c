/* SPDX-License-Identifier: Apache-2.0
 * formats/container.h - the formats that can be read; the table is the list. */
#pragma once
#include "formats/model.h"
#include <limits.h>

enum container_kind {
    CONTAINER_GGUF,
    CONTAINER_SAFETENSORS,
    CONTAINER_FOLDER,
    CONTAINER_TORCH,
    CONTAINER_ADAPTER,
    CONTAINER_ONNX,
    CONTAINER_COUNT,
};

enum { SNIFF_BYTES = 32 }; /* that every sniff() is content with */

struct container {
    enum container_kind kind;
    const char *name;                             /* "gguf" */
    const char *suffixes[4];                      /* ".gguf"; none for folders */
    bool (*sniff)(const uint8_t *head, size_t n); /* NULL: known by its suffix, or a folder */
    int (*read)(struct model *m, struct root *root, const char *path, struct err *err);
};

extern const struct container containers[CONTAINER_COUNT];

/* Read the headers of what lies at @path: the kind is found from its content (a folder: from
 * config.json). A split GGUF is given by any of its parts. 64 bytes to a few MB are read, no
 * weight. @path: relative to @root. */
int model_open(struct model **out, struct root *root, const char *path, struct err *err);

/* What users call the model in file @path: without folder, part and extension. */
struct str model_file_name(const char *path);

/* Readers. */
int gguf_read(struct model *m, struct root *root, const char *path, struct err *err);
int safetensors_read(struct model *m, struct root *root, const char *path, struct err *err);
int torch_read(struct model *m, struct root *root, const char *path, struct err *err);
int onnx_read(struct model *m, struct root *root, const char *path, struct err *err);
int folder_read(struct model *m, struct root *root, const char *path, struct err *err);

/* The folder of the config.json that belongs to the file @path: its own, or the one above where that
 * is called "onnx", as exporters lay it out. False: there is none. */
bool model_config_dir(struct root *root, const char *path, char out[PATH_MAX]);

/* The identity of everything that lies at @path and that a view of it may depend on: of the file,
 * of all parts of a split GGUF, of a folder's files. *mtime_ns: of the newest. Reads no content. */
int model_identity(struct root *root, const char *path, struct hash128 *out, int64_t *mtime_ns,
                   struct err *err);
