/* SPDX-License-Identifier: Apache-2.0
 * formats/arena.h - many small things, one free. Not thread-safe. */
#pragma once
#include "formats/str.h"
#include <stdint.h>

struct arena_block;
struct arena {
    struct arena_block *head;
    uint64_t used;  /* bytes handed out */
    uint64_t held;  /* bytes that it takes from the system */
    uint64_t limit; /* bytes it may hand out; 0: ARENA_LIMIT */
};

/* What one model may need: the largest tokenizers and headers stay under a third of this. */
#define ARENA_LIMIT (512ull << 20)

/* @count * @size zeroed bytes, aligned to 16. NULL when memory, the limit or the product fails. */
void *arena_alloc(struct arena *a, uint64_t count, uint64_t size);
#define arena_new(a, type)      ((type *)arena_alloc((a), 1, sizeof(type)))
#define arena_array(a, type, n) ((type *)arena_alloc((a), (n), sizeof(type)))

/* A copy, terminated by a NUL that does not count. p is NULL on failure. */
struct str arena_str(struct arena *a, struct str s);
/* Both in one, likewise; unlike arena_printf it takes any byte. */
struct str arena_join(struct arena *a, struct str first, struct str second);
struct str arena_printf(struct arena *a, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* Release everything; the arena is then empty and may be used again. */
void arena_fini(struct arena *a);
