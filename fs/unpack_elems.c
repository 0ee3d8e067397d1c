/* SPDX-License-Identifier: Apache-2.0
 * fs/unpack_elems.c - see unpack_elems.h. A range of elements is cut into rectangles of one matrix;
 * of each the words, scales and zeros that it needs are read, and made into floats row by row.
 * Where columns are stored as rows, what is read is a wider strip, which the reader keeps: the next
 * rows lie in it. */
#include "fs/unpack_elems.h"
#include "formats/cleanup.h"
#include "formats/packed.h"
#include "quant/codec.h"
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    RECT_ELEMS = 256 << 10,
    STRIP_WORDS = 128,      /* of a line of a strip */
    STRIP_LINES = 16 << 10, /* at most: a strip has 8 MiB of words */
    WHOLE_WORDS = 4 << 20,  /* of a matrix that is read as a whole, as its lines are short: one */
    SHORT_LINE = 1024,      /* read of all costs less than one of each then; words */
};

/* Rows [row, row + rows) and columns [col, col + cols) of matrix number @matrix. */
struct rect {
    uint64_t matrix, row, rows, col, cols;
};

/* A part of a stored matrix that is in memory: element (r, c) of it is at
 * (r - row) * row_step + (c - col) * col_step. */
struct patch {
    void *data;
    uint64_t row, rows, col, cols; /* as the numbers of the weight lie */
    uint64_t row_step, col_step;   /* elements */
};

struct unpacking {
    struct reader *reader;
    const struct kernels *k;
    const struct tensor *t;
    const struct packed *p;
    struct rect rect;           /* what is read */
    struct patch words, scales; /* u32 or the words' own type; f32 */
    float *zeros;               /* as scales, in rows; NULL: none */
    int32_t *index;             /* of the rectangle's columns; NULL: none */
    uint64_t first_group, n_groups;
};

static int no_memory(const struct unpacking *u) {
    return err_set(u->reader->err, -ENOMEM, "no memory to read %.*s", STR_ARG(u->t->name));
}

/* Fill @x->data with the part of @part that @x tells, of a matrix of all_rows by all_cols. */
static int read_patch(struct unpacking *u, const struct tensor *part, uint64_t matrix,
                      uint64_t all_rows, uint64_t all_cols, struct patch *x) {
    const bool turned = u->p->transposed;
    const uint64_t size = dtype_info[part->dtype].block_bytes;
    const uint64_t lines = turned ? x->cols : x->rows, width = turned ? all_rows : all_cols;
    const uint64_t first = turned ? x->col : x->row, n = turned ? x->rows : x->cols;
    const uint64_t skip = turned ? x->row : x->col;
    uint64_t at = ((matrix * (turned ? all_cols : all_rows) + first) * width + skip) * size;
    x->row_step = turned ? 1 : n;
    x->col_step = turned ? n : 1;
    uint8_t *dst = x->data = malloc(lines * n * (size < 4 ? 4 : size));
    if (!dst)
        return no_memory(u);
    if (n == width)
        return reader_pread(u->reader, part, at, lines * n * size, dst);
    int rc = 0;
    for (uint64_t i = 0; i < lines && rc == 0; i++) {
        rc = reader_pread(u->reader, part, at, n * size, dst);
        dst += n * size;
        at += width * size;
    }
    return rc;
}

/* Bytes to u32 in place, from the end on. */
static void widen(void *data, uint64_t n) {
    const uint8_t *bytes = data;
    uint32_t *wide = data;
    for (uint64_t i = n; i-- > 0;)
        wide[i] = bytes[i];
}

static int read_words(struct unpacking *u) {
    const struct packing *g = &u->p->packing;
    const struct rect *r = &u->rect;
    const uint64_t rows = packing_rows(g, u->p->rows), last = r->col + r->cols - 1;
    struct patch *x = &u->words;
    x->row = packing_row(g, r->row, rows);
    x->rows = packing_row(g, r->row + r->rows - 1, rows) - x->row + 1;
    x->col = packing_col(g, r->col);
    x->cols = packing_col(g, last) - x->col + 1;
    int rc = read_patch(u, u->p->words, r->matrix, rows, packing_cols(g, u->p->cols), x);
    if (rc == 0 && g->lanes != LANES_NONE && g->word_bits == 8)
        widen(x->data, x->rows * x->cols);
    return rc;
}

/* The groups of the rectangle's columns. */
static int read_groups(struct unpacking *u) {
    const struct packed *p = u->p;
    const struct rect *r = &u->rect;
    uint64_t end = 0;
    if (!p->index) {
        u->first_group = r->col / p->group_cols;
        u->n_groups = (r->col + r->cols - 1) / p->group_cols - u->first_group + 1;
        return 0;
    }
    u->first_group = p->groups;
    u->index = malloc(r->cols * sizeof *u->index);
    if (!u->index)
        return no_memory(u);
    int rc = reader_pread(u->reader, p->index, r->col * sizeof *u->index,
                          r->cols * sizeof *u->index, u->index);
    for (uint64_t i = 0; i < r->cols && rc == 0; i++) {
        const uint64_t g = (uint64_t)(int64_t)u->index[i];
        if (g >= p->groups)
            rc = err_set(u->reader->err, -EBADMSG,
                         "%s: tensor %.*s puts column %llu into group %d "
                         "of %llu",
                         p->method, STR_ARG(p->index->name), (unsigned long long)(r->col + i),
                         u->index[i], (unsigned long long)p->groups);
        if (g < u->first_group)
            u->first_group = g;
        if (g >= end)
            end = g + 1;
    }
    u->n_groups = end - u->first_group;
    return rc;
}

/* Powers of two by their exponent alone, as E8M0 has them. */
static void decode_e8m0(float *dst, const uint8_t *src, uint64_t n) {
    for (uint64_t i = 0; i < n; i++)
        dst[i] = src[i] == 255 ? NAN : ldexpf(1, src[i] - 127);
}

static bool is_f64(const struct packed *p) {
    return p->scales->dtype == DTYPE_F64 && p->factor == 1 && !p->divide;
}

static int read_scales(struct unpacking *u) {
    const struct packed *p = u->p;
    const struct rect *r = &u->rect;
    const enum dtype type = p->scales->dtype;
    struct patch *x = &u->scales;
    x->row = r->row / p->group_rows;
    x->rows = (r->row + r->rows - 1) / p->group_rows - x->row + 1;
    x->col = u->first_group;
    x->cols = u->n_groups;
    int rc =
        read_patch(u, p->scales, p->one_scale ? 0 : r->matrix, packed_scale_rows(p), p->groups, x);
    const uint64_t n = x->rows * x->cols;
    if (rc < 0 || is_f64(p)) /* as they are: products are made in f64 */
        return rc;
    auto_free void *stored = take(x->data);
    float *scales = x->data = malloc(n * sizeof *scales);
    if (!scales)
        return no_memory(u);
    if (type == DTYPE_F8_E8M0 || type == DTYPE_U8)
        decode_e8m0(scales, stored, n);
    else if (codec_decode(u->k, type, scales, stored, n) < 0)
        return err_set(u->reader->err, -ENOTSUP, "%s: tensor %.*s: no decoder for its type",
                       p->method, STR_ARG(p->scales->name));
    for (uint64_t i = 0; p->factor != 1 && i < n; i++)
        scales[i] *= p->factor;
    return 0;
}

/* Of the scales that were read. */
static int read_plain_zeros(struct unpacking *u) {
    const struct packed *p = u->p;
    struct patch x = u->scales;
    const uint64_t n = x.rows * x.cols;
    int rc = read_patch(u, p->zeros, p->one_scale ? 0 : u->rect.matrix, packed_scale_rows(p),
                        p->groups, &x);
    auto_free void *stored = x.data;
    if (rc < 0)
        return rc;
    u->zeros = malloc(n * sizeof *u->zeros);
    if (!u->zeros)
        return no_memory(u);
    const int64_t *integers = stored;
    if (p->zeros->dtype == DTYPE_F32)
        memcpy(u->zeros, stored, n * sizeof *u->zeros);
    for (uint64_t i = 0; p->zeros->dtype == DTYPE_I64 && i < n; i++)
        u->zeros[i] = (float)integers[i];
    return 0;
}

static int read_zeros(struct unpacking *u) {
    const struct packed *p = u->p;
    if (packed_zeros_plain(p))
        return read_plain_zeros(u);
    const struct packing g = packed_zeros(p);
    const uint64_t first = u->scales.row, n = u->scales.rows;
    if (!p->zeros)
        return 0;
    const uint64_t rows = packing_rows(&g, packed_scale_rows(p));
    struct patch x = { .row = packing_row(&g, first, rows),
                       .col = packing_col(&g, u->first_group) };
    x.rows = packing_row(&g, first + n - 1, rows) - x.row + 1;
    x.cols = packing_col(&g, u->first_group + u->n_groups - 1) - x.col + 1;
    int rc = read_patch(u, p->zeros, u->rect.matrix, rows, packing_cols(&g, p->groups), &x);
    auto_free uint32_t *words = x.data;
    if (rc < 0)
        return rc;
    if (g.word_bits == 8)
        widen(words, x.rows * x.cols);
    u->zeros = malloc(n * u->n_groups * sizeof *u->zeros);
    if (!u->zeros)
        return no_memory(u);
    for (uint64_t i = 0; i < n; i++)
        unpack_row(u->zeros + i * u->n_groups, &g,
                   words + (packing_row(&g, first + i, rows) - x.row) * x.row_step, x.col_step,
                   rows, first + i, u->first_group, u->n_groups);
    return 0;
}

/* The words of row @row as floats: columns of @want. */
static int decode_row(const struct unpacking *u, const struct rect *want, uint64_t row,
                      float *dst) {
    const struct packing *g = &u->p->packing;
    const struct patch *x = &u->words;
    const uint64_t rows = packing_rows(g, u->p->rows);
    const uint64_t at = (packing_row(g, row, rows) - x->row) * x->row_step +
                        (packing_col(g, want->col) - x->col) * x->col_step;
    if (g->lanes != LANES_NONE) {
        const uint32_t *words = x->data;
        unpack_row(dst, g, words + at, x->col_step, rows, row, want->col, want->cols);
        return 0;
    }
    if (u->p->words->dtype == DTYPE_I8) {
        const int8_t *words = x->data;
        for (uint64_t i = 0; i < want->cols; i++)
            dst[i] = words[at + i];
        return 0;
    }
    if (u->p->words->dtype == DTYPE_I32) {
        const uint32_t *words = x->data, base = (uint32_t)u->p->base;
        for (uint64_t i = 0; i < want->cols; i++)
            dst[i] = (float)(int32_t)(words[at + i] - base);
        return 0;
    }
    const uint64_t size = dtype_info[u->p->words->dtype].block_bytes;
    if (codec_decode(u->k, u->p->words->dtype, dst, (const uint8_t *)x->data + at * size,
                     want->cols) == 0)
        return 0;
    return err_set(u->reader->err, -ENOTSUP, "%s: tensor %.*s: no decoder for its type",
                   u->p->method, STR_ARG(u->p->words->name));
}

/* How many of @left columns from @col on are of one group, and which. */
static uint64_t group_run(const struct unpacking *u, uint64_t col, uint64_t left, uint64_t *group) {
    const uint64_t size = u->p->group_cols;
    uint64_t n = 1;
    if (!u->index) {
        *group = col / size - u->first_group;
        return size - col % size < left ? size - col % size : left;
    }
    const int32_t *index = u->index + (col - u->rect.col);
    while (n < left && index[n] == *index)
        n++;
    *group = (uint64_t)*index - u->first_group;
    return n;
}

static void scale_row(const struct unpacking *u, const struct rect *want, uint64_t row,
                      float *dst) {
    const struct patch *s = &u->scales;
    const uint64_t line = row / u->p->group_rows - s->row;
    const float *scales = (const float *)s->data + line * s->row_step;
    const double *doubles = (const double *)s->data + line * s->row_step;
    for (uint64_t i = 0, n; i < want->cols; i += n) {
        uint64_t group;
        n = group_run(u, want->col + i, want->cols - i, &group);
        const float zero = (u->zeros ? u->zeros[line * u->n_groups + group] : 0) + u->p->zero;
        if (is_f64(u->p))
            unpack_scale_f64(dst + i, n, zero, doubles[group * s->col_step]);
        else
            unpack_scale(dst + i, n, zero, scales[group * s->col_step], u->p->divide);
    }
}

static void forget(struct unpacking *u) {
    free(u->words.data);
    free(u->scales.data);
    free(u->zeros);
    free(u->index);
    *u = (struct unpacking){ .reader = u->reader, .k = u->k };
}

void unpack_fini(struct reader *r) {
    if (r->unpacking)
        forget(r->unpacking);
    free(r->unpacking);
    r->unpacking = NULL;
}

/* What to read for @want. */
static struct rect widen_rect(const struct packed *p, const struct rect *want) {
    const uint64_t count = p->packing.lanes == LANES_ROWS ? packing_count(&p->packing) : 1;
    const uint64_t lines = packing_cols(&p->packing, p->cols), strip = STRIP_WORDS * count;
    struct rect r = *want;
    if (!p->transposed || lines > STRIP_LINES)
        return r;
    r.col = 0;
    r.cols = p->cols;
    r.row = want->row / strip * strip;
    r.rows = p->rows - r.row;
    const uint64_t words = packing_rows(&p->packing, p->rows);
    if (words <= SHORT_LINE && words <= WHOLE_WORDS / lines) {
        r.row = 0;
        r.rows = p->rows;
    } else if (r.rows > strip && want->row + want->rows <= r.row + strip) {
        r.rows = strip;
    } else if (want->row + want->rows < r.row + r.rows) {
        r.rows = want->row + want->rows - r.row;
    }
    return r;
}

static bool holds(const struct unpacking *u, const struct tensor *t, const struct rect *want) {
    const struct rect *r = &u->rect;
    return u->t == t && r->matrix == want->matrix && want->row >= r->row && want->col >= r->col &&
           want->row + want->rows <= r->row + r->rows && want->col + want->cols <= r->col + r->cols;
}

static int read_rect(struct unpacking *u, const struct tensor *t, const struct rect *want) {
    forget(u);
    u->t = t;
    u->p = t->packed;
    u->rect = widen_rect(u->p, want);
    int rc = read_words(u);
    if (rc == 0)
        rc = read_groups(u);
    if (rc == 0)
        rc = read_scales(u);
    if (rc == 0)
        rc = read_zeros(u);
    if (rc < 0)
        forget(u);
    return rc;
}

static int unpack_rect(struct unpacking *u, const struct tensor *t, const struct rect *want,
                       float *dst) {
    int rc = holds(u, t, want) ? 0 : read_rect(u, t, want);
    for (uint64_t row = want->row; row < want->row + want->rows && rc == 0; row++) {
        rc = decode_row(u, want, row, dst);
        if (rc == 0)
            scale_row(u, want, row, dst);
        dst += want->cols;
    }
    return rc;
}

/* The largest rectangle that begins at @elem, holds no more than @count elements, and whose words
 * lie together. */
static struct rect next_rect(const struct packed *p, uint64_t elem, uint64_t count) {
    const uint64_t row = elem / p->cols, most = count < RECT_ELEMS ? count : RECT_ELEMS;
    struct rect r = { .matrix = row / p->rows, .row = row % p->rows, .col = elem % p->cols };
    uint64_t end = p->rows;
    if (p->packing.lanes == LANES_PLANES) {
        const uint64_t words = packing_rows(&p->packing, p->rows);
        end = r.row / words * words + words;
    }
    r.rows = r.col ? 1 : most / p->cols;
    if (r.rows > end - r.row)
        r.rows = end - r.row;
    r.cols = r.rows > 0 && !r.col ? p->cols : p->cols - r.col;
    r.rows = r.rows ? r.rows : 1;
    if (r.rows == 1 && r.cols > most)
        r.cols = most;
    return r;
}

int unpack_elems(struct reader *r, const struct kernels *k, const struct tensor *t, uint64_t elem,
                 uint64_t count, float *dst) {
    int rc = 0;
    if (!r->unpacking)
        r->unpacking = calloc(1, sizeof *r->unpacking);
    if (!r->unpacking)
        return err_set(r->err, -ENOMEM, "no memory to read %.*s", STR_ARG(t->name));
    r->unpacking->reader = r;
    r->unpacking->k = k;
    while (count > 0 && rc == 0) {
        const struct rect want = next_rect(t->packed, elem, count);
        const uint64_t n = want.rows * want.cols;
        rc = unpack_rect(r->unpacking, t, &want, dst);
        elem += n;
        count -= n;
        dst += n;
    }
    return rc;
}
