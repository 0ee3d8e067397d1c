/* SPDX-License-Identifier: Apache-2.0
 * formats/hash.h - the door to xxHash: identities of files, tensors and chunks. Not for defence
 * against someone who wants a collision: a user can only spoil a cache of their own. */
#pragma once
#include <stddef.h>
#include <stdint.h>

struct hash128 {
    uint8_t b[16];
};

struct hasher; /* XXH3, 128 bits */

struct hasher *hasher_new(void); /* NULL: no memory */
void hasher_add(struct hasher *h, const void *p, size_t n);
void hasher_u64(struct hasher *h, uint64_t v);
/* Length first, so that neighbouring strings cannot run into each other. */
void hasher_bytes(struct hasher *h, const void *p, size_t n);
struct hash128 hasher_end(struct hasher *h); /* frees @h */

uint64_t hash64(const void *p, size_t n); /* XXH3, 64 bits */
