/* SPDX-License-Identifier: Apache-2.0
 * formats/folder.c - the small files of a Hugging Face folder, its name and its identity. The
 * weights are in folder_weights.c. */
#include "formats/folder.h"
#include "formats/cleanup.h"
#include "formats/hub.h"
#include "formats/json.h"
#include "formats/tokenizer/memo.h"
#include <errno.h>
#include <limits.h>
#include <stdio.h>

struct tokenizer_slot *tokenizer_slot_new(void) {
    struct tokenizer_slot *s = calloc(1, sizeof *s);
    if (s)
        pthread_mutex_init(&s->lock, NULL);
    return s;
}

uint64_t tokenizer_slot_bytes(struct tokenizer_slot *s) {
    pthread_mutex_lock(&s->lock);
    const uint64_t bytes = s->memo ? s->memo->arena.held / s->memo->refs : 0;
    pthread_mutex_unlock(&s->lock);
    return bytes;
}

void folder_free(struct folder *f) {
    if (!f)
        return;
    json_free(f->config);
    json_free(f->generation_config);
    json_free(f->tokenizer_config);
    f->config = f->generation_config = f->tokenizer_config = NULL;
    if (f->tokenizer) {
        tokenizer_memo_unref(f->tokenizer->memo);
        pthread_mutex_destroy(&f->tokenizer->lock);
        free(f->tokenizer);
        f->tokenizer = NULL;
    }
}

/* The last component of text[0, *end), which is cut off with its slashes. */
static struct str cut_component(const char *text, size_t *end) {
    while (*end && text[*end - 1] == '/')
        --*end;
    size_t stop = *end;
    while (*end && text[*end - 1] != '/')
        --*end;
    return (struct str){ text + *end, stop - *end };
}

bool folder_name(struct arena *a, const struct root *root, const char *path, struct str *out) {
    struct str org, repo;
    const struct str full = arena_printf(a, "%s/%s", root_path(root), path);
    if (!full.p)
        return false;
    size_t end = full.n;
    *out = cut_component(full.p, &end);
    const struct str snapshots = cut_component(full.p, &end);
    if (str_is(snapshots, "snapshots") && hub_split(cut_component(full.p, &end), &org, &repo))
        *out = repo;
    return true;
}

static int join(char buf[PATH_MAX], const char *dir, const char *name, struct err *err) {
    const int n = snprintf(buf, PATH_MAX, "%s%s%s", dir, *dir && *name ? "/" : "", name);
    return n < PATH_MAX ? 0 : err_set(err, -ENAMETOOLONG, "%s: the path is too long", name);
}

/* What @name is, by a look that follows links; 0: nothing that can be reached. */
static mode_t type_of(const struct folder *f, const char *name, bool *link) {
    char path[PATH_MAX];
    struct stat st;
    *link = false;
    if (join(path, f->path.p, name, NULL) < 0)
        return 0;
    if (root_stat(f->root, path, &st) == 0)
        return st.st_mode & S_IFMT;
    *link = root_lstat(f->root, path, &st) == 0;
    return 0;
}

/* ENTRY_OTHER: a folder, a link to nothing, and the like. */
enum entry { ENTRY_NONE, ENTRY_FILE, ENTRY_OTHER };

static enum entry find_entry(const struct folder *f, const char *name) {
    bool link;
    const mode_t type = type_of(f, name, &link);
    const enum entry e = type == S_IFREG ? ENTRY_FILE : type || link ? ENTRY_OTHER : ENTRY_NONE;
    folder_trace_add(f->trace, LOOK_HAS, name, (int)e, NULL, 0);
    return e;
}

bool folder_has(const struct folder *f, const char *name) {
    return find_entry(f, name) == ENTRY_FILE;
}

int folder_slurp(const struct folder *f, const char *name, uint64_t limit, char **out, size_t *n,
                 struct err *err) {
    char path[PATH_MAX];
    int rc = join(path, f->path.p, name, err);
    if (rc == 0)
        rc = source_slurp(f->root, path, limit, out, n, NULL, err);
    folder_trace_add(f->trace, LOOK_TEXT, name, rc, rc < 0 ? NULL : *out, rc < 0 ? 0 : *n);
    return rc;
}

int folder_hash_file(const struct folder *f, const char *name, uint64_t limit, struct hasher *h,
                     struct err *err) {
    char path[PATH_MAX];
    const int rc = join(path, f->path.p, name, err);
    return rc < 0 ? rc : source_hash(f->root, path, limit, h, err);
}

int folder_json(const struct folder *f, const char *name, uint64_t limit, struct json **out,
                struct err *err) {
    *out = NULL;
    const enum entry entry = find_entry(f, name);
    if (entry != ENTRY_FILE)
        return entry == ENTRY_NONE ? 0 : err_set(err, -EINVAL, "%s: not a regular file", name);
    auto_free char *text = NULL;
    size_t n;
    int rc = folder_slurp(f, name, limit, &text, &n, err);
    if (rc < 0)
        return rc;
    rc = json_parse(out, (struct str){ text, n }, err);
    if (rc < 0)
        err_prefix(err, name);
    return rc;
}

static int by_bytes(const void *a, const void *b) {
    return str_cmp(*(const struct str *)a, *(const struct str *)b);
}

static int list_entries(DIR *dir, struct arena *a, struct str **names, uint32_t *n,
                        struct err *err) {
    uint32_t cap = 0;
    for (;;) {
        errno = 0;
        const struct dirent *e = readdir(dir);
        if (!e)
            return errno ? err_set(err, -errno, "listing the folder: %s", strerror(errno)) : 0;
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
            continue;
        if (*n == FOLDER_MAX_ENTRIES)
            return err_set(err, -E2BIG, "more than %d files in the folder", FOLDER_MAX_ENTRIES);
        if (*n == cap) {
            cap = cap ? 2 * cap : 32;
            struct str *more = arena_array(a, struct str, cap);
            if (!more)
                return err_set(err, -ENOMEM, "listing the folder");
            if (*n)
                memcpy(more, *names, *n * sizeof *more);
            *names = more;
        }
        struct str *entry = &(*names)[(*n)++];
        *entry = arena_str(a, str_from(e->d_name));
        if (!entry->p)
            return err_set(err, -ENOMEM, "listing the folder");
    }
}

static void trace_list(const struct folder *f, const char *dir, int rc, const struct str *names,
                       uint32_t n) {
    struct hasher *h = f->trace ? hasher_new() : NULL;
    if (f->trace && !h)
        f->trace->failed = true;
    if (!h)
        return;
    for (uint32_t i = 0; i < n; i++)
        hasher_bytes(h, names[i].p, names[i].n);
    const struct hash128 all = hasher_end(h);
    folder_trace_add(f->trace, LOOK_LIST, dir, rc, all.b, sizeof all.b);
}

/* @*d stays open, for closedir; NULL: there is no such folder. */
static int list_dir(const struct folder *f, const char *path, DIR **d, struct arena *a,
                    struct str **names, uint32_t *n, struct err *err) {
    int rc = root_opendir(f->root, path, d);
    if (rc < 0) {
        *d = NULL;
        return rc == -ENOENT || rc == -ENOTDIR ? 0
                                               : err_set(err, rc, "%s: %s", path, strerror(-rc));
    }
    rc = list_entries(*d, a, names, n, err);
    if (rc == 0 && *n)
        qsort(*names, *n, sizeof **names, by_bytes);
    return rc;
}

int folder_list(const struct folder *f, const char *dir, struct arena *a, struct str **names,
                uint32_t *n, struct err *err) {
    char path[PATH_MAX];
    DIR *d = NULL;
    *names = NULL;
    *n = 0;
    int rc = join(path, f->path.p, dir, err);
    if (rc == 0)
        rc = list_dir(f, path, &d, a, names, n, err);
    trace_list(f, dir, rc, *names, rc < 0 ? 0 : *n);
    if (d)
        closedir(d);
    return rc;
}

/* Folders below this one that a conversion reads from: chat templates, and the modules of
 * sentence-transformers ("1_Pooling"). */
static bool is_consulted(struct str name) {
    return str_is(name, "additional_chat_templates") ||
           (name.n > 2 && name.p[0] >= '0' && name.p[0] <= '9' && name.p[1] == '_');
}

/* The names in @dir with what they lead to: links are followed, because a file may be replaced
 * behind a link that stays. */
static int hash_dir(const struct folder *f, const char *dir, struct arena *a, struct hasher *h,
                    int64_t *mtime_ns, struct err *err) {
    struct str *names = NULL;
    uint32_t n = 0;
    char base[PATH_MAX];
    DIR *d = NULL;
    int rc = join(base, f->path.p, dir, err);
    if (rc == 0)
        rc = list_dir(f, base, &d, a, &names, &n, err);
    hasher_u64(h, n);
    for (uint32_t i = 0; rc == 0 && i < n; i++) {
        struct stat st = { 0 };
        const int found = root_stat_in(f->root, d, base, names[i].p, &st);
        const struct ident id = ident_from_stat(&st);
        hasher_bytes(h, names[i].p, names[i].n);
        hasher_u64(h, (uint64_t)found);
        hasher_ident(h, &id);
        if (id.mtime_ns > *mtime_ns)
            *mtime_ns = id.mtime_ns;
        if (found == 0 && !*dir && S_ISDIR(st.st_mode) && is_consulted(names[i]))
            rc = hash_dir(f, names[i].p, a, h, mtime_ns, err);
    }
    if (d)
        closedir(d);
    return rc;
}

int folder_hash(struct root *root, const char *path, struct hash128 *out, int64_t *mtime_ns,
                struct err *err) {
    struct arena a = { 0 };
    struct folder f = { .root = root, .path = str_from(path) };
    struct hasher *h = hasher_new();
    int rc = -ENOMEM;
    *mtime_ns = 0;
    if (h && folder_name(&a, root, path, &f.name)) {
        hasher_bytes(h, f.name.p, f.name.n);
        rc = hash_dir(&f, "", &a, h, mtime_ns, err);
    }
    if (h)
        *out = hasher_end(h);
    arena_fini(&a);
    return rc == -ENOMEM ? err_set(err, rc, "%s: identity", path) : rc;
}
