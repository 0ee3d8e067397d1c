/* SPDX-License-Identifier: Apache-2.0
 * formats/folder_trace.c - see folder_trace.h. */
#include "formats/folder_trace.h"
#include "formats/folder.h"
#include <stdlib.h>

static bool grow(struct folder_trace *t) {
    const uint32_t cap = t->cap ? 2 * t->cap : 16;
    struct folder_seen *seen = arena_array(t->arena, struct folder_seen, cap);
    if (!seen)
        return false;
    if (t->n)
        memcpy(seen, t->seen, t->n * sizeof *seen);
    t->seen = seen;
    t->cap = cap;
    return true;
}

void folder_trace_add(struct folder_trace *t, enum folder_look look, const char *name, int result,
                      const void *bytes, size_t n) {
    if (!t)
        return;
    struct hasher *h = hasher_new();
    const struct str copy = arena_str(t->arena, str_from(name));
    if (!h || !copy.p || (t->n == t->cap && !grow(t))) {
        t->failed = true;
        if (h)
            (void)hasher_end(h);
        return;
    }
    hasher_u64(h, (uint64_t)result);
    hasher_bytes(h, bytes, n);
    t->seen[t->n++] = (struct folder_seen){ look, copy, hasher_end(h) };
}

static void look_again(const struct folder *f, const struct folder_seen *s) {
    char *text = NULL;
    struct str *names;
    struct arena a = { 0 };
    uint32_t count;
    size_t n;
    switch (s->look) {
    case LOOK_HAS:
        (void)folder_has(f, s->name.p);
        break;
    case LOOK_TEXT:
        (void)folder_slurp(f, s->name.p, FOLDER_MAX_TOKENIZER, &text, &n, NULL);
        free(text);
        break;
    case LOOK_LIST:
        (void)folder_list(f, s->name.p, &a, &names, &count, NULL);
        arena_fini(&a);
        break;
    }
}

/* Was the same looked at before? Large files are read once. */
static bool is_again(const struct folder_trace *t, uint32_t i) {
    for (uint32_t k = 0; k < i; k++)
        if (t->seen[k].look == t->seen[i].look && str_eq(t->seen[k].name, t->seen[i].name))
            return true;
    return false;
}

/* As folder_trace_add would have it, of a file that can be read: most of what there is to look at
 * are such, and large. */
static bool is_same_text(const struct folder *f, const struct folder_seen *s) {
    struct hasher *h = s->look == LOOK_TEXT ? hasher_new() : NULL;
    if (!h)
        return false;
    hasher_u64(h, 0);
    const int rc = folder_hash_file(f, s->name.p, FOLDER_MAX_TOKENIZER, h, NULL);
    const struct hash128 now = hasher_end(h);
    return rc == 0 && memcmp(&now, &s->found, sizeof now) == 0;
}

bool folder_trace_holds(const struct folder_trace *t, const struct folder *f) {
    bool same = !t->failed;
    for (uint32_t i = 0; same && i < t->n; i++) {
        struct arena a = { 0 };
        struct folder_trace now = { .arena = &a };
        struct folder probe = *f;
        if (is_again(t, i) || is_same_text(f, &t->seen[i]))
            continue;
        probe.trace = &now;
        look_again(&probe, &t->seen[i]);
        same = !now.failed && now.n == 1 &&
               memcmp(&now.seen[0].found, &t->seen[i].found, sizeof now.seen[0].found) == 0;
        arena_fini(&a);
    }
    return same;
}

struct hash128 folder_trace_hash(const struct folder_trace *t) {
    struct hasher *h = hasher_new();
    struct hash128 none = { { 0 } };
    for (uint32_t i = 0; h && i < t->n; i++) {
        hasher_u64(h, t->seen[i].look);
        hasher_bytes(h, t->seen[i].name.p, t->seen[i].name.n);
        hasher_add(h, t->seen[i].found.b, sizeof t->seen[i].found.b);
    }
    return h ? hasher_end(h) : none;
}
