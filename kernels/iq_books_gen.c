/* SPDX-License-Identifier: Apache-2.0
 * kernels/iq_books_gen.c - a program of the build: writes iq_books.c, the lists of near points of
 * each codebook (iq_books.h), which the reference makes when it starts.
 * Source: ggml/src/ggml-quants.c, iq2xs_init_impl and iq3xs_init_impl. */
#include "kernels/iq_books.h"
#include "kernels/iq_grids.h"
#include <stdio.h>

static const struct recipe {
    const char *name;
    const uint16_t *grid;
    int points;
    int digits, bits, levels; /* digits a code, bits a digit, values of a digit */
    int classes;              /* how many different distances count as near */
} recipes[] = {
    { "iq1", iq1_grid, 2048, 8, 2, 3, 3 },        { "iq2_xxs", iq2_xxs_grid, 256, 8, 2, 3, 2 },
    { "iq2_xs", iq2_xs_grid, 512, 8, 2, 3, 2 },   { "iq2_s", iq2_s_grid, 1024, 8, 2, 3, 1 },
    { "iq3_xxs", iq3_xxs_grid, 256, 4, 3, 8, 2 }, { "iq3_s", iq3_s_grid, 512, 4, 3, 8, 3 },
};

enum { CODES_MAX = 6561, LISTS_MAX = 400000, POINTS_MAX = 2048 };

struct book {
    int codes, used; /* used: of lists */
    uint32_t places[CODES_MAX];
    uint16_t lists[LISTS_MAX];
};

/* The digits of the code with number @index, which are those of a number to the base of levels. */
static void digits_of(const struct recipe *r, int index, int *digit) {
    for (int k = 0; k < r->digits; k++, index /= r->levels)
        digit[k] = index % r->levels;
}

static void distances_to(const struct recipe *r, const int *digit, int *distance) {
    for (int j = 0; j < r->points; j++) {
        distance[j] = 0;
        for (int k = 0; k < r->digits; k++) {
            const int apart = (r->grid[j] >> (r->bits * k) & ((1 << r->bits) - 1)) - digit[k];
            distance[j] += apart * apart;
        }
    }
}

/* The points of the least distances, the nearest first, of equals in their order; a point alone
 * where it has the digits asked for. */
static int nearest(const struct recipe *r, const int *distance, uint16_t *list) {
    int n = 0, limit = -1;
    for (int ring = 0; ring < r->classes && limit != 0; ring++) {
        int next = INT32_MAX;
        for (int j = 0; j < r->points; j++)
            next = distance[j] > limit && distance[j] < next ? distance[j] : next;
        for (int j = 0; j < r->points; j++)
            if (distance[j] == next)
                list[n++] = r->grid[j];
        limit = next;
    }
    return n;
}

static void add_code(const struct recipe *r, struct book *book, int index) {
    int digit[8], distance[POINTS_MAX];
    digits_of(r, index, digit);
    distances_to(r, digit, distance);
    uint16_t *list = book->lists + book->used;
    const int n = nearest(r, distance, list); /* at most 292 */
    book->places[index] = (uint32_t)(book->used * 512 + n);
    for (book->used += n; book->used % IQ_LIST_UNIT; book->used++)
        book->lists[book->used] = list[0];
}

static void print_start(const char *type, const char *name, const char *what, int n) {
    printf("static const %s %s_%s[%d] = {", type, name, what, n);
}

static void print_book(const char *name, const struct book *book) {
    print_start("uint32_t", name, "places", book->codes);
    for (int i = 0; i < book->codes; i++)
        printf("%s%uu", i % 16 ? "," : i ? ",\n" : "\n", book->places[i]);
    printf("};\n");
    print_start("uint16_t", name, "lists", book->used + IQ_LIST_BEYOND);
    for (int i = 0; i < book->used; i++)
        printf("%s%u", i % 16 ? "," : i ? ",\n" : "\n", book->lists[i]);
    printf("};\nconst struct iq_book %s_book = { %s_grid, %s_places, %s_lists };\n", name, name,
           name, name);
}

int main(void) {
    static struct book book;
    printf("/* Made by kernels/iq_books_gen.c. */\n#include \"kernels/iq_books.h\"\n"
           "#include \"kernels/iq_grids.h\"\n");
    for (size_t i = 0; i < sizeof recipes / sizeof *recipes; i++) {
        const struct recipe *r = &recipes[i];
        book.used = 0;
        book.codes = 1;
        for (int k = 0; k < r->digits; k++)
            book.codes *= r->levels;
        for (int index = 0; index < book.codes; index++)
            add_code(r, &book, index);
        print_book(r->name, &book);
    }
    return 0;
}
