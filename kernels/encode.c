/* SPDX-License-Identifier: Apache-2.0
 * kernels/encode.c - the portable encoders of all types of bodies.h: the bodies in their loops. */
#include "kernels/bodies.h"
#include "kernels/loops.h"

#define ENCODE(type, elems)                                                        \
    void type##_encode_c(void *dst, const float *src, size_t blocks) {             \
        encode_finite(dst, src, blocks, elems, sizeof(struct type), type##_plain); \
    }

#define ENCODE_WEIGHTED(type, elems)                                                    \
    void type##_encode_weighted_c(void *dst, const float *src, const float *importance, \
                                  size_t rows, size_t row_elems) {                      \
        encode_rows(dst, src, importance, rows, row_elems, elems, sizeof(struct type),  \
                    type##_weighted);                                                   \
    }

#define PLAIN(type, elems)                                \
    static void type##_plain(void *dst, const float *x) { \
        type##_block(dst, x);                             \
    }                                                     \
    ENCODE(type, elems)

#define WEIGHTED(type, elems)                                                       \
    PLAIN(type, elems)                                                              \
    static void type##_weighted(void *dst, const float *x, const float *importance, \
                                float mean_square) {                                \
        type##_block_weighted(dst, x, importance, mean_square);                     \
    }                                                                               \
    ENCODE_WEIGHTED(type, elems)

/* They take the mean square of the super-block, not the row's. */
#define TEAM(type, members)                                                         \
    static void type##_plain(void *dst, const float *x) {                           \
        type##_block(dst, x, NULL);                                                 \
    }                                                                               \
    static void type##_weighted(void *dst, const float *x, const float *importance, \
                                float mean_square) {                                \
        (void)mean_square;                                                          \
        type##_block(dst, x, importance);                                           \
    }                                                                               \
    ENCODE(type, SUPER_ELEMS)                                                       \
    ENCODE_WEIGHTED(type, SUPER_ELEMS)

BODIES_PLAIN(PLAIN)
BODIES_WEIGHTED(WEIGHTED)
BODIES_TEAM(TEAM)
