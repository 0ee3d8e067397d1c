/* SPDX-License-Identifier: Apache-2.0
 * formats/text.h - text or bytes that grow while they are written. */
#pragma once
#include "formats/str.h"
#include <stdint.h>

struct text {
    char *p;
    size_t n, cap;
    bool failed; /* no memory; all further additions do nothing */
};

void text_fini(struct text *t);
void text_add(struct text *t, const void *p, size_t n);
void text_z(struct text *t, const char *z);
void text_u32(struct text *t, uint32_t v); /* little-endian, as the next */
void text_u64(struct text *t, uint64_t v);
void text_zeros(struct text *t, size_t n);
void text_decimal(struct text *t, uint64_t v);

/* A JSON string with its quotes, escaped as Rust's serde_json does: nothing but quote, backslash
 * and control characters. */
void text_json(struct text *t, struct str s);
