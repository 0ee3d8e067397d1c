/* SPDX-License-Identifier: Apache-2.0
 * formats/zip.c - an archive is read from its end: the record that says where the directory is,
 * the directory, then each local header, which must say the same again. APPNOTE.TXT 6.3.10. */
#include "formats/zip.h"
#include "formats/checked.h"
#include "formats/cleanup.h"
#include "formats/cursor.h"
#include "formats/inflate.h"
#include <errno.h>

enum {
    LOCAL_SIG = 0x04034b50,
    CENTRAL_SIG = 0x02014b50,
    END_SIG = 0x06054b50,
    END64_SIG = 0x06064b50,
    LOCATOR_SIG = 0x07064b50,
    LOCAL_BYTES = 30,
    CENTRAL_BYTES = 46,
    END_BYTES = 22,
    END64_BYTES = 56,
    LOCATOR_BYTES = 20,
    MAX_COMMENT = 0xffff,
    MAX_NAME = 4096,
    MAX_DESCRIPTOR = 24, /* bytes behind the data: signature, CRC, two sizes */
    EXTRA_ZIP64 = 0x0001,
    FLAG_DESCRIPTOR = 1 << 3, /* CRC and sizes follow the data; the local header may have zeros */
    FLAGS_ENCRYPTED = 1 << 0 | 1 << 6 | 1 << 13,
    METHOD_STORED = 0,
    METHOD_DEFLATED = 8,
};

struct directory {
    uint64_t off, bytes, count;
};

static uint32_t cursor_u16(struct cursor *c) {
    const uint8_t *b = cursor_bytes(c, 2);
    return b ? (uint32_t)(b[0] | b[1] << 8) : 0;
}

static struct cursor window(const void *p, uint64_t n) {
    return cursor_over((struct str){ p, (size_t)n });
}

/* The end record, which is the only one whose comment ends with the file; its place. */
static int find_end(const uint8_t *tail, uint64_t n, uint64_t *at, struct err *err) {
    uint32_t found = 0;
    for (uint64_t i = n - END_BYTES + 1; i-- > 0;) {
        struct cursor c = window(tail + i, n - i);
        if (tail[i] != 'P' || cursor_u32(&c) != END_SIG)
            continue;
        cursor_bytes(&c, 16);
        if (cursor_u16(&c) != n - i - END_BYTES)
            continue;
        *at = i;
        found++;
    }
    if (found == 1)
        return 0;
    return err_set(err, -EBADMSG,
                   found ? "more than one end of the zip archive"
                         : "no end of the zip archive: is the file cut short?");
}

/* The zip64 record, where there is one, lies right before its locator, that before the end. */
static int read_end64(struct directory *d, struct source *s, uint64_t end, uint64_t *begin,
                      struct err *err) {
    uint8_t buf[END64_BYTES + LOCATOR_BYTES];
    *begin = end;
    if (end < sizeof buf)
        return 0;
    const uint64_t record = end - sizeof buf;
    int rc = source_pread(s, buf, sizeof buf, record, err);
    if (rc < 0)
        return rc;
    struct cursor l = window(buf + END64_BYTES, LOCATOR_BYTES), c = window(buf, END64_BYTES);
    if (cursor_u32(&l) != LOCATOR_SIG)
        return 0;
    const uint32_t disk = cursor_u32(&l);
    const uint64_t place = cursor_u64(&l);
    if (disk != 0 || cursor_u32(&l) != 1 || place != record || cursor_u32(&c) != END64_SIG ||
        cursor_u64(&c) != END64_BYTES - 12)
        return err_set(err, -EBADMSG, "the zip64 end of the archive is not where it should be");
    cursor_bytes(&c, 4); /* versions */
    const uint32_t this_disk = cursor_u32(&c), first_disk = cursor_u32(&c);
    const uint64_t here = cursor_u64(&c);
    struct directory d64 = { .count = cursor_u64(&c) };
    d64.bytes = cursor_u64(&c);
    d64.off = cursor_u64(&c);
    if (this_disk || first_disk || here != d64.count ||
        (d->count != 0xffff && d->count != d64.count) ||
        (d->bytes != 0xffffffff && d->bytes != d64.bytes) ||
        (d->off != 0xffffffff && d->off != d64.off))
        return err_set(err, -EBADMSG, "the two ends of the zip archive disagree");
    *d = d64;
    *begin = record;
    return 0;
}

static int find_directory(struct directory *d, struct source *s, struct err *err) {
    const uint64_t size = source_ident(s)->size;
    const uint64_t n = size < END_BYTES + MAX_COMMENT ? size : END_BYTES + MAX_COMMENT;
    uint64_t at = 0, begin;
    if (size < END_BYTES)
        return err_set(err, -EBADMSG, "%llu bytes are no zip archive", (unsigned long long)size);
    auto_free uint8_t *tail = malloc(n);
    if (!tail)
        return err_set(err, -ENOMEM, "no memory for the end of the archive");
    int rc = source_pread(s, tail, n, size - n, err);
    if (rc == 0)
        rc = find_end(tail, n, &at, err);
    if (rc < 0)
        return rc;
    struct cursor c = window(tail + at, END_BYTES);
    cursor_bytes(&c, 4);
    const uint32_t disk = cursor_u16(&c), first_disk = cursor_u16(&c), here = cursor_u16(&c);
    d->count = cursor_u16(&c);
    d->bytes = cursor_u32(&c);
    d->off = cursor_u32(&c);
    if (disk || first_disk || here != d->count)
        return err_set(err, -ENOTSUP, "a zip archive in several parts");
    rc = read_end64(d, s, size - n + at, &begin, err);
    if (rc < 0)
        return rc;
    if (!checked_range(d->off, d->bytes, begin) || d->off + d->bytes != begin)
        return err_set(err, -EBADMSG,
                       "the directory of the zip archive is not before its end: "
                       "something stands before or within the archive");
    if (d->bytes > ZIP_MAX_DIRECTORY || d->count > ZIP_MAX_MEMBERS ||
        d->count > d->bytes / CENTRAL_BYTES)
        return err_set(err, -EBADMSG, "a zip directory of %llu bytes with %llu members cannot be",
                       (unsigned long long)d->bytes, (unsigned long long)d->count);
    return 0;
}

/* Take what stands in the zip64 field for each value that did not fit its 32 bits. */
static bool take_zip64(struct cursor extra, uint64_t *size, uint64_t *bytes, uint64_t *header) {
    uint64_t *wide[] = { size, bytes, header };
    bool need = false, seen = false;
    for (int i = 0; i < 3; i++)
        need |= wide[i] && *wide[i] == 0xffffffff;
    while (cursor_left(&extra) >= 4) {
        const uint32_t id = cursor_u16(&extra), n = cursor_u16(&extra);
        struct cursor field = cursor_over(cursor_str(&extra, n));
        if (extra.bad)
            return false;
        if (id != EXTRA_ZIP64)
            continue;
        if (seen)
            return false;
        seen = true;
        for (int i = 0; i < 3; i++)
            if (wide[i] && *wide[i] == 0xffffffff)
                *wide[i] = cursor_u64(&field);
        if (field.bad)
            return false;
    }
    return !need || seen;
}

/* A relative path without "." and "..". */
static bool is_safe_name(struct str s) {
    if (s.n == 0 || s.n > MAX_NAME || memchr(s.p, 0, s.n) || memchr(s.p, '\\', s.n))
        return false;
    for (size_t i = 0, begin = 0; i <= s.n; i++) {
        if (i < s.n && s.p[i] != '/')
            continue;
        const struct str part = { s.p + begin, i - begin };
        if ((part.n == 0 && i < s.n) || str_is(part, ".") || str_is(part, ".."))
            return false;
        begin = i + 1;
    }
    return true;
}

struct header {
    uint32_t flags, method;
};

static int read_central(struct zip_member *m, struct header *h, struct cursor *c, struct arena *a,
                        struct err *err) {
    if (cursor_u32(c) != CENTRAL_SIG)
        return err_set(err, -EBADMSG, "the zip directory is damaged");
    cursor_bytes(c, 4); /* versions */
    h->flags = cursor_u16(c);
    h->method = cursor_u16(c);
    cursor_bytes(c, 4); /* time */
    m->crc = cursor_u32(c);
    m->bytes = cursor_u32(c);
    m->size = cursor_u32(c);
    const uint32_t name = cursor_u16(c), extra = cursor_u16(c), comment = cursor_u16(c);
    const uint32_t disk = cursor_u16(c);
    cursor_bytes(c, 6); /* attributes */
    m->header = cursor_u32(c);
    const struct str text = cursor_str(c, name);
    const struct cursor fields = cursor_over(cursor_str(c, extra));
    cursor_bytes(c, comment);
    if (c->bad)
        return err_set(err, -EBADMSG, "the zip directory is cut short");
    if (!is_safe_name(text))
        return err_set(err, -EBADMSG, "a member of the zip archive has no name or leaves it");
    m->name = arena_str(a, text);
    if (!m->name.p)
        return err_set(err, -ENOMEM, "no memory for the zip directory");
    if (disk || !take_zip64(fields, &m->size, &m->bytes, &m->header))
        return err_set(err, -EBADMSG, "%.*s: its sizes are damaged", STR_ARG(m->name));
    if (h->flags & FLAGS_ENCRYPTED)
        return err_set(err, -ENOTSUP, "%.*s is encrypted", STR_ARG(m->name));
    if (h->method != METHOD_STORED && h->method != METHOD_DEFLATED)
        return err_set(err, -ENOTSUP, "%.*s is packed by method %u", STR_ARG(m->name), h->method);
    m->deflated = h->method == METHOD_DEFLATED;
    if (!m->deflated && m->bytes != m->size)
        return err_set(err, -EBADMSG, "%.*s: stored, yet of two sizes", STR_ARG(m->name));
    return 0;
}

/* The local header must say what the directory says, or leave it out. */
static int read_local(struct zip_member *m, const struct header *h, struct source *s,
                      uint64_t directory, struct err *err) {
    uint8_t buf[LOCAL_BYTES + MAX_NAME];
    const uint64_t n = LOCAL_BYTES + m->name.n;
    if (!checked_range(m->header, n, directory))
        return err_set(err, -EBADMSG, "%.*s lies outside of the archive", STR_ARG(m->name));
    int rc = source_pread(s, buf, n, m->header, err);
    if (rc < 0)
        return rc;
    struct cursor c = window(buf, n);
    const bool signature = cursor_u32(&c) == LOCAL_SIG;
    cursor_bytes(&c, 2); /* version */
    const uint32_t flags = cursor_u16(&c), method = cursor_u16(&c);
    cursor_bytes(&c, 4); /* time */
    const uint32_t crc = cursor_u32(&c);
    uint64_t bytes = cursor_u32(&c), size = cursor_u32(&c);
    const uint32_t name = cursor_u16(&c), extra = cursor_u16(&c);
    if (!signature || flags != h->flags || method != h->method || name != m->name.n ||
        !str_eq(cursor_str(&c, name), m->name))
        return err_set(err, -EBADMSG, "%.*s: its header is not that of the directory",
                       STR_ARG(m->name));
    m->off = m->header + n + extra; /* three numbers of 64 KiB at the most */
    if (!checked_range(m->off, m->bytes, directory))
        return err_set(err, -EBADMSG, "%.*s lies outside of the archive", STR_ARG(m->name));
    if (flags & FLAG_DESCRIPTOR && !crc && !bytes && !size)
        return 0;
    if (bytes == 0xffffffff || size == 0xffffffff) {
        auto_free uint8_t *fields = malloc(extra + 1);
        rc = fields ? source_pread(s, fields, extra, m->off - extra, err) : -ENOMEM;
        if (rc < 0)
            return err_set(err, rc, "no memory for the zip directory");
        if (!take_zip64(window(fields, extra), &size, &bytes, NULL))
            size = ~m->size;
    }
    if (crc != m->crc || bytes != m->bytes || size != m->size)
        return err_set(err, -EBADMSG, "%.*s: its sizes are not those of the directory",
                       STR_ARG(m->name));
    return 0;
}

static int by_name(const void *a, const void *b) {
    return str_cmp((*(struct zip_member *const *)a)->name, (*(struct zip_member *const *)b)->name);
}

static int by_place(const void *a, const void *b) {
    const struct zip_member *x = *(struct zip_member *const *)a;
    const struct zip_member *y = *(struct zip_member *const *)b;
    return (x->header > y->header) - (x->header < y->header);
}

/* From the first byte to the directory: one member behind the other, with no room for more. */
static int check_places(const struct zip *z, uint64_t directory, struct err *err) {
    uint64_t end = 0;
    qsort(z->by_name, z->n, sizeof *z->by_name, by_place);
    for (uint32_t i = 0; i <= z->n; i++) {
        const uint64_t begin = i < z->n ? z->by_name[i]->header : directory;
        const uint64_t gap = i == 0 ? 0 : MAX_DESCRIPTOR;
        if (begin < end)
            return err_set(err, -EBADMSG, "%.*s lies over another member",
                           STR_ARG(z->by_name[i - 1]->name));
        if (begin - end > gap)
            return err_set(err, -EBADMSG, "%llu bytes of the zip archive belong to no member",
                           (unsigned long long)(begin - end));
        if (i < z->n)
            end = z->by_name[i]->off + z->by_name[i]->bytes;
    }
    qsort(z->by_name, z->n, sizeof *z->by_name, by_name);
    for (uint32_t i = 1; i < z->n; i++)
        if (str_eq(z->by_name[i - 1]->name, z->by_name[i]->name))
            return err_set(err, -EBADMSG, "%.*s is there twice", STR_ARG(z->by_name[i]->name));
    return 0;
}

int zip_read(struct zip *out, struct source *s, struct arena *a, struct err *err) {
    struct directory d = { 0 };
    int rc = find_directory(&d, s, err);
    if (rc < 0)
        return rc;
    auto_free uint8_t *text = malloc(d.bytes + 1);
    *out = (struct zip){ .members = arena_array(a, struct zip_member, d.count + 1),
                         .by_name = arena_array(a, struct zip_member *, d.count + 1),
                         .n = (uint32_t)d.count };
    if (!text || !out->members || !out->by_name)
        return err_set(err, -ENOMEM, "no memory for the zip directory");
    rc = source_pread(s, text, d.bytes, d.off, err);
    struct cursor c = window(text, d.bytes);
    for (uint32_t i = 0; i < out->n && rc == 0; i++) {
        struct header h;
        out->by_name[i] = &out->members[i];
        rc = read_central(&out->members[i], &h, &c, a, err);
        if (rc == 0)
            rc = read_local(&out->members[i], &h, s, d.off, err);
    }
    if (rc < 0)
        return rc;
    if (cursor_left(&c))
        return err_set(err, -EBADMSG, "the zip directory has more members than it says");
    return check_places(out, d.off, err);
}

const struct zip_member *zip_find(const struct zip *z, struct str name) {
    const struct zip_member want = { .name = name }, *key = &want;
    struct zip_member **found = bsearch(&key, z->by_name, z->n, sizeof *z->by_name, by_name);
    return found ? *found : NULL;
}

int zip_slurp(const struct zip_member *m, struct source *s, uint64_t limit, char **out,
              struct err *err) {
    if (m->size > limit || m->bytes > limit)
        return err_set(err, -EFBIG, "%.*s: %llu bytes are too many", STR_ARG(m->name),
                       (unsigned long long)(m->size > m->bytes ? m->size : m->bytes));
    auto_free char *packed = malloc(m->bytes + 1), *plain = NULL;
    if (m->deflated)
        plain = malloc(m->size + 1);
    if (!packed || (m->deflated && !plain))
        return err_set(err, -ENOMEM, "no memory for %.*s", STR_ARG(m->name));
    int rc = source_pread(s, packed, m->bytes, m->off, err);
    if (rc < 0)
        return rc;
    if (m->deflated && !inflate_raw(packed, m->bytes, plain, m->size))
        return err_set(err, -EBADMSG, "%.*s does not unpack to %llu bytes", STR_ARG(m->name),
                       (unsigned long long)m->size);
    char **from = m->deflated ? &plain : &packed;
    if (m->crc && crc32_add(0, *from, m->size) != m->crc)
        return err_set(err, -EBADMSG, "%.*s: its checksum is wrong", STR_ARG(m->name));
    *out = take(*from);
    return 0;
}
