/* SPDX-License-Identifier: Apache-2.0
 * formats/model.h - what every reader produces: the tensors of a source, its metadata, and the
 * files they lie in. Read-only once it is built, counted, shared by all views of the source. */
#pragma once
#include "formats/kv.h"
#include "formats/source.h"
#include "formats/tensor.h"

struct container; /* formats/container.h: the format it was read from */
struct adapter;   /* formats/adapter.h: what a folder of PEFT says */
struct onnx_model; /* formats/onnx/onnx_model.h: the graph of an ONNX file */
struct folder;    /* formats/folder.h: config, tokenizer and card of a Hugging Face folder */

enum { MODEL_MAX_TENSORS = 1 << 20, MODEL_MAX_SOURCES = 4096 };

struct model {
    _Atomic uint32_t refs;
    struct arena arena;
    struct str name; /* as users know it: file name without extension, or the folder's name */
    const struct container *container;
    struct source **sources;
    uint32_t n_sources;
    struct tensor *tensors; /* in the order of the files */
    uint32_t n_tensors;
    const struct tensor *stored; /* of a quantized folder: those in its files; else NULL */
    uint32_t n_stored;
    struct kv_list kvs;    /* GGUF: all of it, split.* included; safetensors: none */
    struct str metadata;   /* safetensors: the text of __metadata__ as JSON, or empty */
    struct folder *folder; /* NULL unless a Hugging Face folder; of an adapter: its base */
    struct adapter *adapter; /* NULL unless a folder of PEFT */
    struct onnx_model *onnx; /* NULL unless ONNX; in the arena */
    struct model **parts;    /* of a merged model: what it was made of, which owns the folder */
    uint32_t n_parts;
    uint32_t *by_name;     /* hash table of tensor index + 1; n_slots is a power of two */
    uint32_t n_slots;
};

int model_new(struct model **out, struct str name, struct err *err);
struct model *model_ref(struct model *m);
void model_unref(struct model *m); /* NULL and half-built models are fine */

/* Takes over one reference of @s, on failure too. The index, or a negative errno. */
int model_add_source(struct model *m, struct source *s, struct err *err);

/* By name, from the tensor @first on. */
void model_sort(struct model *m, uint32_t first);

/* Build the name table after the last tensor: -EBADMSG for a name that occurs twice. */
int model_index(struct model *m, struct err *err);
const struct tensor *model_find(const struct model *m, struct str name);

/* Bytes of memory that the model holds, what its views share included. */
uint64_t model_bytes(const struct model *m);

/* For each source the hash of its identity, as expr_hash takes it; free() it. NULL: no memory. */
struct hash128 *model_source_hashes(const struct model *m);
