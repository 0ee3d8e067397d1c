/* SPDX-License-Identifier: Apache-2.0
 * formats/buffer.h - text or bytes that grow while they are written. */
#pragma once
#include "formats/str.h"
#include <stdint.h>

struct buffer {
    char *p;
    size_t n, cap;
    bool failed; /* no memory; all further additions do nothing */
};

void buffer_fini(struct buffer *t);
void buffer_add(struct buffer *t, const void *p, size_t n);
void buffer_z(struct buffer *t, const char *z);
void buffer_u32(struct buffer *t, uint32_t v); /* little-endian, as the next */
void buffer_u64(struct buffer *t, uint64_t v);
void buffer_zeros(struct buffer *t, size_t n);
void buffer_decimal(struct buffer *t, uint64_t v);

/* A JSON string with its quotes, escaped as Rust's serde_json does: nothing but quote, backslash
 * and control characters. */
void buffer_json(struct buffer *t, struct str s);
