/* SPDX-License-Identifier: Apache-2.0
 * formats/adapter.c - reading a folder of PEFT, and finding the base model's config.json: the base
 * is the folder of SRC that the adapter names. Its tensors are in adapter_pairs.c. */
#include "formats/adapter.h"
#include "formats/cleanup.h"
#include "formats/container.h"
#include "formats/hub.h"
#include "formats/json.h"
#include "formats/safetensors.h"
#include "formats/torch.h"
#include <errno.h>
#include <limits.h>
#include <stdio.h>

static const char *const WEIGHTS[] = { "adapter_model.safetensors", "adapter_model.bin" };

static bool join(const char *dir, const char *entry, char out[PATH_MAX]) {
    return snprintf(out, PATH_MAX, "%s%s%s", dir, *dir && *entry ? "/" : "", entry) < PATH_MAX;
}

static bool has_file(const struct root *root, const char *dir, const char *name) {
    char path[PATH_MAX];
    struct stat st;
    return join(dir, name, path) && root_stat(root, path, &st) == 0 && S_ISREG(st.st_mode);
}

/* Weights of a whole model, as formats/folder_weights.c looks for them. */
static bool has_model(const struct root *root, const char *path) {
    DIR *d;
    bool found = false;
    if (!has_file(root, path, "config.json") || root_opendir(root, path, &d) < 0)
        return false;
    for (struct dirent *e; !found && (e = readdir(d));) {
        const struct str name = str_from(e->d_name);
        found = (str_starts(name, STR("model")) && str_ends(name, STR(".safetensors"))) ||
                (str_starts(name, STR("pytorch_model")) && str_ends(name, STR(".bin")));
    }
    closedir(d);
    return found;
}

bool adapter_is_folder(const struct root *root, const char *path) {
    return has_file(root, path, "adapter_config.json") &&
           (has_file(root, path, WEIGHTS[0]) || has_file(root, path, WEIGHTS[1])) &&
           !has_model(root, path);
}

/* --- the base --- */

enum { MAX_PLACES = 8 };

/* Folders in which the base's config.json is looked for, the first that has one counts. */
struct places {
    char paths[MAX_PLACES][PATH_MAX];
    unsigned n;
};

static bool has_config(const struct root *root, const char *path) {
    return has_file(root, path, "config.json");
}

/* @name in @dir, as a folder and as a repository of a hub cache. */
static void look_in(struct places *p, struct root *root, const char *dir, struct str org,
                    struct str name) {
    char repo[PATH_MAX], entry[NAME_MAX + 1];
    if (snprintf(entry, sizeof entry, "%.*s", STR_ARG(name)) > NAME_MAX)
        return;
    p->n += join(dir, entry, p->paths[p->n]);
    if (snprintf(entry, sizeof entry, "models--%.*s%s%.*s", STR_ARG(org), org.n ? "--" : "",
                 STR_ARG(name)) > NAME_MAX)
        return;
    if (join(dir, entry, repo))
        p->n += hub_snapshot(root, repo, has_config, p->paths[p->n]);
}

/* "ORG/NAME", or a path on someone's disk: the last two components. */
static bool split_base(struct str base, struct str *org, struct str *name) {
    while (base.n && base.p[base.n - 1] == '/')
        base.n--;
    const char *slash = base.n ? memrchr(base.p, '/', base.n) : NULL;
    const size_t at = slash ? (size_t)(slash - base.p) : 0;
    *name = slash ? (struct str){ slash + 1, base.n - at - 1 } : base;
    const char *before = at ? memrchr(base.p, '/', at) : NULL;
    const size_t from = before ? (size_t)(before + 1 - base.p) : 0;
    *org = (struct str){ base.p + from, at > from ? at - from : 0 };
    return name->n && name->p[0] != '.' && !memchr(base.p, 0, base.n) &&
           !(org->n && org->p[0] == '.');
}

static void find_places(struct places *p, struct root *root, const char *path, struct str base) {
    struct str org, name;
    char dir[PATH_MAX];
    p->n = 0;
    if (split_base(base, &org, &name)) {
        const size_t parent = hub_parent(path);
        memcpy(dir, path, parent);
        dir[parent] = '\0';
        if (*path)
            look_in(p, root, dir, org, name);
        if (parent)
            look_in(p, root, "", org, name);
        snprintf(dir, sizeof dir, "%.*s", STR_ARG(org));
        if (*path && *dir)
            look_in(p, root, dir, org, name);
    }
    p->n += join(path, "", p->paths[p->n]);
}

int adapter_no_base(const struct model *m, struct err *err) {
    const struct str base = m->adapter->base;
    struct str org, name;
    if (!split_base(base, &org, &name))
        return err_set(err, -ENODATA,
                       "adapter_config.json names no base model, and there is no config.json "
                       "beside it");
    return err_set(err, -ENODATA,
                   "the base model \"%.*s\" is not here: no folder %.*s nor models--%.*s--%.*s "
                   "with a config.json beside the adapter or at the top, nor one of the "
                   "adapter's own",
                   STR_ARG(base), STR_ARG(name), STR_ARG(org), STR_ARG(name));
}

static int read_config(struct folder *f, struct json **config, struct str *base, struct err *err) {
    int rc = folder_json(f, "adapter_config.json", FOLDER_MAX_CONFIG, config, err);
    if (rc == 0 && json_type(*config) != JSON_OBJECT)
        rc = err_set(err, -EBADMSG, "adapter_config.json: not an object");
    *base = (struct str){ "", 0 };
    if (rc == 0)
        json_str(json_get(*config, "base_model_name_or_path"), base);
    return rc;
}

int adapter_base_hash(struct root *root, const char *path, struct hasher *h, struct err *err) {
    struct folder own = { .root = root, .path = str_from(path) };
    struct json *config = NULL;
    struct str base;
    auto_free struct places *p = malloc(sizeof *p);
    if (!p)
        return err_set(err, -ENOMEM, "no memory");
    read_config(&own, &config, &base, NULL);
    /* what is wrong with adapter_config.json is met again when it is read */
    find_places(p, root, path, base);
    for (unsigned i = 0; i < p->n; i++) {
        char file[PATH_MAX];
        struct stat st = { 0 };
        hasher_bytes(h, p->paths[i], strlen(p->paths[i]));
        if (join(p->paths[i], "config.json", file))
            hasher_u64(h, (uint64_t)root_stat(root, file, &st));
        const struct ident id = ident_from_stat(&st);
        hasher_ident(h, &id);
    }
    json_free(config);
    return 0;
}

static bool find_base(struct root *root, const char *path, struct str base, char out[PATH_MAX]) {
    auto_free struct places *p = malloc(sizeof *p);
    if (!p)
        return false;
    find_places(p, root, path, base);
    for (unsigned i = 0; i < p->n; i++)
        if (has_config(root, p->paths[i])) {
            memcpy(out, p->paths[i], PATH_MAX);
            return true;
        }
    return false;
}

bool adapter_find_base(struct root *root, const char *path, char out[PATH_MAX]) {
    struct folder own = { .root = root, .path = str_from(path) };
    struct json *config = NULL;
    struct str base;
    const bool found =
        read_config(&own, &config, &base, NULL) == 0 && find_base(root, path, base, out);
    json_free(config);
    return found;
}

/* --- the folder --- */

static int by_offset(const void *a, const void *b) {
    const struct tensor *x = a, *y = b;
    return x->off != y->off ? (x->off > y->off) - (x->off < y->off) : str_cmp(x->name, y->name);
}

static int read_weights(struct model *m, struct root *root, const char *path, struct err *err) {
    for (size_t i = 0; i < 2; i++) {
        char file[PATH_MAX];
        struct source *s;
        if (!has_file(root, path, WEIGHTS[i]) || !join(path, WEIGHTS[i], file))
            continue;
        int rc = source_open(&s, root, file, err);
        if (rc == 0)
            rc = i == 0 ? safetensors_read_into(m, s, err) : torch_read_into(m, s, true, err);
        if (rc < 0) {
            err_prefix(err, WEIGHTS[i]);
            return rc;
        }
        if (i == 0 && m->n_tensors > 1) /* as load_file of safetensors gives them */
            qsort(m->tensors, m->n_tensors, sizeof *m->tensors, by_offset);
        return model_index(m, err);
    }
    return err_set(err, -ENOENT, "neither adapter_model.safetensors nor adapter_model.bin");
}

int adapter_read(struct model *m, struct root *root, const char *path, struct err *err) {
    struct adapter *a = m->adapter = arena_new(&m->arena, struct adapter);
    if (!a)
        return err_set(err, -ENOMEM, "%s", path);
    a->own.root = root;
    a->own.path = arena_str(&m->arena, str_from(path));
    if (!a->own.path.p || !folder_name(&m->arena, root, path, &a->own.name))
        return err_set(err, -ENOMEM, "%s", path);
    int rc = read_config(&a->own, &a->config, &a->base, err);
    if (rc == 0)
        rc = folder_json(&a->own, "config.json", FOLDER_MAX_CONFIG, &a->own.config, err);
    if (rc < 0)
        return rc;
    folder_optional(&a->own, "generation_config.json", &a->own.generation_config);
    char base[PATH_MAX];
    rc = read_weights(m, root, path, err);
    if (rc < 0 || !find_base(root, path, a->base, base))
        return rc;
    return folder_open(m, root, base, err);
}

void adapter_free(struct adapter *a) {
    if (!a)
        return;
    json_free(a->config);
    folder_free(&a->own);
}
