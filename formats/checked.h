/* SPDX-License-Identifier: Apache-2.0
 * formats/checked.h - unsigned arithmetic that says when it overflows. Each returns false on
 * overflow, and then leaves *out alone. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

static inline bool checked_add(uint64_t a, uint64_t b, uint64_t *out) {
    uint64_t r;
    if (__builtin_add_overflow(a, b, &r))
        return false;
    *out = r;
    return true;
}

static inline bool checked_mul(uint64_t a, uint64_t b, uint64_t *out) {
    uint64_t r;
    if (__builtin_mul_overflow(a, b, &r))
        return false;
    *out = r;
    return true;
}

/* Round @a up to a multiple of @align, a power of two. */
static inline bool checked_align(uint64_t a, uint64_t align, uint64_t *out) {
    uint64_t r;
    if (!checked_add(a, align - 1, &r))
        return false;
    *out = r & ~(align - 1);
    return true;
}

/* Does [off, off + len) lie within [0, size)? */
static inline bool checked_range(uint64_t off, uint64_t len, uint64_t size) {
    return off <= size && len <= size - off;
}
