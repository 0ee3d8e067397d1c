/* SPDX-License-Identifier: Apache-2.0
 * formats/cursor.h - a read-only window that cannot run off its end. A short read yields zero
 * and latches `bad`: read a whole record, test once; but test before a value sizes anything. */
#pragma once
#include "formats/str.h"
#include <endian.h>
#include <stdint.h>

struct cursor {
    const uint8_t *p, *end;
    bool bad;
};

static inline struct cursor cursor_over(struct str s) {
    return (struct cursor){ (const uint8_t *)s.p, (const uint8_t *)s.p + s.n, false };
}

static inline uint64_t cursor_left(const struct cursor *c) {
    return c->bad ? 0 : (uint64_t)(c->end - c->p);
}

static inline const uint8_t *cursor_bytes(struct cursor *c, uint64_t n) {
    if (c->bad || n > (uint64_t)(c->end - c->p)) {
        c->bad = true;
        return NULL;
    }
    c->p += n;
    return c->p - n;
}

static inline uint8_t cursor_u8(struct cursor *c) {
    const uint8_t *b = cursor_bytes(c, 1);
    return b ? *b : 0;
}

static inline uint32_t cursor_u32(struct cursor *c) {
    uint32_t v = 0;
    const uint8_t *b = cursor_bytes(c, sizeof v);
    if (b)
        memcpy(&v, b, sizeof v);
    return le32toh(v);
}

static inline uint64_t cursor_u64(struct cursor *c) {
    uint64_t v = 0;
    const uint8_t *b = cursor_bytes(c, sizeof v);
    if (b)
        memcpy(&v, b, sizeof v);
    return le64toh(v);
}

/* @n bytes as a string; empty when the window is too short. */
static inline struct str cursor_str(struct cursor *c, uint64_t n) {
    const uint8_t *b = cursor_bytes(c, n);
    return b ? (struct str){ (const char *)b, (size_t)n } : (struct str){ NULL, 0 };
}
