/* SPDX-License-Identifier: Apache-2.0
 * formats/buffer.c - growing, and JSON strings. */
#include "formats/buffer.h"
#include <endian.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

void buffer_fini(struct buffer *t) {
    free(t->p);
    *t = (struct buffer){ 0 };
}

/* Room for @n more bytes; NULL: no memory. */
static char *room(struct buffer *t, size_t n) {
    if (t->failed || n > SIZE_MAX / 4 - t->n) {
        t->failed = true;
        return NULL;
    }
    if (t->n + n > t->cap) {
        size_t cap = t->n + n > 2 * t->cap ? t->n + n + 256 : 2 * t->cap;
        char *p = realloc(t->p, cap);
        if (!p) {
            t->failed = true;
            return NULL;
        }
        t->p = p;
        t->cap = cap;
    }
    t->n += n;
    return t->p + t->n - n;
}

void buffer_add(struct buffer *t, const void *p, size_t n) {
    char *to = n ? room(t, n) : NULL;
    if (to)
        memcpy(to, p, n);
}

void buffer_z(struct buffer *t, const char *z) {
    buffer_add(t, z, strlen(z));
}

void buffer_u32(struct buffer *t, uint32_t v) {
    v = htole32(v);
    buffer_add(t, &v, sizeof v);
}

void buffer_u64(struct buffer *t, uint64_t v) {
    v = htole64(v);
    buffer_add(t, &v, sizeof v);
}

void buffer_zeros(struct buffer *t, size_t n) {
    char *to = n ? room(t, n) : NULL;
    if (to)
        memset(to, 0, n);
}

void buffer_decimal(struct buffer *t, uint64_t v) {
    char buf[24];
    snprintf(buf, sizeof buf, "%" PRIu64, v);
    buffer_z(t, buf);
}

static void add_escape(struct buffer *t, char c) {
    static const char from[] = "\"\\\b\f\n\r\t", to[] = "\"\\bfnrt";
    const char *at = c ? strchr(from, c) : NULL;
    char buf[8];
    if (at)
        snprintf(buf, sizeof buf, "\\%c", to[at - from]);
    else
        snprintf(buf, sizeof buf, "\\u%04x", (unsigned)c);
    buffer_z(t, buf);
}

void buffer_json(struct buffer *t, struct str s) {
    size_t done = 0;
    buffer_z(t, "\"");
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        if (c >= 0x20 && c != '"' && c != '\\')
            continue;
        buffer_add(t, s.p + done, i - done);
        add_escape(t, s.p[i]);
        done = i + 1;
    }
    buffer_add(t, s.p + done, s.n - done);
    buffer_z(t, "\"");
}
