/* SPDX-License-Identifier: Apache-2.0
 * formats/arch/match.c - names of tensors against the patterns of the tables. */
#include "formats/arch/work.h"
#include <stdio.h>

/* A decimal number as Python prints it. False where there is none or it is too large. */
static bool take_number(struct str *s, uint64_t *out) {
    size_t n = 0;
    uint64_t v = 0;
    while (n < s->n && s->p[n] >= '0' && s->p[n] <= '9' && n < 9)
        v = 10 * v + (uint64_t)(s->p[n++] - '0');
    if (n == 0 || (s->p[0] == '0' && n > 1))
        return false;
    *out = v;
    s->p += n;
    s->n -= n;
    return true;
}

bool name_matches(const char *pattern, struct str name, struct name_match *out) {
    *out = (struct name_match){ 0 };
    for (; *pattern; pattern++) {
        if (*pattern == '~')
            return true;
        if (*pattern == '#' || *pattern == '*') {
            if (!take_number(&name, *pattern == '#' ? &out->block : &out->expert))
                return false;
            continue;
        }
        if (name.n == 0 || name.p[0] != *pattern)
            return false;
        name.p++;
        name.n--;
    }
    out->rest = name;
    return name.n == 0 || str_is(name, ".weight") || str_is(name, ".bias");
}

struct str name_build(struct arena *a, const char *pattern, const struct name_match *m) {
    char buf[256];
    size_t len = 0;
    for (; *pattern && len + 24 < sizeof buf; pattern++) {
        if (*pattern == '#' || *pattern == '*')
            len += (size_t)snprintf(buf + len, sizeof buf - len, "%llu",
                                    (unsigned long long)(*pattern == '#' ? m->block : m->expert));
        else
            buf[len++] = *pattern;
    }
    return arena_printf(a, "%.*s%.*s", (int)len, buf, STR_ARG(m->rest));
}
