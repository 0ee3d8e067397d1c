/* SPDX-License-Identifier: Apache-2.0
 * formats/merge.h - a model with adapters merged into it. Its source is a path
 * "BASE//ADAPTER//ADAPTER": no path below a root has an empty component. What no adapter changes
 * are the tensors of the base, so that their chunks in the cache are the same ones. */
#pragma once
#include "formats/adapter.h"

enum { MERGE_MAX_ADAPTERS = 8 };

/* A tensor of f32 that lies nowhere: @in plus scale * b a of each pair. A pair's sum is made in f64
 * and rounded once. fs/merge_elems.c makes its elements. */
struct merged {
    const struct expr *in;         /* NULL: no more than the pair, and never read */
    const struct lora_pair *pairs; /* matrices, or stacks, that fit @in */
    uint32_t n;
    enum dtype type; /* that it would have in a file: the base's, f16 where that has blocks */
};

/* The paths in @source: of the base and of each adapter, in @paths, cut out of @buf, a copy.
 * Returns how many; 1: no merge. */
unsigned merge_split(const char *source, char buf[PATH_MAX],
                     const char *paths[1 + MERGE_MAX_ADAPTERS]);

/* @source as people read it: "BASE+ADAPTER", "." for the root itself. Cut at PATH_MAX. */
void merge_text(const char *source, char out[PATH_MAX]);

/* The model that models[0] becomes with the @n - 1 adapters that follow. References to all are
 * taken. Reads nothing. -EBADMSG for an adapter that does not fit, with what and why. */
int merge_models(struct model **out, struct model *const *models, unsigned n, struct err *err);

/* The transposed tensor; NULL: no memory. */
struct tensor *merged_turn(struct arena *a, const struct tensor *t);

/* Add what the numbers depend on to a key; as expr_hash. */
void merged_hash(const struct merged *m, struct hasher *h, const struct hash128 *source_hash);
