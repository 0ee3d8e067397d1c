/* SPDX-License-Identifier: Apache-2.0
 * kernels/iq_books.h - for each code that numbers can ask for, the points of the codebook that are
 * near to it. Made when the program is built, by iq_books_gen.c.
 *
 * A code's digits, the first element's the lowest, are its number to the base of levels (3, or 8).
 * A point is written as in iq_grids.h, two or three bits a digit. Where a point has a code's
 * digits, the list has no other. */
#pragma once
#include <stdint.h>

enum {
    IQ_LIST_UNIT = 4,   /* lists are filled up with their first point to a multiple */
    IQ_LIST_BEYOND = 16 /* and so many points behind a list's begin can be read, its own or not */
};

struct iq_book {
    const uint16_t *grid;   /* the points, in rising order */
    const uint32_t *places; /* by code: where its list begins, times 512, plus its length */
    const uint16_t *lists;  /* the nearest first, of equals in their order */
};

static inline const uint16_t *iq_list(const struct iq_book *book, int code, int *n) {
    *n = book->places[code] & 511;
    return book->lists + (book->places[code] >> 9);
}

extern const struct iq_book iq1_book, iq2_xxs_book, iq2_xs_book, iq2_s_book, iq3_xxs_book,
    iq3_s_book;

/* The number of a point that is in the codebook, of @points. */
static inline uint16_t iq_number(const struct iq_book *book, int points, uint16_t point) {
    int low = 0;
    for (int step = points / 2; step; step /= 2) /* a power of two */
        if (book->grid[low + step] <= point)
            low += step;
    return (uint16_t)low;
}
