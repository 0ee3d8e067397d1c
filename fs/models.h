/* SPDX-License-Identifier: Apache-2.0
 * fs/models.h - which models lie in a folder of SRC, by names and file types alone;
 * where a suffix is everybody's (.bin), by the first bytes too. */
#pragma once
#include "formats/source.h"
#include "formats/str.h"
#include <limits.h>

enum model_kind {
    MODEL_FOLDER,
    MODEL_GGUF,
    MODEL_SAFETENSORS,
    MODEL_TORCH,
    MODEL_ONNX,
    MODEL_ADAPTER, /* a folder of PEFT */
    MODEL_KINDS
};

struct found_model {
    enum model_kind kind;
    char name[NAME_MAX + 1]; /* NAME of its views */
    char org[NAME_MAX + 1];  /* in a hub cache, else empty */
    char path[PATH_MAX];     /* relative to the root */
};

/* A Hugging Face folder: config.json lies in it, and safetensors or pytorch_model*.bin; or one of
 * PEFT, which need not have a config.json. */
bool models_is_folder(const struct root *root, const char *path);

/* What one entry of @dir is: a model file, a model folder, a repository of a hub cache. A split
 * GGUF is found under its first part, and not under the others. */
bool models_classify(struct root *root, const char *dir, const char *entry,
                     struct found_model *out);

/* SRC itself, where it is a model folder. */
bool models_root(struct root *root, struct found_model *out);

/* The source of the views of @stem in @dir: architecture.md, "Who is meant". @prefer: the kind
 * that comes first. */
bool models_find(struct root *root, const char *dir, struct str stem, enum model_kind prefer,
                 struct found_model *out);

/* "DIR/ENTRY", or ENTRY in the root; false if it is too long. */
bool models_join(const char *dir, const char *entry, char out[PATH_MAX]);
