/* SPDX-License-Identifier: Apache-2.0
 * formats/arch/work.h - the state of one conversion of a Hugging Face folder, and what the parts
 * of formats/arch/ share. */
#pragma once
#include "formats/arch/family.h"
#include "formats/folder.h"
#include "formats/packed.h"
#include "formats/model_name.h"

/* The tensors of a block's experts, until the last of them is met. */
struct expert_block {
    const struct tensor **parts; /* by rule, then by expert */
    uint64_t n;
};

struct arch_work {
    struct form *form;
    const struct model *model;
    const struct folder *folder;
    const struct arch *arch;
    struct str class_name; /* of config.json */
    struct hf_config config;
    struct rope rope;
    enum outtype out;         /* AUTO is resolved */
    bool rounded;             /* it was AUTO: values pass through the type that they get */
    enum dtype stored_blocks; /* of weights that are written as they are; NONE: no such */
    uint64_t n_layer;         /* with the n_mtp behind the others */
    uint64_t n_mtp, n_head, n_head_kv, n_expert;
    struct json *preprocessor[2]; /* projectors: clip.c */
    struct expert_block *blocks;  /* n_layer of them; NULL without experts */
    void *own;                    /* what arch.own keeps from one tensor to the next */
    uint32_t cap;                 /* of form->targets */
    struct err *err;
};

/* arch.c: find the row for the folder's config.json, and read what the rules need of it. */
int arch_begin(struct arch_work *w);
void arch_end(struct arch_work *w);
/* arch.c: the same for the architecture of a GGUF; there is no folder then. */
int arch_begin_gguf(struct arch_work *w);
/* arch.c: what the rules make of @t, added to the form. */
int arch_add_tensor(struct arch_work *w, const struct tensor *t);
/* arch.c: the rule for a folder's tensor @name; NULL: none. */
const struct tensor_rule *arch_rule(const struct arch_work *w, struct str name);
/* reverse.c: the row of the GGUF's general.architecture; NULL: none. Several classes become one
 * architecture: the row that has the kind of model, *@how (NULL: wanted by nobody), stands for it;
 * where none has, the first, and *@how is NULL. */
const struct arch *arch_by_gguf(const struct model *m, const struct arch_back **how);
/* arch.c: @name with @edit made, wherever it fits. */
struct str arch_edit_name(struct arena *a, struct str name, const struct name_edit *edit);
/* arch.c: is @word one of @words, which spaces separate? */
bool arch_has_word(const char *words, struct str word);
/* arch.c: of the form as it is. */
struct param_count arch_count_params(const struct form *f);
/* arch.c: outtype auto, by the first tensor of two or more dimensions. */
enum outtype arch_guess_type(const struct arch_work *w);

/* complete.c: names a tensor that the folder should have and has not, or of which it has two. */
int arch_check_complete(struct arch_work *w);

/* fuse.c: the form's tensors as form->how wants them. */
int arch_fuse(struct arch_work *w);

/* stored_blocks.c: what the rules make of weights whose blocks are those of a GGUF. */
int arch_add_blocks(struct arch_work *w);
/* general.tensor_extra.*: which of them want activations of 16 bits. */
int arch_add_precision(struct arch_work *w);
static inline bool arch_keeps_blocks(const struct tensor *t) {
    return t->packed && t->packed->blocks != DTYPE_NONE;
}

/* work.c: pairs. A @key that begins with '.' gets the architecture's name in front. */
int work_u32(struct arch_work *w, const char *key, uint64_t value);
int work_f32(struct arch_work *w, const char *key, double value);
int work_bool(struct arch_work *w, const char *key, bool value);
int work_str(struct arch_work *w, const char *key, struct str value);
int work_array(struct arch_work *w, const char *key, enum kv_type type, const void *elems,
               uint64_t n);
void work_remove(struct arch_work *w, const char *key);
bool work_has(struct arch_work *w, const char *key);
int work_quantization_version(struct arch_work *w);
int work_no_memory(const struct arch_work *w);
/* work.c: the one number of a tensor; it is read. */
int work_read_number(struct arch_work *w, const struct tensor *t, float *out);

/* work.c: a target with the type that the converter gives a tensor of that name and shape. */
int work_target(struct arch_work *w, struct str name, const uint64_t *dims, uint32_t n_dims,
                const struct expr *expr);

/* hparams.c */
int hparams_add(struct arch_work *w);
int hparams_add_list(struct arch_work *w, const struct hparam *list);

/* names.c: does @pattern of a rule fit @name? The numbers are those of '#' and '*'. */
struct name_match {
    uint64_t block, expert;
    struct str rest; /* "", ".weight" or ".bias" */
};
bool name_matches(const char *pattern, struct str name, struct name_match *out);
struct str name_build(struct arena *a, const char *pattern, const struct name_match *m);

/* tensor_ops.c */
int op_to_gguf(struct arch_work *w, const struct tensor *t, const struct tensor_rule *rule,
               const struct name_match *match);
/* tensor_ops.c: a decay, of whose logarithm @e has the values, which are stored as @stored: minus its
 * exponential, of f16 in f16. */
const struct expr *op_decay(struct arena *a, const struct expr *e, enum dtype stored);

/* The experts' tensors of which a block has not all kinds, as adapters may: what there is of each. */
int op_end_experts(struct arch_work *w);

/* nearest.c: the class of a row whose name is most like @name; p is NULL where none is. */
struct str nearest_class(struct str name);
