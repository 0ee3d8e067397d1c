/* SPDX-License-Identifier: Apache-2.0
 * tools/ls.c - `weightfs ls`: the models of a folder, and the views that a mount would list. */
#include "formats/cleanup.h"
#include "formats/merge.h"
#include "fs/data_file.h"
#include "fs/engine.h"
#include "fs/view.h"
#include "tools/text.h"
#include "tools/verbs.h"
#include <errno.h>
#include <getopt.h>
#include <string.h>

static const char help[] =
    "usage: weightfs ls [OPTION...] SRC\n"
    "\n"
    "The models of a folder and views of them, with the sizes that a mount would show. No weight\n"
    "is read.\n"
    "\n"
    "      --views LIST   which views, FORMAT@TYPE joined by ':'; all, none (default: up to "
    "three)\n"
    "  -R, --recursive    folders below SRC too\n"
    "      --names        only names, one a line\n"
    "      --json         for scripts\n"
    "\n"
    "Exit status: 0 done, 1 wrong usage, 2 SRC cannot be read.\n";

enum { OPT_VIEWS = 256, OPT_NAMES, OPT_JSON };
static const struct option options[] = {
    { "views", required_argument, NULL, OPT_VIEWS },
    { "recursive", no_argument, NULL, 'R' },
    { "names", no_argument, NULL, OPT_NAMES },
    { "json", no_argument, NULL, OPT_JSON },
    { "help", no_argument, NULL, 'h' },
    { 0 },
};

struct entry {
    char *name;   /* in the mount, relative to SRC */
    char *source; /* of a view: its model, as merge_text has it; NULL: a model */
    uint64_t size;
    bool folder; /* a model that is one: it has no size */
    char *error; /* NULL: it can be made */
};

struct ls {
    struct engine *engine;
    struct names *names;
    struct entry *entries;
    size_t n, cap;
    bool recursive, names_only, json;
    const char *dir; /* that is being listed */
    struct name *found;
    struct err *err;
};

static char *join(const char *dir, const char *name) {
    char *s;
    return asprintf(&s, "%s%s%s", dir, *dir ? "/" : "", name) < 0 ? NULL : s;
}

static bool append(struct ls *l, struct entry e) {
    if (l->n == l->cap) {
        const size_t cap = l->cap ? 2 * l->cap : 64;
        struct entry *more = reallocarray(l->entries, cap, sizeof *more);
        if (!more)
            return false;
        l->entries = more;
        l->cap = cap;
    }
    l->entries[l->n++] = e;
    return true;
}

static int list_dir(struct ls *l, const char *dir);

/* A view: its size, or why it cannot be made. */
static int add_view(struct ls *l, char *path) {
    char source[PATH_MAX];
    struct view_info info;
    merge_text(l->found->path, source);
    struct entry e = { .name = path, .source = strdup(source) };
    const int rc =
        l->names_only ? 0 : view_stat(l->engine, l->found->path, &l->found->spec, &info, l->err);
    if (rc == 0 && !l->names_only) {
        e.size = info.size;
        e.error = info.error.code ? strdup(info.error.msg) : NULL;
    }
    if (rc == 0 && e.source && append(l, e))
        return 0;
    free(e.source);
    free(e.error);
    return rc ? rc : -ENOMEM;
}

static int add_data_file(struct ls *l, const char *view) {
    char name[NAME_MAX + 1];
    if (!data_file_find(l->engine, l->names, l->dir, view, l->found, name))
        return 0;
    char *path = join(l->dir, name);
    const int rc = path ? add_view(l, path) : -ENOMEM;
    if (rc < 0)
        free(path);
    return rc;
}

static int emit(void *user, const char *name, unsigned char type) {
    struct ls *l = user;
    auto_free char *path = join(l->dir, name);
    struct stat st;
    int rc = path ? names_resolve(l->names, l->dir, name, l->found) : -ENOMEM;
    if (rc < 0)
        return rc == -ENOENT ? 0 : rc;
    if (l->found->kind == NAME_VIEW) {
        rc = add_view(l, path);
        if (rc == 0) {
            take(path);
            rc = add_data_file(l, name);
        }
        return rc == -ENOENT ? 0 : rc; /* it went away meanwhile */
    }
    if (names_is_source(l->names, l->found->path)) {
        struct entry e = { .name = path };
        if (root_stat(l->engine->root, l->found->path, &st) < 0)
            return 0; /* it went away meanwhile */
        e.folder = S_ISDIR(st.st_mode);
        e.size = e.folder ? 0 : (uint64_t)st.st_size;
        if (!append(l, e))
            return -ENOMEM;
        take(path);
        return 0;
    }
    return type == DT_DIR && l->recursive ? list_dir(l, path) : 0;
}

static int list_dir(struct ls *l, const char *dir) {
    const char *outer = l->dir;
    l->dir = dir;
    const int rc = names_list(l->names, dir, emit, l);
    l->dir = outer;
    return rc;
}

static int by_name(const void *a, const void *b) {
    return strcmp(((const struct entry *)a)->name, ((const struct entry *)b)->name);
}

static void print_text(const struct ls *l) {
    char buf[TEXT_SIZE];
    for (size_t i = 0; i < l->n; i++) {
        const struct entry *e = &l->entries[i];
        if (!l->names_only && (e->error || e->folder))
            printf("%10s  ", e->folder ? "folder" : "-");
        else if (!l->names_only)
            printf("%10s  ", text_bytes(e->size, buf));
        text_plain(stdout, str_from(e->name));
        if (!l->names_only && e->error)
            printf("  (%s)", e->error);
        putchar('\n');
    }
}

static void print_json(const struct ls *l) {
    printf("[");
    for (size_t i = 0; i < l->n; i++) {
        const struct entry *e = &l->entries[i];
        printf("%s\n {\"name\": ", i ? "," : "");
        text_json(stdout, str_from(e->name));
        printf(", \"kind\": \"%s\"", e->source ? "view" : "model");
        if (!e->folder && !e->error)
            printf(", \"size\": %llu", (unsigned long long)e->size);
        if (e->source) {
            fputs(", \"source\": ", stdout);
            text_json(stdout, str_from(e->source));
        }
        if (e->error) {
            fputs(", \"error\": ", stdout);
            text_json(stdout, str_from(e->error));
        }
        putchar('}');
    }
    puts(l->n ? "\n]" : "]");
}

/* The cache remembers sizes; but listing must not make one. */
static const char *cache_if_there(char *buf, size_t size) {
    return engine_default_cache(buf, size) && access(buf, W_OK) == 0 ? buf : "";
}

static int run(struct ls *l, const char *src, const char *views, struct err *err) {
    char place[PATH_MAX];
    const struct engine_options eo = { .cache_dir = cache_if_there(place, sizeof place) };
    const struct names_options no = { .views = views };
    auto_free struct name *found = malloc(sizeof *found);
    l->found = found;
    l->err = err;
    int rc = found ? engine_open(&l->engine, src, &eo, err) : err_set(err, -ENOMEM, "no memory");
    if (rc == 0)
        rc = names_new(&l->names, l->engine->root, &no, err);
    if (rc == 0) {
        rc = list_dir(l, "");
        if (rc < 0)
            err_set(err, rc, "%s: %s", src, strerror(-rc));
    }
    if (rc == 0 && l->n)
        qsort(l->entries, l->n, sizeof *l->entries, by_name);
    if (rc == 0)
        (l->json ? print_json : print_text)(l);
    for (size_t i = 0; i < l->n; i++) {
        free(l->entries[i].name);
        free(l->entries[i].source);
        free(l->entries[i].error);
    }
    free(l->entries);
    names_free(l->names);
    engine_close(l->engine);
    return rc;
}

int tool_ls(int argc, char **argv) {
    struct ls l = { 0 };
    struct err err = { 0 };
    const char *views = NULL;
    int opt;
    opterr = 0;
    while ((opt = getopt_long(argc, argv, "Rh", options, NULL)) != -1) {
        switch (opt) {
        case OPT_VIEWS:
            views = optarg;
            break;
        case 'R':
            l.recursive = true;
            break;
        case OPT_NAMES:
            l.names_only = true;
            break;
        case OPT_JSON:
            l.json = true;
            break;
        case 'h':
            fputs(help, stdout);
            return TOOL_OK;
        default:
            return text_option("ls", argv);
        }
    }
    if (argc - optind != 1)
        return text_usage("ls", "it takes one folder");
    return run(&l, argv[optind], views, &err) < 0 ? text_fail("ls", &err) : TOOL_OK;
}
