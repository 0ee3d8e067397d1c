/* SPDX-License-Identifier: Apache-2.0
 * kernels/team.h - how a super-block is encoded: by a team with a member for each sub-block. Each
 * member searches for the scale of its own, then one rounds the scales of all, then each finds its
 * levels, and one packs them. The portable code takes the members in turn; on a GPU each is a
 * thread, and all wait for each other after each step. */
#pragma once
#include "kernels/affine.h"
#include "kernels/weighted.h"

/* What a team has in common. */
struct team {
    struct affine found[16];    /* q2_k, q4_k, q5_k: the answers of the search */
    float scales[16], mins[16]; /* those of the search; later as they were rounded */
    float sum_w[16];            /* with importance data: of each sub-block's weights */
    float sum_x2;               /* with importance data: of the super-block's squares */
    uint8_t q[SUPER_ELEMS];     /* levels */
    bool zero;                  /* all of it: nothing is left to do */
};

/* The first step. @importance: of the super-block; NULL without. */
BODY void team_begin(struct team *t, const float *x, const float *importance) {
    t->zero = false;
    t->sum_x2 = importance ? sum_squares(x, SUPER_ELEMS) : 0;
}

/* The weights of member @s, its sub-block being @n elements at @x. */
BODY void team_weights(struct team *t, int s, float *w, const float *x, const float *importance,
                       int n, float mean_square) {
    importance_weights(w, x, importance, n, mean_square);
    t->sum_w[s] = 0;
    for (int i = 0; i < n; i++)
        t->sum_w[s] += w[i];
}

/* q2_k, q4_k and q5_k: a member's search, and its levels once the scales were rounded. */
BODY void team_affine_search(struct team *t, int s, const float *x, const float *w,
                             const struct affine_how *how) {
    t->found[s] = affine_search(x, w, how);
    t->scales[s] = t->found[s].scale;
    t->mins[s] = t->found[s].min;
}

BODY void team_affine_levels(struct team *t, int s, const float *x, const struct affine_how *how) {
    affine_levels(t->q + how->elems * s, x + how->elems * s, t->scales[s], t->mins[s], &t->found[s],
                  how);
}

/* The steps of a type in their order, by one thread. */
#define TEAM_BLOCK(type, subs)                                                        \
    BODY void type##_block(struct type *b, const float *x, const float *importance) { \
        struct team t;                                                                \
        team_begin(&t, x, importance);                                                \
        for (int s = 0; s < (subs); s++)                                              \
            type##_search(&t, s, x, importance);                                      \
        type##_round(b, &t, importance != NULL);                                      \
        for (int s = 0; s < (subs); s++)                                              \
            type##_levels(&t, s, x);                                                  \
        type##_pack(b, &t);                                                           \
    }
