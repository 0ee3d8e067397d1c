/* SPDX-License-Identifier: Apache-2.0
 * formats/adapter_impl.h - what the files of formats/adapter.h share. */
#pragma once
#include "formats/adapter.h"

struct pairing {
    const struct model *m;
    struct arena *arena;
    struct lora_list *out;
    struct err *err;
};

/* adapter_pairs.c: -EBADMSG where the two are no matrices with the same rank. */
int adapter_check_pair(const struct pairing *p, const struct tensor *a, const struct tensor *b,
                       uint64_t rank, uint64_t other);

static inline const struct expr *adapter_turned(const struct pairing *p, const struct tensor *t) {
    return expr_transpose(p->arena, expr_tensor(p->arena, t), t->dims[0]);
}

/* adapter_peft.c: the pair of a module, @stem of the tensors' names, or of a parameter. */
int adapter_peft_pair(struct pairing *p, const struct tensor *a, const struct tensor *b,
                      struct str stem, bool embedding);
/* 1: the tensor belongs to a pair, and is taken with it, or is not needed. */
int adapter_peft_part(struct pairing *p, const struct tensor *t);
/* The name in the base: of @stem of the tensor's name, with @end behind it; p is NULL: no memory.
 */
struct str adapter_base_name(const struct pairing *p, struct str stem, const char *end);

/* adapter_scale.c: the factor of @pair, which belongs to PEFT's @module, and the number of matrices
 * where @packed says that there may be several: @rank rows are those of all. */
int adapter_peft_scale(const struct pairing *p, struct str module, uint64_t rank, bool packed,
                       struct lora_pair *pair);
int adapter_gguf_scale(const struct pairing *p, struct lora_pair *pair);
