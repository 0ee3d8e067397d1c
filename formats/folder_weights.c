/* SPDX-License-Identifier: Apache-2.0
 * formats/folder_weights.c - reading a Hugging Face folder: which files hold its weights, and
 * their tensors in the converter's order: by file name, then by tensor name. */
#include "formats/cleanup.h"
#include "formats/container.h"
#include "formats/folder.h"
#include "formats/json.h"
#include "formats/safetensors.h"
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#define INDEX_NAME "model.safetensors.index.json"

struct parts {
    struct str *names; /* sorted, terminated */
    uint32_t n;
};

static int by_bytes(const void *a, const void *b) {
    return str_cmp(*(const struct str *)a, *(const struct str *)b);
}

static int by_name(const void *a, const void *b) {
    return str_cmp(((const struct tensor *)a)->name, ((const struct tensor *)b)->name);
}

/* The name of a file in this very folder? */
static bool is_plain_name(struct str s) {
    return s.n > 0 && s.n < NAME_MAX && s.p[0] != '.' && !memchr(s.p, '/', s.n) &&
           !memchr(s.p, 0, s.n);
}

static bool is_part(struct str name) {
    return str_starts(name, STR("model")) && str_ends(name, STR(".safetensors"));
}

/* "model-00001-of-00003.safetensors": 3; 0 for a name of another form. */
static unsigned part_total(struct str name) {
    unsigned i, total;
    int end = 0;
    if (sscanf(name.p, "model-%5u-of-%5u.safetensors%n", &i, &total, &end) != 2)
        return 0;
    return end > 0 && (size_t)end == name.n ? total : 0;
}

static int check_complete(const struct parts *parts, struct err *err) {
    const unsigned total = parts->n ? part_total(parts->names[0]) : 0;
    for (unsigned i = 1; i <= total; i++) {
        char want[64];
        snprintf(want, sizeof want, "model-%05u-of-%05u.safetensors", i, total);
        const struct str key = str_from(want);
        if (!bsearch(&key, parts->names, parts->n, sizeof key, by_bytes))
            return err_set(err, -ENOENT, "%s is missing: %u parts of the model belong together",
                           want, total);
    }
    return 0;
}

/* Without an index: every model*.safetensors of the folder. */
static int parts_by_name(struct model *m, struct parts *parts, struct err *err) {
    struct str *names;
    uint32_t n;
    bool torch = false;
    int rc = folder_list(m->folder, "", &m->arena, &names, &n, err);
    if (rc < 0)
        return rc;
    parts->names = names;
    for (uint32_t i = 0; i < n; i++) {
        torch |= str_starts(names[i], STR("pytorch_model")) && str_ends(names[i], STR(".bin"));
        if (is_part(names[i]))
            parts->names[parts->n++] = names[i];
    }
    if (parts->n)
        return check_complete(parts, err);
    return torch ? err_set(err, -ENOTSUP,
                           "weights in pytorch_model.bin are not read yet; "
                           "save the model as safetensors")
                 : err_set(err, -ENOENT, "no model.safetensors in the folder");
}

/* With an index: the files that its weight_map names. */
static int parts_by_index(struct model *m, const struct json *map, struct parts *parts,
                          struct err *err) {
    parts->names = arena_array(&m->arena, struct str, json_len(map));
    if (!parts->names)
        return err_set(err, -ENOMEM, INDEX_NAME);
    for (struct json_iter it = json_iter(map); json_next(&it);) {
        struct str *name = &parts->names[parts->n++];
        if (!json_str(it.value, name) || !is_plain_name(*name))
            return err_set(err, -EBADMSG, INDEX_NAME ": the file of %.*s is not in this folder",
                           STR_ARG(it.key));
        *name = arena_str(&m->arena, *name);
        if (!name->p)
            return err_set(err, -ENOMEM, INDEX_NAME);
    }
    qsort(parts->names, parts->n, sizeof *parts->names, by_bytes);
    uint32_t unique = 0;
    for (uint32_t i = 0; i < parts->n; i++)
        if (!unique || !str_eq(parts->names[unique - 1], parts->names[i]))
            parts->names[unique++] = parts->names[i];
    parts->n = unique;
    return 0;
}

static int read_part(struct model *m, struct str name, struct err *err) {
    char path[PATH_MAX];
    const int n = snprintf(path, sizeof path, "%s%s%s", m->folder->path.p,
                           m->folder->path.n ? "/" : "", name.p);
    if (n >= PATH_MAX)
        return err_set(err, -ENAMETOOLONG, "%s: the path is too long", name.p);
    struct source *s;
    int rc = source_open(&s, m->folder->root, path, err);
    if (rc < 0)
        return rc;
    const uint32_t first = m->n_tensors;
    rc = safetensors_read_into(m, s, err);
    if (rc < 0) {
        err_prefix(err, name.p);
        return rc;
    }
    if (m->n_tensors > first)
        qsort(m->tensors + first, m->n_tensors - first, sizeof *m->tensors, by_name);
    return 0;
}

/* The index and the files must tell of the same tensors. */
static int check_index(const struct model *m, const struct json *map, struct err *err) {
    for (struct json_iter it = json_iter(map); json_next(&it);) {
        struct str file;
        if (model_find(m, it.key) || !json_str(it.value, &file))
            continue;
        return err_set(err, -EBADMSG, "%.*s has no tensor %.*s, which " INDEX_NAME " puts there",
                       STR_ARG(file), STR_ARG(it.key));
    }
    if (json_len(map) != m->n_tensors)
        return err_set(err, -EBADMSG, INDEX_NAME ": names %zu tensors, the files have %u",
                       json_len(map), m->n_tensors);
    return 0;
}

static int read_weights(struct model *m, const struct json *index, struct err *err) {
    const struct json *map = json_get(index, "weight_map");
    struct parts parts = { 0 };
    if (index && json_type(map) != JSON_OBJECT)
        return err_set(err, -EBADMSG, INDEX_NAME ": no \"weight_map\"");
    int rc = index ? parts_by_index(m, map, &parts, err) : parts_by_name(m, &parts, err);
    for (uint32_t i = 0; i < parts.n && rc == 0; i++)
        rc = read_part(m, parts.names[i], err);
    if (rc == 0)
        rc = model_index(m, err);
    return rc < 0 || !index || json_len(map) == 0 ? rc : check_index(m, map, err);
}

/* What the converter ignores where it is not JSON. */
static void read_optional(struct folder *f, const char *name, struct json **out) {
    struct err ignored = { 0 };
    if (folder_json(f, name, FOLDER_MAX_CONFIG, out, &ignored) < 0)
        *out = NULL;
}

static int read_configs(struct folder *f, struct err *err) {
    int rc = folder_json(f, "config.json", FOLDER_MAX_CONFIG, &f->config, err);
    if (rc < 0)
        return rc;
    if (!f->config)
        return err_set(err, -ENOENT, "no config.json in the folder");
    if (json_type(f->config) != JSON_OBJECT)
        return err_set(err, -EBADMSG, "config.json: not an object");
    read_optional(f, "generation_config.json", &f->generation_config);
    return folder_json(f, "tokenizer_config.json", FOLDER_MAX_CONFIG, &f->tokenizer_config, err);
}

int folder_read(struct model *m, struct root *root, const char *path, struct err *err) {
    m->folder = arena_new(&m->arena, struct folder);
    if (m->folder)
        m->folder->tokenizer = tokenizer_memo_new();
    if (!m->folder || !m->folder->tokenizer)
        return err_set(err, -ENOMEM, "%s", path);
    m->folder->root = root;
    m->folder->path = arena_str(&m->arena, str_from(path));
    if (!m->folder->path.p || !folder_name(&m->arena, root, path, &m->folder->name))
        return err_set(err, -ENOMEM, "%s", path);
    int rc = read_configs(m->folder, err);
    if (rc < 0)
        return rc;
    struct json *index;
    rc = folder_json(m->folder, INDEX_NAME, FOLDER_MAX_TOKENIZER, &index, err);
    if (rc < 0)
        return rc;
    rc = read_weights(m, index, err);
    json_free(index);
    return rc;
}
