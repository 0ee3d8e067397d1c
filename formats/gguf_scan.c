/* SPDX-License-Identifier: Apache-2.0
 * formats/gguf_scan.c - the walk over a GGUF header: reads a piece, walks as far as it goes, reads
 * more. */
#include "formats/gguf_scan.h"
#include "formats/cleanup.h"
#include "formats/cursor.h"
#include "formats/gguf.h"
#include "formats/kv.h"
#include <errno.h>

enum {
    FIRST_PIECE = 256 << 10, /* bytes; later ones are three times what is there */
    FIXED = 24,              /* bytes: magic, version, counts */
    MIN_PAIR = 8 + 1 + 4 + 1,
    MIN_TENSOR = 8 + 4 + 4 + 8
};

/* What a walk returns besides 0 and errors: the buffer ends too early. */
enum { MORE = 1 };

struct scan {
    struct source *s;
    uint64_t size; /* of the file */
    char *buf;
    uint64_t have; /* bytes in buf */
    uint64_t pos;
    uint64_t need; /* bytes that the next walk wants to have */
    struct err *err;
};

static int cut_short(const struct scan *c) {
    return err_set(c->err, -EBADMSG, "GGUF header: cut short, or a length lies, at byte %llu",
                   (unsigned long long)c->pos);
}

/* @n bytes at pos; pos moves behind them. */
static int skip(struct scan *c, uint64_t n) {
    if (n > c->size - c->pos)
        return cut_short(c);
    if (n > GGUF_MAX_HEADER - c->pos)
        return err_set(c->err, -EFBIG, "GGUF header: more than %d MiB", GGUF_MAX_HEADER >> 20);
    if (n > c->have - c->pos) {
        c->need = c->pos + n;
        return MORE;
    }
    c->pos += n;
    return 0;
}

static int skip_u32(struct scan *c, uint32_t *v) {
    struct cursor at = { (const uint8_t *)c->buf + c->pos, (const uint8_t *)c->buf + c->have, 0 };
    int ret = skip(c, sizeof *v);
    if (ret == 0)
        *v = cursor_u32(&at);
    return ret;
}

static int skip_u64(struct scan *c, uint64_t *v) {
    struct cursor at = { (const uint8_t *)c->buf + c->pos, (const uint8_t *)c->buf + c->have, 0 };
    int ret = skip(c, sizeof *v);
    if (ret == 0)
        *v = cursor_u64(&at);
    return ret;
}

static int skip_string(struct scan *c) {
    uint64_t n;
    int ret = skip_u64(c, &n);
    return ret ? ret : skip(c, n);
}

static int skip_array(struct scan *c) {
    uint32_t type;
    uint64_t n;
    int ret = skip_u32(c, &type);
    if (ret == 0)
        ret = skip_u64(c, &n);
    if (ret)
        return ret;
    uint32_t size = kv_type_bytes((enum kv_type)type);
    if (type != KV_STRING && !size)
        return err_set(c->err, -EBADMSG, "GGUF header: array of type %u at byte %llu", type,
                       (unsigned long long)c->pos);
    if (n > (c->size - c->pos) / (size ? size : 8))
        return cut_short(c);
    if (size)
        return skip(c, n * size);
    if (n > GGUF_MAX_HEADER / 8)
        return err_set(c->err, -EFBIG, "GGUF header: more than %d MiB", GGUF_MAX_HEADER >> 20);
    for (; ret == 0 && n > 0; n--)
        ret = skip_string(c);
    return ret;
}

static int skip_pair(struct scan *c) {
    uint32_t type;
    int ret = skip_string(c);
    if (ret == 0)
        ret = skip_u32(c, &type);
    if (ret)
        return ret;
    if (type == KV_STRING)
        return skip_string(c);
    if (type == KV_ARRAY)
        return skip_array(c);
    uint32_t size = kv_type_bytes((enum kv_type)type);
    if (!size)
        return err_set(c->err, -EBADMSG, "GGUF header: value of type %u at byte %llu", type,
                       (unsigned long long)c->pos);
    return skip(c, size);
}

/* Without a name nothing can refer to it; and a hole must not look like a million tensors. */
static int skip_tensor(struct scan *c) {
    uint32_t n_dims;
    uint64_t n;
    int ret = skip_u64(c, &n);
    if (ret == 0 && n == 0)
        return err_set(c->err, -EBADMSG, "GGUF header: a tensor without a name at byte %llu",
                       (unsigned long long)c->pos);
    if (ret == 0)
        ret = skip(c, n);
    if (ret == 0)
        ret = skip_u32(c, &n_dims);
    if (ret)
        return ret;
    if (n_dims > GGUF_MAX_DIMS)
        return err_set(c->err, -EBADMSG, "GGUF header: a tensor of %u dimensions", n_dims);
    return skip(c, n_dims * 8ull + 4 + 8);
}

/* Read up to what the walk wants, and on, so that there are few reads. */
static int fetch(struct scan *c) {
    uint64_t want = c->have ? 4 * c->have : FIRST_PIECE;
    if (want < c->need)
        want = c->need;
    if (want > c->size)
        want = c->size;
    char *p = realloc(c->buf, want);
    if (!p)
        return err_set(c->err, -ENOMEM, "no memory for a header of %llu bytes",
                       (unsigned long long)want);
    c->buf = p;
    int ret = source_pread(c->s, c->buf + c->have, want - c->have, c->have, c->err);
    if (ret == 0)
        c->have = want;
    return ret;
}

/* @n records by @one; a record that the buffer does not hold whole is walked again. */
static int walk(struct scan *c, uint32_t n, int (*one)(struct scan *)) {
    for (uint32_t i = 0; i < n; i++) {
        uint64_t start = c->pos;
        int ret;
        while ((ret = one(c)) == MORE) {
            c->pos = start;
            if ((ret = fetch(c)) < 0)
                return ret;
        }
        if (ret < 0)
            return ret;
    }
    return 0;
}

static int check_version(uint32_t version, struct err *err) {
    if (version == 2 || version == 3)
        return 0;
    if (version && !(version & 0xffff))
        return err_set(err, -ENOTSUP, "a big-endian GGUF is not supported");
    return err_set(err, -ENOTSUP, "GGUF version %u is not supported", version);
}

static int read_counts(struct scan *c, struct gguf_header *out) {
    struct cursor at = cursor_over((struct str){ c->buf, FIXED });
    uint32_t magic = cursor_u32(&at), version = cursor_u32(&at);
    uint64_t n_tensors = cursor_u64(&at), n_pairs = cursor_u64(&at);
    if (magic != GGUF_MAGIC)
        return err_set(c->err, -EBADMSG, "not a GGUF file");
    int ret = check_version(version, c->err);
    if (ret < 0)
        return ret;
    if (n_tensors > c->size / MIN_TENSOR || n_pairs > c->size / MIN_PAIR)
        return err_set(c->err, -EBADMSG, "GGUF header: %llu tensors and %llu pairs in %llu bytes",
                       (unsigned long long)n_tensors, (unsigned long long)n_pairs,
                       (unsigned long long)c->size);
    if (n_tensors > 1 << 20 || n_pairs > GGUF_MAX_PAIRS)
        return err_set(c->err, -EFBIG, "GGUF header: %llu tensors and %llu pairs are too many",
                       (unsigned long long)n_tensors, (unsigned long long)n_pairs);
    out->n_tensors = (uint32_t)n_tensors;
    out->n_pairs = (uint32_t)n_pairs;
    c->pos = FIXED;
    return 0;
}

int gguf_scan(struct gguf_header *out, struct source *s, struct err *err) {
    struct scan c = { .s = s, .size = source_ident(s)->size, .err = err };
    if (c.size < FIXED)
        return err_set(err, -EBADMSG, "%llu bytes are no GGUF file", (unsigned long long)c.size);
    int ret = fetch(&c);
    if (ret == 0)
        ret = read_counts(&c, out);
    if (ret == 0)
        ret = walk(&c, out->n_pairs, skip_pair);
    if (ret == 0)
        ret = walk(&c, out->n_tensors, skip_tensor);
    if (ret < 0) {
        free(c.buf);
        return ret;
    }
    out->bytes = (struct str){ c.buf, c.pos };
    return 0;
}
