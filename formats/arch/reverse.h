/* SPDX-License-Identifier: Apache-2.0
 * formats/arch/reverse.h - the way back of tensors, for architectures whose rules do something of
 * their own. */
#pragma once
#include "formats/arch/family.h"
#include "formats/arch/work.h"

struct reverse {
    struct form *form;
    const struct model *model; /* the GGUF */
    const struct arch *arch;
    uint32_t cap; /* of form->targets */
    struct err *err;
};

/* A tensor of Hugging Face's @name and shape, of the type of @t. @expr NULL: memory has failed. */
int reverse_target(struct reverse *r, struct str name, const struct tensor *t, const uint64_t *dims,
                   uint32_t n_dims, const struct expr *expr);
back_fn reverse_same;   /* renamed only */
back_fn reverse_halves; /* OP_HALVES */
/* OP_OWN with @second: queries and keys, of which the GGUF has the rows in Llama's order, and
 * values below each other; without: as reverse_same. */
back_fn reverse_pack;

/* A pair of the architecture: a count for all blocks, or a list of one for each. @name as behind
 * "ARCHITECTURE.". */
bool reverse_count(const struct reverse *r, const char *name, uint64_t block, uint64_t *out);
/* The same; an error where it is absent, zero, or more than 32 bits hold. */
int reverse_need(const struct reverse *r, const char *name, uint64_t block, uint64_t *out);
/* The number of the first block that predicts further tokens; false: there is none. */
bool reverse_first_mtp(const struct reverse *r, uint64_t *block);
/* The GGUF's tensor of that name; NULL: there is none. */
const struct tensor *reverse_find(const struct reverse *r, const char *pattern,
                                  const struct name_match *match);
/* Each group of @rows rows of *e, which is made of @t, turned over: expr_transpose. -ENOTSUP: of
 * types that cannot be. */
int reverse_turn(struct reverse *r, const struct tensor *t, const struct expr **e, uint64_t rows);
int reverse_bad_shape(const struct reverse *r, const struct tensor *t, const char *why);
/* The tensor, whose elements are rows where it has one dimension. */
const struct expr *reverse_rows(struct reverse *r, const struct tensor *t);
