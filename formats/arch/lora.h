/* SPDX-License-Identifier: Apache-2.0
 * formats/arch/lora.h - adapters through the rules of an architecture. */
#pragma once
#include "formats/adapter.h"
#include "formats/arch/work.h"

/* What an adapter changes in a GGUF. */
struct lora_target {
    const struct target *whole; /* the tensor, or the matrix b a as if it lay somewhere */
    struct lora_pair pair;      /* of @is_pair; named as the target */
    bool is_pair;
};

/* What the rules of w->arch make of @in, which has the names of Hugging Face: targets of w->form,
 * whose type does not matter, and their factors. */
int lora_through_rules(struct arch_work *w, struct lora_list *in, struct lora_target **out,
                       uint32_t *n);

/* lora_names.c: the names that the modules of @list have in files, by @knows, who is asked for each
 * that it may have. Stacks of experts whose matrices are files' tensors of their own are split. */
typedef bool lora_knows_fn(const void *user, struct str name);
int lora_find_names(struct lora_list *list, struct arena *a, lora_knows_fn *knows, const void *user,
                    struct err *err);

/* Pairs in the names of Hugging Face become those of a GGUF, and the other way round, by the rules
 * of the base's architecture. */
int lora_to_gguf(const struct model *base, struct arena *a, struct lora_list *list,
                 struct err *err);
int lora_to_hf(const struct model *base, struct arena *a, struct lora_list *list, struct err *err);
/* Pairs of PEFT, which knows no Conv1D, as the base keeps its matrices. */
int lora_turn_list(const struct model *base, const struct adapter *adapter, struct arena *a,
                   struct lora_list *list, struct err *err);

/* -ENOTSUP, with the name. */
int lora_cannot(struct err *err, struct str name);

/* The pair of the transposed matrix. False: no memory, or blocks. */
bool lora_turn(struct arena *arena, struct lora_pair *pair);
