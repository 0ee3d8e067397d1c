/* SPDX-License-Identifier: Apache-2.0
 * fs/names_merge.c - "BASE+ADAPTER" and "BASE+ADAPTER+ADAPTER" as the name of a model. Names may
 * have a '+' of their own: the longest name that there is counts, of the base first. */
#include "fs/names_impl.h"
#include "formats/merge.h"
#include <stdio.h>
#include <string.h>

struct search {
    find_model *find;
    void *user;
    struct found_model *found; /* scratch: it is large */
    char *path;                /* what was found, PATH_MAX */
};

static struct str before(struct str s, const char *p) {
    return (struct str){ s.p, (size_t)(p - s.p) };
}

static struct str after(struct str s, const char *p) {
    return (struct str){ p + 1, s.n - (size_t)(p + 1 - s.p) };
}

static bool append(char *path, const char *adapter) {
    const size_t n = strlen(path);
    return snprintf(path + n, PATH_MAX - n, "//%s", adapter) < (int)(PATH_MAX - n);
}

/* Each adapter that @names tells, behind s->path. */
static bool find_adapters(const struct search *s, struct str names, unsigned depth) {
    const size_t length = strlen(s->path);
    for (struct str left = names; left.n > 0 && depth < MERGE_MAX_ADAPTERS;) {
        const bool found = s->find(s->user, left, MODEL_ADAPTER, s->found) &&
                           (s->found->kind == MODEL_ADAPTER || s->found->kind == MODEL_GGUF) &&
                           append(s->path, s->found->path);
        const size_t used = left.n;
        if (found && (used == names.n || find_adapters(s, after(names, left.p + used), depth + 1)))
            return true;
        s->path[length] = '\0';
        const char *plus = memrchr(left.p, '+', left.n);
        if (!plus)
            return false;
        left = before(left, plus);
    }
    return false;
}

bool names_find(find_model *find, void *user, struct str stem, enum model_kind prefer,
                struct found_model *out) {
    struct found_model found;
    struct search s = { find, user, &found, out->path };
    if (find(user, stem, prefer, out))
        return true;
    for (struct str left = stem;;) {
        const char *plus = left.n ? memrchr(left.p, '+', left.n) : NULL;
        if (!plus)
            return false;
        left = before(left, plus);
        if (find(user, left, prefer, out) && out->kind != MODEL_ADAPTER &&
            find_adapters(&s, after(stem, plus), 0))
            return true;
    }
}
