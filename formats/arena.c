/* SPDX-License-Identifier: Apache-2.0
 * formats/arena.c - bump allocation in blocks that grow. */
#include "formats/arena.h"
#include "formats/checked.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { ARENA_ALIGN = 16, ARENA_FIRST_BLOCK = 4096, ARENA_MAX_BLOCK = 1 << 20 };

struct arena_block {
    struct arena_block *next;
    uint64_t used, size; /* bytes of data[] */
    _Alignas(ARENA_ALIGN) uint8_t data[];
};

static struct arena_block *add_block(struct arena *a, uint64_t bytes) {
    uint64_t size = a->head ? a->head->size * 2 : ARENA_FIRST_BLOCK;
    if (size > ARENA_MAX_BLOCK)
        size = ARENA_MAX_BLOCK;
    if (size < bytes)
        size = bytes;
    struct arena_block *b = malloc(sizeof *b + size);
    if (!b)
        return NULL;
    b->next = a->head;
    b->used = 0;
    b->size = size;
    a->head = b;
    a->held += sizeof *b + size;
    return b;
}

void *arena_alloc(struct arena *a, uint64_t count, uint64_t size) {
    uint64_t bytes, total;
    if (!checked_mul(count, size, &bytes) || !checked_align(bytes, ARENA_ALIGN, &bytes) ||
        !checked_add(a->used, bytes, &total) || total > (a->limit ? a->limit : ARENA_LIMIT))
        return NULL;
    struct arena_block *b = a->head;
    if (!b || bytes > b->size - b->used) {
        b = add_block(a, bytes);
        if (!b)
            return NULL;
    }
    void *p = b->data + b->used;
    b->used += bytes;
    a->used = total;
    return memset(p, 0, bytes);
}

struct str arena_str(struct arena *a, struct str s) {
    char *p = arena_alloc(a, s.n + 1, 1);
    if (!p)
        return (struct str){ NULL, 0 };
    if (s.n)
        memcpy(p, s.p, s.n);
    return (struct str){ p, s.n };
}

struct str arena_join(struct arena *a, struct str first, struct str second) {
    char *p = arena_alloc(a, (uint64_t)first.n + second.n + 1, 1);
    if (!p)
        return (struct str){ NULL, 0 };
    if (first.n)
        memcpy(p, first.p, first.n);
    if (second.n)
        memcpy(p + first.n, second.p, second.n);
    return (struct str){ p, first.n + second.n };
}

struct str arena_printf(struct arena *a, const char *fmt, ...) {
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    char *p = n < 0 ? NULL : arena_alloc(a, (uint64_t)n + 1, 1);
    if (!p)
        return (struct str){ NULL, 0 };
    va_start(ap, fmt);
    vsnprintf(p, (size_t)n + 1, fmt, ap);
    va_end(ap);
    return (struct str){ p, (size_t)n };
}

void arena_fini(struct arena *a) {
    while (a->head) {
        struct arena_block *next = a->head->next;
        free(a->head);
        a->head = next;
    }
    a->used = a->held = 0;
}
