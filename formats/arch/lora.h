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
int lora_through_rules(struct arch_work *w, const struct lora_list *in, struct lora_target **out,
                       uint32_t *n);

/* The pair of the transposed matrix. False: no memory, or blocks. */
bool lora_turn(struct arena *arena, struct lora_pair *pair);
