/* SPDX-License-Identifier: Apache-2.0
 * formats/hash.c - XXH3 behind hash.h. */
#include "formats/hash.h"
#include <endian.h>
#include <string.h>
#include <xxhash.h>

struct hasher *hasher_new(void) {
    XXH3_state_t *s = XXH3_createState();
    if (s)
        XXH3_128bits_reset(s);
    return (struct hasher *)s;
}

void hasher_add(struct hasher *h, const void *p, size_t n) {
    XXH3_128bits_update((XXH3_state_t *)h, p, n);
}

void hasher_u64(struct hasher *h, uint64_t v) {
    v = htole64(v);
    hasher_add(h, &v, sizeof v);
}

void hasher_bytes(struct hasher *h, const void *p, size_t n) {
    hasher_u64(h, n);
    hasher_add(h, p, n);
}

struct hash128 hasher_end(struct hasher *h) {
    XXH128_canonical_t c;
    XXH128_canonicalFromHash(&c, XXH3_128bits_digest((XXH3_state_t *)h));
    XXH3_freeState((XXH3_state_t *)h);
    struct hash128 out;
    memcpy(out.b, c.digest, sizeof out.b);
    return out;
}

uint64_t hash64(const void *p, size_t n) {
    return XXH3_64bits(p, n);
}
