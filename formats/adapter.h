/* SPDX-License-Identifier: Apache-2.0
 * formats/adapter.h - LoRA adapters: folders as PEFT writes them (adapter_config.json beside
 * adapter_model.safetensors or .bin), and GGUF files of type "adapter". What they change is told in
 * the names of their own format; formats/arch/lora.c translates. */
#pragma once
#include "formats/expr.h"
#include "formats/folder.h"
#include "formats/model.h"
#include <limits.h>

/* To the base's tensor @name, a matrix of b->rows rows and a->cols columns, comes
 * @scale * b a. Stacked experts have matrices of their own, one below the other. */
struct lora_pair {
    struct str name;
    const struct expr *a; /* experts * rank rows */
    const struct expr *b; /* rank columns */
    double scale;
    uint64_t experts;             /* 0: a matrix, no stack */
    const struct expr *magnitude; /* DoRA: the length that each row of the sum gets, rows of one
                                   * element; NULL: it stays as it is */
    bool turned;                  /* the matrix lies the other way round: lengths of its columns */
    bool embedding;               /* PEFT: of a module that looks rows up */
};

struct lora_list {
    struct lora_pair *pairs; /* in the order of their tensors */
    uint32_t n;
    const struct tensor **whole; /* tensors of the adapter's own, in the place of the base's; to one
                                  * that has the name of a pair comes the pair */
    struct str *whole_names;     /* of the base */
    uint32_t n_whole;
};

/* Does a pair of @list change the tensor @name? */
bool lora_has_pair(const struct lora_list *list, struct str name);

/* What a folder of PEFT says besides its tensors. */
struct adapter {
    struct json *config; /* adapter_config.json */
    struct folder own;   /* the adapter's; the model's folder is that of the base */
    struct str base;     /* "base_model_name_or_path"; empty: not said */
};

/* Is the folder at @path an adapter, and not a model with one in it? */
bool adapter_is_folder(const struct root *root, const char *path);

/* Reader of the container; m->folder is NULL where no config.json of the base is found. */
int adapter_read(struct model *m, struct root *root, const char *path, struct err *err);
void adapter_free(struct adapter *a); /* what is malloced; NULL is fine */

/* The folder with the base's config.json, by adapter_config.json alone. */
bool adapter_find_base(struct root *root, const char *path, char out[PATH_MAX]);

/* The identity of all places where the base's config.json is looked for. */
int adapter_base_hash(struct root *root, const char *path, struct hasher *h, struct err *err);

/* Why m->folder is NULL: what was looked for. */
int adapter_no_base(const struct model *m, struct err *err);

/* What the adapter changes. -EBADMSG for tensors that do not fit each other or adapter_config.json,
 * -ENOTSUP for kinds of adapters that are not known. A pair of PEFT whose name ends neither in
 * ".weight" nor in ".bias" is a parameter of that name, a stack of matrices. */
int adapter_pairs(const struct model *m, struct arena *a, struct lora_list *out, struct err *err);
