/* SPDX-License-Identifier: Apache-2.0
 * fs/checksum.c - see checksum.h. The bytes are made piece by piece on the thread of the caller,
 * past the cache of chunks: whoever reads the checksums of a file at once would otherwise drive
 * everything else out of it. */
#include "fs/checksum.h"
#include "formats/cleanup.h"
#include "formats/inflate.h"
#include "fs/cache.h"
#include "fs/convert.h"
#include "fs/engine.h"
#include <errno.h>

enum { PIECE = 1 << 20 }; /* bytes made at once */

static int read_piece(struct view *v, const struct extent *x, uint64_t off, uint64_t len,
                      uint8_t *dst, struct err *err) {
    int rc;
    switch (x->kind) {
    case EXTENT_ZERO:
        memset(dst, 0, len);
        return 0;
    case EXTENT_LITERAL:
        memcpy(dst, x->literal + off, len);
        return 0;
    case EXTENT_COPY: {
        struct source *s = v->model->sources[x->copy.src];
        rc = source_pread(s, dst, len, x->copy.off + off, err);
        return rc < 0 ? rc : source_check(s, err);
    }
    case EXTENT_CONVERT:
        return convert_range(v, x->convert, NULL, off, len, dst, err);
    case EXTENT_CRC32:
        break;
    }
    return err_set(err, -EINVAL, "a checksum of checksums");
}

/* Call @use for each extent, or part of one, in [off, off + len). */
typedef int use_extent(void *user, const struct extent *x, uint64_t off, uint64_t len);
static int each_extent(const struct view *v, uint64_t off, uint64_t len, use_extent *use,
                       void *user) {
    int rc = 0;
    while (len > 0 && rc == 0) {
        const struct extent *x = layout_find(&v->layout, off);
        const uint64_t in = off - x->off, n = x->len - in < len ? x->len - in : len;
        rc = use(user, x, in, n);
        off += n;
        len -= n;
    }
    return rc;
}

/* What the bytes are a function of. */
static int hash_extent(void *user, const struct extent *x, uint64_t off, uint64_t len) {
    struct hasher *h = user;
    hasher_u64(h, off);
    hasher_u64(h, len);
    if (x->kind == EXTENT_CONVERT)
        hasher_add(h, x->convert->key.b, sizeof x->convert->key.b);
    return 0;
}

static bool fact_key(const struct view *v, const struct extent *x, struct hash128 *key) {
    struct hasher *h = hasher_new();
    if (!h)
        return false;
    hasher_bytes(h, "crc32", 5);
    hasher_add(h, v->info.id.b, sizeof v->info.id.b);
    hasher_u64(h, x->crc32.off);
    each_extent(v, x->crc32.off, x->crc32.len, hash_extent, h);
    *key = hasher_end(h);
    return true;
}

struct pass {
    struct view *view;
    uint8_t *piece;
    uint32_t crc;
    struct err *err;
};

static int add_extent(void *user, const struct extent *x, uint64_t off, uint64_t len) {
    struct pass *p = user;
    int rc = 0;
    while (len > 0 && rc == 0) {
        const uint64_t n = len < PIECE ? len : PIECE;
        rc = read_piece(p->view, x, off, n, p->piece, p->err);
        if (rc == 0)
            p->crc = crc32_add(p->crc, p->piece, n);
        off += n;
        len -= n;
    }
    return rc;
}

int checksum_crc32(struct view *v, const struct extent *x, uint32_t *crc, struct err *err) {
    struct cache *cache = v->engine->cache;
    struct hash128 key;
    const bool keyed = fact_key(v, x, &key);
    if (keyed && cache_fact_get(cache, &key, crc, sizeof *crc) == (int)sizeof *crc)
        return 0;
    auto_free uint8_t *piece = malloc(PIECE);
    if (!piece)
        return err_set(err, -ENOMEM, "no memory for a checksum");
    struct pass p = { .view = v, .piece = piece, .err = err };
    int rc = each_extent(v, x->crc32.off, x->crc32.len, add_extent, &p);
    if (rc < 0)
        return rc;
    *crc = p.crc;
    if (keyed)
        cache_fact_put(cache, &key, crc, sizeof *crc);
    return 0;
}
