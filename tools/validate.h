/* SPDX-License-Identifier: Apache-2.0
 * tools/validate.h - the checks of `weightfs validate`. */
#pragma once
#include "tools/side.h"

/* Numbers of one tensor that are none. */
struct tensor_faults {
    uint64_t nan, infinite;
    uint64_t others; /* neither 0 nor minus infinity: without any, infinities are a mask's */
};

struct values {
    struct tensor_faults *faults; /* one a tensor of the model */
    struct tensor_faults all;
    bool bad;         /* a tensor has some that it should not have */
    uint64_t numbers; /* that were looked at */
    uint64_t skipped; /* tensors of a type that has no numbers for us */
};

/* Look at every number, on @threads threads. values_free in any case. */
int values_check(struct values *v, const struct side *s, unsigned threads, struct err *err);
bool values_bad(const struct tensor_faults *f);
void values_free(struct values *v);

/* Checksums of the archives that a model on disk consists of. *checked: members that have one;
 * *left_out: that have none. -EBADMSG: one is wrong, and whose. */
int archives_check(const struct side *s, uint64_t *checked, uint64_t *left_out, struct err *err);

/* Nothing lies behind the last tensor's padding of a GGUF, where readers see nothing wrong. */
int ends_check(const struct side *s, struct err *err);

/* The tokenizer; *tokens 0: there is none. For a folder also whether all of its tensors have a
 * place in its architecture, where that is known. */
int side_check_tokenizer(const struct side *s, uint64_t *tokens, struct err *err);
