/* SPDX-License-Identifier: Apache-2.0
 * formats/quantize_impl.h - the steps of form_quantize, shared by quantize*.c only. */
#pragma once
#include "formats/quantize.h"

/* A target on its way through the steps. */
struct quantized {
    struct recipe_tensor tensor;
    struct str origin; /* its name in the source: the one that an imatrix knows */
};

/* quantize_pairs.c: the pairs of the output. @n_layers: what block_count becomes; -1: it stays. */
int quantize_pairs(struct form *f, const struct extras *x, int64_t n_layers, struct err *err);
/* The pairs as the rules see them: those that the profile overrides have their new value. */
int quantize_seen_pairs(struct kv_list *out, const struct form *f, const struct profile *p,
                        struct err *err);

/* quantize_layers.c: take out the layers that the profile prunes and number the others anew.
 * @origins: of the targets, in their order. *n_layers: as above. */
int quantize_prune(struct form *f, struct str *origins, const struct profile *p, int64_t *n_layers,
                   struct err *err);

/* quantize_importance.c: entries of the imatrix that count; 0: as if there was none. */
uint32_t quantize_entries(const struct extras *x);
/* Give the target what the imatrix knows of it, if it is to be written in @to. */
int quantize_importance(struct form *f, struct target *t, const struct quantized *q,
                        const struct extras *x, struct err *err);
