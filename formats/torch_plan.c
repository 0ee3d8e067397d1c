/* SPDX-License-Identifier: Apache-2.0
 * formats/torch_plan.c - a form as a file of torch.save: the bytes of PyTorch 2.15 when it is told
 * to leave checksums out (torch.serialization.set_crc32_options(False)), so that nothing depends on
 * the weights. What it writes is an archive of its miniz: each member behind a header that an extra
 * field "FB" fills up to a multiple of 64, and before a record with CRC and sizes. */
#include "formats/checked.h"
#include "formats/inflate.h"
#include "formats/plan.h"
#include "formats/torch_write.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    ALIGNMENT = 64,    /* of each member's data, bytes */
    LOCAL_HEADER = 30, /* bytes */
    FLAG_UTF8 = 0x0800,
    FLAG_DESCRIPTOR = 0x0008, /* CRC and sizes follow; not where there is no data */
};
#define TOP "archive/"

struct member {
    struct str name;
    uint64_t header, off, bytes; /* places in the view; of the data */
    uint32_t crc;                /* 0: left out, or of a tensor */
    bool is_tensor;
};

struct writer {
    struct layout *l;
    const struct form *f;
    struct buffer b; /* bytes that come next, not yet in the layout */
    struct member *members;
    uint32_t n;
    bool crc; /* true checksums are wanted */
    struct err *err;
};

static void add_u16(struct buffer *b, uint64_t v) {
    const uint8_t bytes[2] = { v & 255, v >> 8 & 255 };
    buffer_add(b, bytes, 2);
}

static void add_clamped(struct buffer *b, uint64_t v) {
    buffer_u32(b, v < UINT32_MAX ? (uint32_t)v : UINT32_MAX);
}

static uint64_t here(const struct writer *w) {
    return w->l->size + w->b.n;
}

/* Move what was added to the layout. */
static int flush(struct writer *w) {
    struct str s = { 0 };
    if (!w->b.failed)
        s = arena_str(w->l->arena, (struct str){ w->b.p, w->b.n });
    if (!s.p)
        return err_set(w->err, -ENOMEM, "no memory for the archive");
    w->b.n = 0;
    return layout_literal(w->l, s.p, s.n, w->err);
}

/* --- members --- */

static bool is_wide(const struct member *m) {
    return m->bytes >= UINT32_MAX || m->header >= UINT32_MAX;
}

/* The extra field of zip64 has what did not fit its 32 bits. Before the data miniz does not know
 * yet how many bytes are stored: @stored is 0 there. */
static void add_zip64(struct buffer *b, const struct member *m, uint64_t stored) {
    const bool bytes = m->bytes >= UINT32_MAX, header = m->header >= UINT32_MAX;
    if (!is_wide(m))
        return;
    add_u16(b, 1);
    add_u16(b, bytes * 16u + header * 8u);
    if (bytes) {
        buffer_u64(b, m->bytes);
        buffer_u64(b, stored);
    }
    if (header)
        buffer_u64(b, m->header);
}

static uint64_t zip64_bytes(const struct member *m) {
    return is_wide(m) ? 4 + (m->bytes >= UINT32_MAX) * 16u + (m->header >= UINT32_MAX) * 8u : 0;
}

static uint32_t flags_of(const struct member *m) {
    return m->bytes ? FLAG_UTF8 | FLAG_DESCRIPTOR : FLAG_UTF8;
}

static void add_header(struct writer *w, struct member *m) {
    struct buffer *b = &w->b;
    m->header = here(w);
    const uint64_t end = m->header + LOCAL_HEADER + m->name.n + zip64_bytes(m) + 4;
    const uint32_t padding = (uint32_t)(-end & (ALIGNMENT - 1));
    buffer_u32(b, 0x04034b50);
    add_u16(b, 0); /* version */
    add_u16(b, flags_of(m));
    buffer_zeros(b, 2 + 4 + 12); /* stored; time; CRC and sizes, which come behind */
    add_u16(b, m->name.n);
    add_u16(b, zip64_bytes(m) + 4 + padding);
    buffer_add(b, m->name.p, m->name.n);
    add_zip64(b, m, 0);
    buffer_z(b, "FB");
    add_u16(b, padding);
    for (uint32_t i = 0; i < padding; i++)
        buffer_z(b, "Z");
    m->off = here(w);
}

/* Of a tensor it is computed when those four bytes are read. */
static int add_crc(struct writer *w, const struct member *m) {
    if (!w->crc || !m->is_tensor || !m->bytes) {
        buffer_u32(&w->b, m->crc);
        return 0;
    }
    int rc = flush(w);
    return rc < 0 ? rc : layout_crc32(w->l, m->off, m->bytes, w->err);
}

static int add_descriptor(struct writer *w, const struct member *m) {
    struct buffer *b = &w->b;
    if (!m->bytes)
        return 0;
    buffer_u32(b, 0x08074b50);
    int rc = add_crc(w, m);
    for (int i = 0; i < 2; i++) {
        if (is_wide(m))
            buffer_u64(b, m->bytes);
        else
            buffer_u32(b, (uint32_t)m->bytes);
    }
    return rc;
}

static int add_bytes(struct writer *w, struct str name, struct str data) {
    struct member *m = &w->members[w->n++];
    *m = (struct member){ .name = name, .bytes = data.n };
    m->crc = w->crc ? crc32_add(0, data.p, data.n) : 0;
    add_header(w, m);
    buffer_add(&w->b, data.p, data.n);
    return add_descriptor(w, m);
}

static int add_target(struct writer *w, uint32_t index) {
    const struct target *t = &w->f->targets[index];
    struct member *m = &w->members[w->n++];
    *m = (struct member){ .name = arena_printf(w->f->arena, TOP "data/%u", index),
                          .is_tensor = true };
    if (!m->name.p)
        return err_set(w->err, -ENOMEM, "no memory for the archive");
    if (!dtype_bytes(t->dtype, t->expr->rows * t->expr->cols, &m->bytes))
        return err_set(w->err, -EFBIG, "the view would be larger than a file can be");
    add_header(w, m);
    int rc = flush(w);
    if (rc == 0)
        rc = layout_tensor(w->l, t->name, t->expr, t->dtype, NULL, w->err);
    return rc < 0 ? rc : add_descriptor(w, m);
}

/* --- the directory --- */

static int add_central(struct writer *w, const struct member *m) {
    struct buffer *b = &w->b;
    buffer_u32(b, 0x02014b50);
    add_u16(b, 0); /* versions */
    add_u16(b, 0);
    add_u16(b, flags_of(m));
    buffer_zeros(b, 2 + 4); /* stored; time */
    int rc = add_crc(w, m);
    add_clamped(b, m->bytes);
    add_clamped(b, m->bytes);
    add_u16(b, m->name.n);
    add_u16(b, zip64_bytes(m));
    buffer_zeros(b, 2 + 2 + 2 + 4); /* comment, disk, attributes */
    add_clamped(b, m->header);
    buffer_add(b, m->name.p, m->name.n);
    add_zip64(b, m, m->bytes);
    return rc;
}

static int add_directory(struct writer *w) {
    struct buffer *b = &w->b;
    const uint64_t begin = here(w);
    int rc = 0;
    for (uint32_t i = 0; i < w->n && rc == 0; i++)
        rc = add_central(w, &w->members[i]);
    const uint64_t end = here(w), n = w->n < UINT16_MAX ? w->n : UINT16_MAX;
    buffer_u32(b, 0x06064b50);
    buffer_u64(b, 44); /* bytes that follow */
    add_u16(b, 0x031e);
    add_u16(b, 45);
    buffer_zeros(b, 8); /* disks */
    buffer_u64(b, w->n);
    buffer_u64(b, w->n);
    buffer_u64(b, end - begin);
    buffer_u64(b, begin);
    buffer_u32(b, 0x07064b50);
    buffer_u32(b, 0);
    buffer_u64(b, end);
    buffer_u32(b, 1);
    buffer_u32(b, 0x06054b50);
    buffer_zeros(b, 4);
    add_u16(b, n);
    add_u16(b, n);
    add_clamped(b, end - begin);
    add_clamped(b, begin);
    add_u16(b, 0); /* comment */
    return rc < 0 ? rc : flush(w);
}

/* 40 digits that PyTorch logs: a hash of the names, and of the data, which are not known here. */
static int add_id(struct writer *w) {
    char text[41];
    struct hasher *h = hasher_new();
    uint64_t id;
    if (!h)
        return err_set(w->err, -ENOMEM, "no memory for the archive");
    for (uint32_t i = 0; i < w->f->n_targets; i++) {
        hasher_bytes(h, w->f->targets[i].name.p, w->f->targets[i].name.n);
        hasher_u64(h, w->f->targets[i].dtype);
    }
    const struct hash128 hash = hasher_end(h);
    memcpy(&id, hash.b, sizeof id);
    snprintf(text, sizeof text, "%020llu%020d", (unsigned long long)id, 0);
    return add_bytes(w, STR(TOP ".data/serialization_id"), (struct str){ text, 40 });
}

static int add_all(struct writer *w) {
    struct buffer pickle = { 0 };
    int rc = torch_pickle(&pickle, w->f, w->err);
    if (rc == 0)
        rc = add_bytes(w, STR(TOP "data.pkl"), (struct str){ pickle.p, pickle.n });
    buffer_fini(&pickle);
    if (rc < 0)
        return rc;
    add_bytes(w, STR(TOP ".format_version"), STR("1"));
    add_bytes(w, STR(TOP ".storage_alignment"), STR("64"));
    add_bytes(w, STR(TOP "byteorder"), STR("little"));
    for (uint32_t i = 0; i < w->f->n_targets && rc == 0; i++)
        rc = add_target(w, i);
    if (rc < 0)
        return rc;
    add_bytes(w, STR(TOP "version"), STR("3\n"));
    rc = add_id(w);
    return rc < 0 ? rc : add_directory(w);
}

int torch_plan(struct layout *l, const struct form *f, bool crc, struct err *err) {
    struct writer w = { .l = l, .f = f, .crc = crc, .err = err };
    w.members = calloc(f->n_targets + 8, sizeof *w.members);
    int rc = w.members ? add_all(&w) : err_set(err, -ENOMEM, "no memory for the archive");
    buffer_fini(&w.b);
    free(w.members);
    return rc;
}
