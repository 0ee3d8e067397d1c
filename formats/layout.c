/* SPDX-License-Identifier: Apache-2.0
 * formats/layout.c - building and searching the list of extents. */
#include "formats/layout.h"
#include "formats/checked.h"
#include <errno.h>

/* Tensors below this are converted whenever they are read: finding them would cost as much. */
enum { CACHE_MIN_BYTES = 64 << 10 };

/* So few extents lie between the parts of one matrix, most. */
enum { BESIDE_EXTENTS = 4 };

static struct extent *append(struct layout *l, uint64_t len, enum extent_kind kind,
                             struct err *err) {
    uint64_t end;
    if (!checked_add(l->size, len, &end) || end > INT64_MAX) {
        err_set(err, -EFBIG, "the view would be larger than a file can be");
        return NULL;
    }
    if (l->n == l->cap) {
        const uint32_t cap = l->cap ? l->cap * 2 : 64;
        struct extent *grown = arena_array(l->arena, struct extent, cap);
        if (!grown) {
            err_set(err, -ENOMEM, "no memory for the layout");
            return NULL;
        }
        if (l->n)
            memcpy(grown, l->extents, l->n * sizeof *grown);
        l->extents = grown;
        l->cap = cap;
    }
    struct extent *e = &l->extents[l->n++];
    *e = (struct extent){ .off = l->size, .len = len, .kind = kind };
    l->size = end;
    return e;
}

int layout_zero(struct layout *l, uint64_t len, struct err *err) {
    if (len == 0 || append(l, len, EXTENT_ZERO, err))
        return 0;
    return err ? err->code : -ENOMEM;
}

int layout_literal(struct layout *l, const void *bytes, uint64_t len, struct err *err) {
    if (len == 0)
        return 0;
    struct extent *e = append(l, len, EXTENT_LITERAL, err);
    if (!e)
        return err ? err->code : -ENOMEM;
    e->literal = bytes;
    return 0;
}

int layout_copy(struct layout *l, uint32_t src, uint64_t off, uint64_t len, struct err *err) {
    if (len == 0)
        return 0;
    struct extent *e = append(l, len, EXTENT_COPY, err);
    if (!e)
        return err ? err->code : -ENOMEM;
    e->copy.src = src;
    e->copy.off = off;
    return 0;
}

/* Do both go through one matrix that is turned over, row by row alike? */
static bool turn_alike(const struct conversion *a, const struct conversion *b) {
    struct expr_run x, y;
    expr_run(a->expr, 0, 1, &x);
    expr_run(b->expr, 0, 1, &y);
    return a->cached && b->cached && x.leaf->op == EXPR_TRANSPOSE && x.leaf == y.leaf &&
           x.leaf_elem == y.leaf_elem && a->expr->rows == b->expr->rows;
}

/* The last extent is @c. */
static void join_beside(struct layout *l, const struct conversion *c) {
    for (uint32_t i = l->n - 1; i > 0 && l->n - i < BESIDE_EXTENTS; i--) {
        const struct extent *x = &l->extents[i - 1];
        if (x->kind != EXTENT_CONVERT || !turn_alike(x->convert, c))
            continue;
        if (x->convert->bytes > c->bytes)
            x->convert->beside = c;
        return;
    }
}

int layout_tensor(struct layout *l, struct str name, const struct expr *e, enum dtype to,
                  const struct layout_how *how, struct err *err) {
    static const struct layout_how as_they_are = { NULL, false };
    how = how ? how : &as_they_are;
    const uint64_t elems = e->rows * e->cols; /* checked when the expression was built */
    const struct tensor *t = expr_identity(e);
    uint64_t bytes;
    if (t && t->dtype == to && !how->strict)
        return layout_copy(l, t->src, t->off, t->bytes, err);
    if (e->op == EXPR_LITERAL && to == DTYPE_F32)
        return layout_literal(l, e->literal, elems * sizeof(float), err);
    if (!dtype_bytes(to, elems, &bytes) || e->cols % dtype_info[to].block_elems)
        return err_set(err, -ENOTSUP, "%.*s: rows of %llu elements do not fit %s", STR_ARG(name),
                       (unsigned long long)e->cols, dtype_info[to].name);
    if (bytes == 0)
        return 0;
    struct conversion *c = arena_new(l->arena, struct conversion);
    struct extent *x = c ? append(l, bytes, EXTENT_CONVERT, err) : NULL;
    if (!x)
        return err_set(err, -ENOMEM, "no memory for the layout");
    *c = (struct conversion){ .name = name, .expr = e, .to = to, .elems = elems, .bytes = bytes };
    c->importance = how->importance;
    c->strict = how->strict;
    c->cached = (expr_copies(e) != to || expr_unpacks(e)) && bytes >= CACHE_MIN_BYTES;
    x->convert = c;
    if (c->cached)
        l->convert += bytes;
    join_beside(l, c);
    return 0;
}

int layout_scaled(struct layout *l, struct str name, struct scaling *s, enum scaling_part part,
                  struct err *err) {
    const uint64_t bytes = scaling_bytes(s, part);
    if (bytes == 0)
        return 0;
    struct conversion *c = arena_new(l->arena, struct conversion);
    struct extent *x = c ? append(l, bytes, EXTENT_CONVERT, err) : NULL;
    if (!x)
        return err_set(err, -ENOMEM, "no memory for the layout");
    *c = (struct conversion){ .name = name, .expr = s->expr, .scaling = s, .part = part };
    c->to = part == SCALING_SCALE ? DTYPE_F32 : s->kind == LINEAR8_SIGNED ? DTYPE_I8 : DTYPE_U8;
    c->bytes = bytes;
    c->elems = bytes / dtype_info[c->to].block_bytes;
    c->cached = part == SCALING_LEVELS && bytes >= CACHE_MIN_BYTES;
    x->convert = c;
    l->convert += c->cached ? bytes : 0;
    return 0;
}

int layout_crc32(struct layout *l, uint64_t off, uint64_t len, struct err *err) {
    struct extent *e = append(l, sizeof(uint32_t), EXTENT_CRC32, err);
    if (!e)
        return err ? err->code : -ENOMEM;
    e->crc32.off = off;
    e->crc32.len = len;
    return 0;
}

const struct extent *layout_find(const struct layout *l, uint64_t off) {
    uint32_t lo = 0, hi = l->n;
    while (hi - lo > 1) {
        const uint32_t mid = lo + (hi - lo) / 2;
        if (l->extents[mid].off <= off)
            lo = mid;
        else
            hi = mid;
    }
    return &l->extents[lo];
}

/* The fact is the same whichever part, and in whichever file, is read. */
static int hash_scaling(struct scaling *s, const struct hash128 *source_hash, struct err *err) {
    struct hasher *h = hasher_new();
    if (!h)
        return err_set(err, -ENOMEM, "no memory for the layout");
    hasher_bytes(h, "scale", 5);
    hasher_u64(h, s->kind);
    hasher_u64(h, s->groups);
    hasher_u64(h, s->channels);
    expr_hash(s->expr, h, source_hash);
    s->key = hasher_end(h);
    return 0;
}

int layout_hash(struct layout *l, const struct hash128 *source_hash, struct err *err) {
    int rc;
    for (uint32_t i = 0; i < l->n; i++) {
        if (l->extents[i].kind != EXTENT_CONVERT)
            continue;
        struct conversion *c = l->extents[i].convert;
        struct hasher *h = hasher_new();
        if (!h)
            return err_set(err, -ENOMEM, "no memory for the layout");
        hasher_u64(h, c->to);
        hasher_u64(h, dtype_info[c->to].rev);
        expr_hash(c->expr, h, source_hash);
        if (c->strict)
            hasher_u64(h, c->strict);
        if (c->scaling) {
            hasher_bytes(h, "scaling", 7);
            hasher_u64(h, c->scaling->kind);
            hasher_u64(h, c->scaling->groups);
            hasher_u64(h, c->scaling->channels);
        }
        if (c->importance)
            importance_hash(c->importance, h);
        c->key = hasher_end(h);
        if (c->scaling && (rc = hash_scaling(c->scaling, source_hash, err)) < 0)
            return rc;
    }
    return 0;
}
