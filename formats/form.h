/* SPDX-License-Identifier: Apache-2.0
 * formats/form.h - a model in the names, shapes and metadata of one family of containers: what a
 * planner writes. For a model that is in the wanted form already each expression is its tensor;
 * otherwise a table in formats/arch/ says how one becomes the other. */
#pragma once
#include "formats/expr.h"
#include "formats/importance.h"
#include "formats/kv.h"
#include "formats/model.h"

struct authorship; /* formats/authorship.h */

struct target {
    struct str name;
    enum dtype dtype; /* its type before any quantization; the expression yields this precision */
    uint32_t n_dims;
    uint64_t dims[TENSOR_MAX_DIMS]; /* slowest first */
    const struct expr *expr;
    const struct importance *importance; /* of its columns, for quantizing; may be NULL */
    bool strict;                         /* as struct layout_how has it */
};

/* What the converter of Hugging Face folders may be told besides the outtype. */
struct convert_options {
    bool fp8_as_q8;         /* --fp8-as-q8: weights stored in fp8 become q8_0 */
    bool fuse_qkv;          /* --fuse-qkv: queries, keys and values of a block in one tensor */
    bool fuse_gate_up_exps; /* --fuse-gate-up-exps: gate and up of its experts likewise */
};

struct form {
    struct arena *arena;    /* the view's: targets, names and expressions live there */
    struct target *targets; /* in the order in which they are written */
    uint32_t n_targets;
    struct kv_list kvs;  /* for GGUF: all pairs in order, general.architecture first; the values lie
                          * in @arena or in the model, and the layout refers to them */
    struct str metadata; /* for safetensors: JSON of __metadata__, or empty */
    const char
        *pre; /* asked for: tokenizer.ggml.pre of a folder, whatever its tokenizer; or NULL */
    struct convert_options how; /* of a folder */
    const struct authorship *authorship; /* of a folder; or NULL */
};

/* The outtypes of the converter of Hugging Face folders. */
enum outtype { OUTTYPE_AUTO, OUTTYPE_F32, OUTTYPE_F16, OUTTYPE_BF16, OUTTYPE_Q8_0 };

/* A model as it is: names, shapes and pairs unchanged. */
int form_identity(struct form *f, const struct model *m, struct err *err);

/* Shapes as ggml has them: slow dimensions of 1 are not written. */
void form_drop_dims(struct form *f);

/* A Hugging Face folder as the GGUF that convert_hf_to_gguf.py makes with --outtype @out: types,
 * pairs and order of tensors are the converter's. formats/arch/arch.c. */
int form_gguf_from_hf(struct form *f, const struct model *m, enum outtype out, struct err *err);

/* The projector of a multimodal folder, as convert_hf_to_gguf.py --mmproj makes it.
 * formats/arch/clip.c. */
int form_mmproj_from_hf(struct form *f, const struct model *m, enum outtype out, struct err *err);
/* Does the folder have one that is known? Reads config.json alone. */
bool form_knows_projector(struct root *root, const char *path);

/* An adapter as convert_lora_to_gguf.py makes it with --outtype @out; @m->folder is the base's.
 * formats/arch/lora.c. */
int form_gguf_from_adapter(struct form *f, const struct model *m, enum outtype out,
                           struct err *err);

/* Is the folder's architecture one that a GGUF can be made of, and are its weights stored in a way
 * that is read? Reads config.json alone, for listings. */
bool form_knows_folder(struct root *root, const char *path);

/* A GGUF in the names, shapes and row order of Hugging Face. formats/arch/arch.c. */
int form_hf_from_gguf(struct form *f, const struct model *m, struct err *err);
