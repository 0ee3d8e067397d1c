/* SPDX-License-Identifier: Apache-2.0
 * formats/text.c - growing, and JSON strings. */
#include "formats/text.h"
#include <endian.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

void text_fini(struct text *t) {
    free(t->p);
    *t = (struct text){ 0 };
}

/* Room for @n more bytes; NULL: no memory. */
static char *room(struct text *t, size_t n) {
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

void text_add(struct text *t, const void *p, size_t n) {
    char *to = n ? room(t, n) : NULL;
    if (to)
        memcpy(to, p, n);
}

void text_z(struct text *t, const char *z) {
    text_add(t, z, strlen(z));
}

void text_u32(struct text *t, uint32_t v) {
    v = htole32(v);
    text_add(t, &v, sizeof v);
}

void text_u64(struct text *t, uint64_t v) {
    v = htole64(v);
    text_add(t, &v, sizeof v);
}

void text_zeros(struct text *t, size_t n) {
    char *to = n ? room(t, n) : NULL;
    if (to)
        memset(to, 0, n);
}

void text_decimal(struct text *t, uint64_t v) {
    char buf[24];
    snprintf(buf, sizeof buf, "%" PRIu64, v);
    text_z(t, buf);
}

static void add_escape(struct text *t, char c) {
    static const char from[] = "\"\\\b\f\n\r\t", to[] = "\"\\bfnrt";
    const char *at = c ? strchr(from, c) : NULL;
    char buf[8];
    if (at)
        snprintf(buf, sizeof buf, "\\%c", to[at - from]);
    else
        snprintf(buf, sizeof buf, "\\u%04x", (unsigned)c);
    text_z(t, buf);
}

void text_json(struct text *t, struct str s) {
    size_t done = 0;
    text_z(t, "\"");
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        if (c >= 0x20 && c != '"' && c != '\\')
            continue;
        text_add(t, s.p + done, i - done);
        add_escape(t, s.p[i]);
        done = i + 1;
    }
    text_add(t, s.p + done, s.n - done);
    text_z(t, "\"");
}
