/* SPDX-License-Identifier: Apache-2.0
 * kernels/iq_search.h - the search of iq2 and iq3: magnitudes of a sub-block to points of a
 * codebook, whose digit l stands for 2 * l + 1, and signs apart. */
#pragma once
#include "kernels/portable.h"

enum { IQ_SUB_MAX = 32 };

struct iq_how {
    const uint16_t *grid; /* the codebook, in rising order */
    int points;           /* in it */
    int digits, bits;     /* of a point: 8 of 2 bits, or 4 of 3 */
    int levels;           /* values of a digit: 3, or 8 */
    int classes;          /* how many different distances count as near */
    int elems;            /* of a sub-block: 16 or 32 */
    int steps;            /* candidates -steps..steps around (2 * levels - 1) / max */
    float delta;          /* times so much */
    float tiny;           /* a sub-block with all magnitudes below is zeros */
    bool from_scale;      /* iq2_xxs: the search starts from a scale, not from the maximum */
    bool even_signs;      /* the eighth sign follows from the others */
    bool refine_all;      /* iq3_s: all groups are looked up again, not only those off the grid */
    float mean_factor;    /* weights by importance: this times the mean square of the block */
    float plain_factor;   /* and without: weight = x^2 + so much of the same */
    float scale_factor;   /* of the block's scale in the end */
};

struct iq_sub {
    bool found;                     /* else all its magnitudes are tiny, and the rest is 0 */
    float scale;                    /* not negative */
    uint16_t point[IQ_SUB_MAX / 4]; /* its number in the codebook, for each group */
    uint8_t signs[IQ_SUB_MAX / 8];  /* bit i: element i of the eight is negative */
};

/* What is found for a super-block. */
struct iq_super {
    struct iq_sub sub[16];
    uint8_t scales[16]; /* four bits each */
    uint16_t d;
    bool zero; /* no sub-block has a scale */
};

typedef void iq_store_fn(void *dst, const struct iq_super *super);

/* Encode rows, with or without (NULL) importance data; a row that is not finite becomes zeros. */
void iq_encode_rows(const struct iq_how *how, void *dst, const float *src, const float *importance,
                    size_t rows, size_t row_elems, size_t block_bytes, iq_store_fn *store);
