/* SPDX-License-Identifier: Apache-2.0
 * formats/torch.h - what PyTorch writes, the inside shared by torch_*.c. A file is a pickle, which
 * tells of tensors, and storages, which hold their numbers. */
#pragma once
#include "formats/model.h"
#include "formats/pickle.h"

/* Append the tensors of @s, which the model takes over, on failure too. No model_index. @plain:
 * the names of the outermost dict as they are; else the usual keys and prefixes around the weights
 * are left away. */
int torch_read_into(struct model *m, struct source *s, bool plain, struct err *err);

/* --- names: torch_names.c --- */

bool torch_allows(struct str module, struct str name);
bool torch_allows_script(struct str module, struct str name); /* classes of TorchScript too */

/* Of "torch.FloatStorage" and of "torch.float32". *dtype is DTYPE_NONE for an untyped storage and
 * for types that weightfs does not have; false: it is no such name. */
bool torch_storage_dtype(struct str global, enum dtype *dtype);
bool torch_dtype(struct str global, enum dtype *dtype);
/* Of "torch.QInt8Storage": the integers that lie there. False: it is no storage of quantized ones.
 */
bool torch_quantized_dtype(struct str global, enum dtype *dtype);

/* How torch.save names a type: *is_new when it has no storage of its own, but is written as an
 * untyped one. NULL: PyTorch does not have the type. */
const char *torch_dtype_name(enum dtype dtype, bool *is_new);

/* The i-th name under which people keep the weights in a dict, and of a prefix that wrappers of a
 * model put before all names; NULL after the last. */
const char *torch_usual_key(uint32_t i);
const char *torch_usual_prefix(uint32_t i);

/* --- values into tensors: torch_walk.c --- */

/* A storage, or a part of one. */
struct torch_storage {
    struct str key;
    enum dtype dtype;      /* DTYPE_NONE: bytes */
    bool quantized;        /* integers of quantized tensors */
    uint64_t first, elems; /* elements of the part; of a byte each where it is untyped */
    uint64_t off, bytes;   /* of the whole storage: its place in the file */
};

/* What the persistent id @stored says; off and bytes are left alone. */
int torch_storage_parse(struct torch_storage *out, const struct pickle *stored, struct err *err);

struct torch_file {
    struct model *m;
    uint32_t src;
    bool plain;
    const struct pickle *root;
    /* Fills off and bytes of the storage with the key that it has. */
    int (*locate)(const struct torch_file *f, struct torch_storage *s, struct err *err);
    const void *user;
};
int torch_walk(const struct torch_file *f, struct err *err);

/* --- quantized tensors: torch_quantized.c --- */

struct torch_qparams {
    bool per_channel;
    double scale; /* of all, as the next; else: */
    int64_t zero;
    struct tensor scales, zeros; /* one-dimensional, in the file; along dimension @axis */
    uint64_t axis;
};

/* The scales of a file's tensors, which lie nowhere in it as they are needed. */
struct torch_scales {
    float *values; /* free() it */
    uint64_t n, cap;
};

/* @t, integers in the file, as floats. -ENOTSUP with the reason for what cannot be told so. */
int torch_unpack(const struct torch_file *f, struct torch_scales *all, struct tensor *t,
                 const struct torch_qparams *q, struct err *err);
/* After the last: the scales become a source of the model. @first: its first tensor of the file. */
int torch_scales_end(const struct torch_file *f, struct torch_scales *all, uint32_t first,
                     struct err *err);

/* --- before version 1.6: torch_legacy.c --- */
int torch_legacy_read(struct torch_file *f, struct source *s, struct err *err);
bool torch_is_legacy(const uint8_t *head, size_t n);
bool torch_is_tar(const uint8_t *head, size_t n);
