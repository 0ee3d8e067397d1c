/* SPDX-License-Identifier: Apache-2.0
 * formats/packed.c - see packed.h: shapes and identity. */
#include "formats/packed.h"
#include "formats/checked.h"
#include "quant/codec.h"
#include <errno.h>
#include <stdio.h>

static int bad(const struct packed *p, const struct tensor *part, const char *why,
               struct err *err) {
    return err_set(err, -EBADMSG, "%s: tensor %.*s %s", p->method, STR_ARG(part->name), why);
}

/* Has @part as many elements as @matrices of @rows by @cols? */
static int check_count(const struct packed *p, const struct tensor *part, uint64_t matrices,
                       uint64_t rows, uint64_t cols, struct err *err) {
    uint64_t n;
    if (!part->strides && checked_mul(rows, cols, &n) && checked_mul(n, matrices, &n) &&
        part->elems == n)
        return 0;
    return bad(p, part, "has not the shape that its weight needs", err);
}

static int check_words(const struct packed *p, const struct tensor *part, struct err *err) {
    if (p->packing.lanes == LANES_NONE)
        return dtype_is_float(part->dtype) || part->dtype == DTYPE_I8 || part->dtype == DTYPE_I32
                   ? 0
                   : bad(p, part, "holds neither i8, i32 nor small floats", err);
    const bool wide = p->packing.word_bits == 32;
    const bool fits = wide ? part->dtype == DTYPE_I32 || part->dtype == DTYPE_U32
                           : part->dtype == DTYPE_U8 || part->dtype == DTYPE_I8;
    return fits ? 0 : bad(p, part, wide ? "does not hold i32" : "does not hold u8", err);
}

static int check_scales(const struct packed *p, uint64_t matrices, struct err *err) {
    const enum dtype type = p->scales->dtype;
    const bool exponents = p->packing.values && (type == DTYPE_F8_E8M0 || type == DTYPE_U8);
    if (!dtype_is_float(type) && !exponents)
        return bad(p, p->scales, "does not hold floats", err);
    return check_count(p, p->scales, p->one_scale ? 1 : matrices, packed_scale_rows(p), p->groups,
                       err);
}

static int check_index(const struct packed *p, struct err *err) {
    if (p->index->dtype != DTYPE_I32)
        return bad(p, p->index, "does not hold i32", err);
    if (p->groups > PACKED_MAX_GROUPS)
        return bad(p, p->index, "has more groups than are read", err);
    return check_count(p, p->index, 1, 1, p->cols, err);
}

static int check_parts(const struct packed *p, uint64_t matrices, struct err *err) {
    int rc = check_words(p, p->words, err);
    if (rc == 0)
        rc = check_count(p, p->words, matrices, packing_rows(&p->packing, p->rows),
                         packing_cols(&p->packing, p->cols), err);
    if (rc == 0)
        rc = check_scales(p, matrices, err);
    if (rc == 0 && p->index)
        rc = check_index(p, err);
    if (rc < 0 || !p->zeros)
        return rc;
    if (packed_zeros_plain(p))
        return check_count(p, p->zeros, p->one_scale ? 1 : matrices, packed_scale_rows(p),
                           p->groups, err);
    const struct packing g = packed_zeros(p);
    if (p->zeros->dtype != p->words->dtype)
        return bad(p, p->zeros, "has not the type of the weights", err);
    return check_count(p, p->zeros, matrices, packing_rows(&g, packed_scale_rows(p)),
                       packing_cols(&g, p->groups), err);
}

int packed_tensor(struct tensor *t, const struct packed *p, const uint64_t *dims, uint32_t n_dims,
                  struct err *err) {
    uint64_t matrices = 1, bytes;
    t->dtype = DTYPE_F32;
    t->n_dims = n_dims;
    t->elems = 1;
    t->strides = NULL;
    t->src = p->words->src;
    t->packed = p;
    bool ok = true;
    for (uint32_t i = 0; i < n_dims; i++) {
        t->dims[i] = dims[i];
        ok = ok && dims[i] && checked_mul(t->elems, dims[i], &t->elems);
        if (i + 2 < n_dims)
            matrices *= dims[i];
    }
    if (!ok || !dtype_bytes(t->dtype, t->elems, &bytes))
        return bad(p, p->words, "has a shape that is no weight's", err);
    t->bytes = bytes;
    t->off = 0;
    return check_parts(p, matrices, err);
}

const struct tensor *packed_blocks(struct arena *a, const struct tensor *t) {
    const struct packed *p = t->packed;
    struct tensor *out = arena_new(a, struct tensor);
    if (!out)
        return NULL;
    *out = *t;
    out->dtype = p->blocks;
    if (p->transposed) {
        out->dims[t->n_dims - 2] = p->cols;
        out->dims[t->n_dims - 1] = p->rows;
    }
    return out->dims[t->n_dims - 1] % dtype_info[out->dtype].block_elems == 0 &&
                   dtype_bytes(out->dtype, out->elems, &out->bytes)
               ? out
               : NULL;
}

enum dtype packed_type(const struct packed *p) {
    if (p->type != DTYPE_NONE)
        return p->type;
    return p->scales->dtype == DTYPE_F16 ? DTYPE_F16 : DTYPE_BF16;
}

static void hash_part(const struct tensor *t, struct hasher *h, const struct hash128 *source_hash) {
    hasher_u64(h, t != NULL);
    if (!t)
        return;
    hasher_add(h, source_hash[t->src].b, sizeof source_hash->b);
    hasher_u64(h, t->dtype);
    hasher_u64(h, t->off);
    hasher_u64(h, t->bytes);
}

void packed_hash(const struct packed *p, struct hasher *h, const struct hash128 *source_hash) {
    const uint32_t count = packing_count(&p->packing);
    hash_part(p->words, h, source_hash);
    hash_part(p->scales, h, source_hash);
    hash_part(p->zeros, h, source_hash);
    hash_part(p->index, h, source_hash);
    hasher_u64(h, p->packing.lanes);
    hasher_u64(h, p->packing.bits);
    hasher_u64(h, p->packing.word_bits);
    hasher_bytes(h, p->packing.order, p->packing.order ? count : 0);
    hasher_bytes(h, p->packing.values,
                 p->packing.values ? sizeof *p->packing.values << p->packing.bits : 0);
    hasher_bytes(h, &p->zero, sizeof p->zero);
    hasher_bytes(h, &p->factor, sizeof p->factor);
    hasher_u64(h, (uint64_t)p->divide | (uint64_t)p->transposed << 1 | (uint64_t)p->one_scale << 2);
    hasher_u64(h, p->rows);
    hasher_u64(h, p->cols);
    hasher_u64(h, p->group_rows);
    hasher_u64(h, p->group_cols);
    hasher_u64(h, p->groups);
    hasher_u64(h, p->zeros_across);
    hasher_u64(h, (uint64_t)p->base);
}

uint64_t tensor_stored(const struct tensor *t) {
    const struct packed *p = t->packed;
    const struct tensor *const parts[] = { p ? p->words : t, p ? p->scales : NULL,
                                           p ? p->zeros : NULL, p ? p->index : NULL };
    uint64_t sum = 0;
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        sum += parts[i] ? parts[i]->bytes : 0;
    return sum;
}

const char *tensor_stored_type(const struct tensor *t, char buf[STORED_TYPE_SIZE]) {
    const struct packed *p = t->packed;
    if (!p)
        return dtype_info[t->dtype].name;
    if (p->blocks != DTYPE_NONE)
        return dtype_info[p->blocks].name;
    if (dtype_is_float(p->words->dtype))
        return dtype_info[p->words->dtype].name;
    const bool grouped = p->group_cols < p->cols && p->group_cols > 1;
    snprintf(buf, STORED_TYPE_SIZE, grouped ? "int%u/%llu" : "int%u", p->packing.bits,
             (unsigned long long)p->group_cols);
    return buf;
}
