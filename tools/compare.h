/* SPDX-License-Identifier: Apache-2.0
 * tools/compare.h - how far the numbers of two models are from each other. */
#pragma once
#include "tools/side.h"

/* Sums over elements, from which all else follows. */
struct sums {
    uint64_t n;          /* elements that are finite on both sides */
    uint64_t not_finite; /* on either */
    double aa, bb, ab;   /* of squares and products */
    double dd, max;      /* of squared differences; the largest difference */
};

enum pair_state { PAIR_COMPARED, PAIR_ONLY_A, PAIR_ONLY_B, PAIR_SHAPE, PAIR_TYPE };

struct pair {
    const struct tensor *a, *b; /* NULL: that side lacks it */
    enum pair_state state;      /* SHAPE: of other shapes; TYPE: one that has no numbers for us */
    struct sums sums;
};

struct comparison {
    struct side *a, *b;
    struct pair *pairs; /* in the order of A; what only B has comes last */
    uint32_t n;
    struct sums total;
};

/* Pair the tensors by name. Reads no weights. */
int compare_pair(struct comparison *c, struct side *a, struct side *b, struct err *err);
/* Read both sides once, on @threads threads, a few MiB each. */
int compare_run(struct comparison *c, unsigned threads, struct err *err);
void compare_free(struct comparison *c);

double sums_rmse(const struct sums *s);
double sums_cosine(const struct sums *s); /* 1 where both are zero */
