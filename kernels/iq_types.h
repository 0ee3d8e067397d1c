/* SPDX-License-Identifier: Apache-2.0
 * kernels/iq_types.h - the numbers of the searches of iq2 and iq3, and how each puts together what
 * was found. Source: as in iq_search.h. */
#pragma once
#include "kernels/iq_search.h"

/* What the types of eights and of fours have in common. */
#define EIGHTS(name, n) \
    .book = &name##_book, .points = n, .digits = 8, .bits = 2, .levels = 3, .delta = 0.1f
#define FOURS(name, n)                                                                     \
    .book = &name##_book, .points = n, .digits = 4, .bits = 3, .levels = 8, .delta = 0.2f, \
    .elems = 32, .mean_factor = 2

static const struct iq_how iq2_xxs_how = {
    EIGHTS(iq2_xxs, 256), .elems = 32,        .steps = 6,       .tiny = 1e-15f,
    .from_scale = true,   .even_signs = true, .mean_factor = 1, .scale_factor = 1,
};
static const struct iq_how iq2_xs_how = {
    EIGHTS(iq2_xs, 512), .elems = 16,      .steps = 9,        .tiny = 1e-15f,
    .even_signs = true,  .mean_factor = 1, .scale_factor = 1,
};
static const struct iq_how iq2_s_how = {
    EIGHTS(iq2_s, 1024),     .elems = 16,      .steps = 9,
    .tiny = 1e-8f,           .mean_factor = 2, .plain_factor = 0.25f,
    .scale_factor = 0.9875f,
};
static const struct iq_how iq3_xxs_how = {
    FOURS(iq3_xxs, 256), .steps = 15, .tiny = 1e-8f, .even_signs = true, .scale_factor = 1.0125f,
};
static const struct iq_how iq3_s_how = {
    FOURS(iq3_s, 512),
    .steps = 9,
    .refine_all = true,
    .scale_factor = 1.033f,
};

#undef EIGHTS
#undef FOURS

/* Four times seven signs, and the scale on top. */
static inline uint32_t signs_and_scale(const struct iq_super *super, int s) {
    uint32_t word = (uint32_t)super->scales[s] << 28;
    for (int g = 0; g < 4; g++)
        word |= (uint32_t)(super->sub[s].signs[g] & 127) << (7 * g);
    return word;
}

static inline void store_iq2_xxs(void *dst, const struct iq_super *super) {
    struct iq2_xxs *b = dst;
    if (super->zero)
        return;
    b->d = super->d;
    for (int s = 0; s < 8; s++) {
        for (int g = 0; g < 4; g++)
            b->sub[s].points[g] = (uint8_t)super->sub[s].point[g];
        b->sub[s].signs = signs_and_scale(super, s);
    }
}

static inline void store_iq2_xs(void *dst, const struct iq_super *super) {
    struct iq2_xs *b = dst;
    if (super->zero)
        return;
    b->d = super->d;
    for (int i = 0; i < 32; i++) {
        const struct iq_sub *sub = &super->sub[i / 2];
        b->qs[i] = (uint16_t)(sub->point[i % 2] | (sub->signs[i % 2] & 127) << 9);
    }
    for (int i = 0; i < 8; i++)
        b->scales[i] = (uint8_t)(super->scales[2 * i] | super->scales[2 * i + 1] << 4);
}

static inline void store_iq2_s(void *dst, const struct iq_super *super) {
    struct iq2_s *b = dst;
    b->d = super->d;
    for (int i = 0; i < 32; i++) {
        const struct iq_sub *sub = &super->sub[i / 2];
        b->qs[i] = (uint8_t)sub->point[i % 2];
        b->qh[i / 4] = (uint8_t)(b->qh[i / 4] | sub->point[i % 2] >> 8 << (i % 4 * 2));
        b->signs[i] = sub->signs[i % 2];
    }
    for (int i = 0; i < 8; i++)
        b->scales[i] = (uint8_t)(super->scales[2 * i] | super->scales[2 * i + 1] << 4);
}

static inline void store_iq3_xxs(void *dst, const struct iq_super *super) {
    struct iq3_xxs *b = dst;
    if (super->zero)
        return;
    b->d = super->d;
    for (int i = 0; i < 64; i++)
        b->qs[i] = (uint8_t)super->sub[i / 8].point[i % 8];
    for (int s = 0; s < 8; s++)
        b->signs[s] = signs_and_scale(super, s);
}

/* The reference forgets to step over a sub-block of zeros: the low bits of points and the signs of
 * those after it move up into its place, but not the ninth bits and the scales. So do we. */
static inline void store_iq3_s(void *dst, const struct iq_super *super) {
    struct iq3_s *b = dst;
    int at = 0;
    b->d = super->d;
    for (int s = 0; s < 8; s++) {
        const struct iq_sub *sub = &super->sub[s];
        b->scales[s / 2] = (uint8_t)(b->scales[s / 2] | super->scales[s] << (s % 2 * 4));
        if (!sub->found)
            continue;
        for (int g = 0; g < 8; g++) {
            b->qs[8 * at + g] = (uint8_t)sub->point[g];
            b->qh[s] = (uint8_t)(b->qh[s] | sub->point[g] >> 8 << g);
        }
        memcpy(b->signs + 4 * at, sub->signs, 4);
        at++;
    }
}
