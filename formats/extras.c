/* SPDX-License-Identifier: Apache-2.0
 * formats/extras.c - where the files beside a model are looked for. */
#include "formats/extras.h"
#include "formats/container.h"
#include "formats/folder.h"
#include "formats/hub.h"
#include "formats/merge.h"
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

enum { MAX_DIRS = 3, MAX_CANDIDATES = 2 * MAX_DIRS };

/* Where a model lies, in the order in which its extras are looked for. */
struct place {
    char dirs[MAX_DIRS][PATH_MAX]; /* relative to the root */
    unsigned n;
    char name[NAME_MAX + 1]; /* NAME of its views */
};

struct candidates {
    char paths[MAX_CANDIDATES][PATH_MAX];
    unsigned n;
};

static void add_dir(struct place *p, const char *dir, size_t n) {
    if (n >= PATH_MAX)
        return;
    for (unsigned i = 0; i < p->n; i++)
        if (strlen(p->dirs[i]) == n && !memcmp(p->dirs[i], dir, n))
            return;
    memcpy(p->dirs[p->n], dir, n);
    p->dirs[p->n++][n] = '\0';
}

/* Views of a folder lie beside it; those of a snapshot in a hub cache beside the repository. */
static int find_place(struct place *p, struct root *root, const char *source, struct err *err) {
    char buf[PATH_MAX];
    const char *paths[1 + MERGE_MAX_ADAPTERS];
    merge_split(source, buf, paths);
    const char *path = paths[0]; /* what belongs to the base belongs to what is made of it */
    struct stat st;
    struct arena a = { 0 };
    struct str name = model_file_name(path);
    size_t n = strlen(path);
    int rc = root_stat(root, path, &st);
    if (rc < 0)
        return err_set(err, rc, "%s: %s", path, strerror(-rc));
    p->n = 0;
    p->name[0] = 0;
    bool ok = true;
    if (S_ISDIR(st.st_mode)) {
        ok = folder_name(&a, root, path, &name);
        if (n)
            add_dir(p, path, hub_parent(path));
        add_dir(p, path, n);
    } else {
        add_dir(p, path, hub_parent(path));
    }
    if (ok)
        snprintf(p->name, sizeof p->name, "%.*s", (int)(name.n < NAME_MAX ? name.n : NAME_MAX),
                 name.p);
    arena_fini(&a);
    return ok ? 0 : err_set(err, -ENOMEM, "no memory");
}

static void add_path(struct candidates *c, const char *dir, const char *name, const char *suffix) {
    const int n =
        snprintf(c->paths[c->n], PATH_MAX, "%s%s%s%s", dir, *dir ? "/" : "", name, suffix);
    c->n += n < PATH_MAX;
}

static void list_imatrix(struct candidates *c, const struct place *p, const struct spec *spec) {
    c->n = 0;
    for (unsigned i = 0; i < p->n; i++) {
        if (spec->imatrix_file[0]) {
            add_path(c, p->dirs[i], spec->imatrix_file, "");
            continue;
        }
        add_path(c, p->dirs[i], p->name, ".imatrix.gguf");
        add_path(c, p->dirs[i], p->name, ".imatrix.dat");
    }
}

static void list_authorship(struct candidates *c, const struct place *p) {
    c->n = 0;
    for (unsigned i = 0; i < p->n; i++)
        add_path(c, p->dirs[i], p->name, ".metadata.json");
}

/* A GGUF that is made, not one that there is already. */
static bool has_authorship(const char *path, const struct spec *spec) {
    return (spec->format == FORMAT_GGUF || spec->format == FORMAT_MMPROJ) &&
           !str_ends(str_from(path), STR(".gguf"));
}

static bool has_extras(const char *path, const struct spec *spec) {
    return spec->profile[0] || spec->imatrix || has_authorship(path, spec);
}

static void list_profiles(struct candidates *c, struct place *p) {
    c->n = 0;
    add_dir(p, "", 0);
    for (unsigned i = 0; i < p->n; i++)
        add_path(c, p->dirs[i], "weightfs.yaml", "");
}

static void hash_candidates(struct hasher *h, struct root *root, const struct candidates *c,
                            int64_t *mtime_ns) {
    for (unsigned i = 0; i < c->n; i++) {
        struct stat st;
        const bool found = root_stat(root, c->paths[i], &st) == 0;
        hasher_u64(h, found);
        if (!found)
            continue;
        const struct ident id = ident_from_stat(&st);
        hasher_ident(h, &id);
        if (id.mtime_ns > *mtime_ns)
            *mtime_ns = id.mtime_ns;
    }
}

/* The first file that has the profile. One that is damaged is not passed over. */
static int open_profile(struct profile **out, struct root *root, const struct candidates *c,
                        const char *name, struct err *err) {
    for (unsigned i = 0; i < c->n; i++) {
        const int rc = profile_open(out, root, c->paths[i], name, err);
        if (rc != -ENOENT)
            return rc;
    }
    return err_set(err, -ENOENT, "%s is not a type, nor a profile in weightfs.yaml", name);
}

static int take_profile(struct extras *x, struct root *root, struct place *p, struct candidates *c,
                        struct err *err) {
    list_profiles(c, p);
    const int rc = open_profile(&x->profile, root, c, x->spec.profile, err);
    if (rc < 0)
        return rc;
    x->spec.type = x->profile->spec.type;
    spec_merge(&x->spec, &x->profile->spec);
    return 0;
}

static int take_imatrix(struct extras *x, struct root *root, const struct place *p,
                        struct candidates *c, struct err *err) {
    struct stat st;
    list_imatrix(c, p, &x->spec);
    for (unsigned i = 0; i < c->n; i++)
        if (root_stat(root, c->paths[i], &st) == 0)
            return imatrix_open(&x->imatrix, root, c->paths[i], err);
    if (x->spec.imatrix_file[0])
        return err_set(err, -ENODATA, "there is no importance matrix %s beside the model",
                       x->spec.imatrix_file);
    return err_set(err, -ENODATA, "there is neither %s.imatrix.gguf nor %s.imatrix.dat", p->name,
                   p->name);
}

static int take_authorship(struct extras *x, struct root *root, const struct place *p,
                           struct candidates *c, struct err *err) {
    list_authorship(c, p);
    for (unsigned i = 0; i < c->n; i++) {
        struct err own = { 0 };
        const int rc = authorship_open(&x->authorship, root, c->paths[i], &own);
        if (rc != -ENOENT)
            return rc < 0 ? err_set(err, rc, "%s", own.msg) : 0;
    }
    return 0;
}

int extras_open(struct extras *x, struct root *root, const char *path, const struct spec *spec,
                struct err *err) {
    *x = (struct extras){ .spec = *spec };
    if (!has_extras(path, spec))
        return 0;
    struct place p;
    struct candidates c;
    int rc = find_place(&p, root, path, err);
    if (rc == 0 && spec->profile[0])
        rc = take_profile(x, root, &p, &c, err);
    if (rc == 0 && x->spec.imatrix)
        rc = take_imatrix(x, root, &p, &c, err);
    if (rc == 0 && has_authorship(path, spec))
        rc = take_authorship(x, root, &p, &c, err);
    return rc;
}

void extras_close(struct extras *x) {
    imatrix_close(x->imatrix);
    profile_close(x->profile);
    authorship_close(x->authorship);
    x->authorship = NULL;
    x->imatrix = NULL;
    x->profile = NULL;
}

int extras_identity(struct root *root, const char *path, const struct spec *spec,
                    struct hash128 *out, int64_t *mtime_ns, struct err *err) {
    struct extras x = { .spec = *spec };
    struct place p;
    struct candidates c;
    memset(out, 0, sizeof *out);
    if (!has_extras(path, spec))
        return 0;
    int rc = find_place(&p, root, path, err);
    if (rc < 0)
        return rc;
    struct hasher *h = hasher_new();
    if (!h)
        return err_set(err, -ENOMEM, "no memory");
    hasher_bytes(h, p.name, strlen(p.name));
    if (spec->profile[0]) {
        take_profile(&x, root, &p, &c, NULL); /* a failure is met again when the view is made */
        hash_candidates(h, root, &c, mtime_ns);
    }
    if (x.spec.imatrix) {
        list_imatrix(&c, &p, &x.spec);
        hash_candidates(h, root, &c, mtime_ns);
    }
    if (has_authorship(path, spec)) {
        list_authorship(&c, &p);
        hash_candidates(h, root, &c, mtime_ns);
    }
    extras_close(&x);
    *out = hasher_end(h);
    return 0;
}

bool extras_has_profile(struct root *root, const char *path, const char *profile) {
    struct profile *found = NULL;
    struct place p;
    struct candidates c;
    if (find_place(&p, root, path, NULL) < 0)
        return false;
    list_profiles(&c, &p);
    const int rc = open_profile(&found, root, &c, profile, NULL);
    profile_close(found);
    return rc != -ENOENT;
}
