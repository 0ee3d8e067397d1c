/* SPDX-License-Identifier: Apache-2.0
 * formats/str.h - a counted string or run of bytes that somebody else owns; may hold any byte. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

struct str {
    const char *p; /* not terminated */
    size_t n;      /* bytes */
};

#define STR(literal) ((struct str){ "" literal, sizeof(literal) - 1 })
/* For printf's "%.*s". */
#define STR_ARG(s) (int)(s).n, (s).p

static inline struct str str_from(const char *z) {
    return (struct str){ z, strlen(z) };
}
static inline bool str_eq(struct str a, struct str b) {
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}
static inline bool str_is(struct str a, const char *z) {
    return str_eq(a, str_from(z));
}
static inline bool str_starts(struct str s, struct str prefix) {
    return s.n >= prefix.n && (prefix.n == 0 || memcmp(s.p, prefix.p, prefix.n) == 0);
}
static inline bool str_ends(struct str s, struct str suffix) {
    return s.n >= suffix.n &&
           (suffix.n == 0 || memcmp(s.p + s.n - suffix.n, suffix.p, suffix.n) == 0);
}
/* Order by bytes: for UTF-8 the order of code points, as Python sorts. */
static inline int str_cmp(struct str a, struct str b) {
    size_t n = a.n < b.n ? a.n : b.n;
    int c = n ? memcmp(a.p, b.p, n) : 0;
    return c ? c : (a.n > b.n) - (a.n < b.n);
}
