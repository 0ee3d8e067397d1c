/* SPDX-License-Identifier: Apache-2.0
 * formats/folder_weights.c - reading a Hugging Face folder: which files hold its weights, and
 * their tensors in the converter's order: by file name, then by tensor name, or, where PyTorch
 * wrote them, as they stand in the file. */
#include "formats/cleanup.h"
#include "formats/container.h"
#include "formats/folder.h"
#include "formats/json.h"
#include "formats/original.h"
#include "formats/quantized/quantized.h"
#include "formats/safetensors.h"
#include "formats/torch.h"
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

static int read_torch(struct model *m, struct source *s, struct err *err) {
    return torch_read_into(m, s, true, err);
}

/* What a folder may keep its weights in; the first that there is counts. */
static const struct weights {
    const char *prefix, *suffix, *index;
    int (*read)(struct model *m, struct source *s, struct err *err);
    bool sorted; /* tensors are taken by name */
    enum folder_layout layout;
} kinds[] = {
    { "model", ".safetensors", "model.safetensors.index.json", safetensors_read_into, true,
      LAYOUT_HF },
    { "pytorch_model", ".bin", "pytorch_model.bin.index.json", read_torch, false, LAYOUT_HF },
    { "consolidated", ".safetensors", "consolidated.safetensors.index.json", safetensors_read_into,
      true, LAYOUT_MISTRAL },
    { "consolidated", ".pth", NULL, read_torch, false, LAYOUT_META },
};

struct parts {
    const struct weights *kind;
    struct str *names; /* sorted, terminated */
    uint32_t n;
};

static int by_bytes(const void *a, const void *b) {
    return str_cmp(*(const struct str *)a, *(const struct str *)b);
}

/* The name of a file in this very folder? */
static bool is_plain_name(struct str s) {
    return s.n > 0 && s.n < NAME_MAX && s.p[0] != '.' && !memchr(s.p, '/', s.n) &&
           !memchr(s.p, 0, s.n);
}

static bool is_part(const struct weights *kind, struct str name) {
    return str_starts(name, str_from(kind->prefix)) && str_ends(name, str_from(kind->suffix));
}

/* "model-00001-of-00003.safetensors": 3; 0 for a name of another form. */
static unsigned part_total(const struct weights *kind, struct str name) {
    const size_t prefix = strlen(kind->prefix), suffix = strlen(kind->suffix);
    unsigned i, total;
    int end = 0;
    if (!is_part(kind, name) || sscanf(name.p + prefix, "-%5u-of-%5u%n", &i, &total, &end) != 2)
        return 0;
    return end > 0 && prefix + (size_t)end + suffix == name.n ? total : 0;
}

static int check_complete(const struct parts *parts, struct err *err) {
    const struct weights *kind = parts->kind;
    const unsigned total = parts->n ? part_total(kind, parts->names[0]) : 0;
    for (unsigned i = 1; i <= total; i++) {
        char want[64];
        snprintf(want, sizeof want, "%s-%05u-of-%05u%s", kind->prefix, i, total, kind->suffix);
        const struct str key = str_from(want);
        if (!bsearch(&key, parts->names, parts->n, sizeof key, by_bytes))
            return err_set(err, -ENOENT, "%s is missing: %u parts of the model belong together",
                           want, total);
    }
    for (unsigned i = 0; kind->layout == LAYOUT_META && i < parts->n; i++) {
        char want[64];
        snprintf(want, sizeof want, "consolidated.%02u.pth", i);
        if (!str_is(parts->names[i], want))
            return err_set(err, -ENOENT, "%s is missing: the last part is %.*s", want,
                           STR_ARG(parts->names[parts->n - 1]));
    }
    return 0;
}

/* The kind of the weights, and every file of the folder that has its name. */
static int find_parts(struct model *m, struct parts *parts, struct err *err) {
    struct str *names;
    uint32_t n;
    int rc = folder_list(m->folder, "", &m->arena, &names, &n, err);
    if (rc < 0)
        return rc;
    parts->names = names;
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
        parts->kind = &kinds[k];
        if (kinds[k].layout != m->folder->layout)
            continue;
        for (uint32_t i = 0; i < n; i++)
            if (is_part(parts->kind, names[i]))
                parts->names[parts->n++] = names[i];
        if (parts->n || (kinds[k].index && folder_has(m->folder, kinds[k].index)))
            return 0;
    }
    return err_set(err, -ENOENT, "%s in the folder",
                   m->folder->layout ? "no consolidated.safetensors"
                                     : "neither model.safetensors nor pytorch_model.bin");
}

/* With an index: the files that its weight_map names. */
static int parts_by_index(struct model *m, const struct json *map, struct parts *parts,
                          struct err *err) {
    parts->n = 0;
    parts->names = arena_array(&m->arena, struct str, json_len(map));
    if (!parts->names)
        return err_set(err, -ENOMEM, "%s", parts->kind->index);
    for (struct json_iter it = json_iter(map); json_next(&it);) {
        struct str *name = &parts->names[parts->n++];
        if (!json_str(it.value, name) || !is_plain_name(*name))
            return err_set(err, -EBADMSG, "%s: the file of %.*s is not in this folder",
                           parts->kind->index, STR_ARG(it.key));
        *name = arena_str(&m->arena, *name);
        if (!name->p)
            return err_set(err, -ENOMEM, "%s", parts->kind->index);
    }
    qsort(parts->names, parts->n, sizeof *parts->names, by_bytes);
    uint32_t unique = 0;
    for (uint32_t i = 0; i < parts->n; i++)
        if (!unique || !str_eq(parts->names[unique - 1], parts->names[i]))
            parts->names[unique++] = parts->names[i];
    parts->n = unique;
    return 0;
}

static int read_part(struct model *m, const struct weights *kind, struct str name,
                     struct err *err) {
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
    rc = kind->read(m, s, err);
    if (rc < 0) {
        err_prefix(err, name.p);
        return rc;
    }
    if (kind->sorted)
        model_sort(m, first);
    return 0;
}

/* The index and the files must tell of the same tensors. */
static int check_index(const struct model *m, const char *index, const struct json *map,
                       struct err *err) {
    for (struct json_iter it = json_iter(map); json_next(&it);) {
        struct str file;
        if (model_find(m, it.key) || !json_str(it.value, &file))
            continue;
        return err_set(err, -EBADMSG, "%.*s has no tensor %.*s, which %s puts there", STR_ARG(file),
                       STR_ARG(it.key), index);
    }
    if (json_len(map) != m->n_tensors)
        return err_set(err, -EBADMSG, "%s: names %zu tensors, the files have %u", index,
                       json_len(map), m->n_tensors);
    return 0;
}

static int read_weights(struct model *m, struct parts *parts, const struct json *index,
                        struct err *err) {
    const struct json *map = json_get(index, "weight_map");
    const struct weights *kind = parts->kind;
    if (index && json_type(map) != JSON_OBJECT)
        return err_set(err, -EBADMSG, "%s: no \"weight_map\"", kind->index);
    int rc = index ? parts_by_index(m, map, parts, err) : check_complete(parts, err);
    for (uint32_t i = 0; i < parts->n && rc == 0; i++)
        rc = read_part(m, kind, parts->names[i], err);
    if (rc == 0 && kind->layout == LAYOUT_META)
        rc = original_join(m, err);
    if (rc == 0)
        rc = model_index(m, err);
    return rc < 0 || !index || json_len(map) == 0 ? rc : check_index(m, kind->index, map, err);
}

void folder_optional(struct folder *f, const char *name, struct json **out) {
    struct err ignored = { 0 };
    if (folder_json(f, name, FOLDER_MAX_CONFIG, out, &ignored) < 0)
        *out = NULL;
}

int folder_config(struct folder *f, struct err *err) {
    static const char *const names[] = { "config.json", "params.json" };
    for (size_t i = 0; i < 2; i++) {
        int rc = folder_json(f, names[i], FOLDER_MAX_CONFIG, &f->config, err);
        if (i > 0)
            f->layout = folder_has(f, ORIGINAL_FIRST) ? LAYOUT_META : LAYOUT_MISTRAL;
        if (rc < 0)
            return rc;
        if (f->config)
            return json_type(f->config) == JSON_OBJECT
                       ? 0
                       : err_set(err, -EBADMSG, "%s: not an object", names[i]);
    }
    return err_set(
        err, -ENOENT,
        "no config.json in the folder: by itself it is no model, `weightfs ls` lists those "
        "in it");
}

static int read_three(struct folder *f, struct err *err) {
    int rc = folder_config(f, err);
    if (rc < 0)
        return rc;
    folder_optional(f, "generation_config.json", &f->generation_config);
    return folder_json(f, "tokenizer_config.json", FOLDER_MAX_CONFIG, &f->tokenizer_config, err);
}

static int read_configs(struct folder *f, struct err *err) {
    struct arena a = { 0 };
    struct folder_trace t = { .arena = &a };
    f->trace = &t;
    const int rc = read_three(f, err);
    f->trace = NULL;
    f->configs = folder_trace_hash(&t);
    const bool failed = t.failed;
    arena_fini(&a);
    return rc == 0 && failed ? err_set(err, -ENOMEM, "no memory") : rc;
}

int folder_open(struct model *m, struct root *root, const char *path, struct err *err) {
    m->folder = arena_new(&m->arena, struct folder);
    if (m->folder)
        m->folder->tokenizer = tokenizer_slot_new();
    if (!m->folder || !m->folder->tokenizer)
        return err_set(err, -ENOMEM, "%s", path);
    m->folder->root = root;
    m->folder->path = arena_str(&m->arena, str_from(path));
    if (!m->folder->path.p || !folder_name(&m->arena, root, path, &m->folder->name))
        return err_set(err, -ENOMEM, "%s", path);
    return read_configs(m->folder, err);
}

int folder_read(struct model *m, struct root *root, const char *path, struct err *err) {
    struct parts parts = { 0 };
    struct json *index = NULL;
    int rc = folder_open(m, root, path, err);
    if (rc < 0)
        return rc;
    rc = find_parts(m, &parts, err);
    if (rc == 0 && parts.kind->index)
        rc = folder_json(m->folder, parts.kind->index, FOLDER_MAX_TOKENIZER, &index, err);
    if (rc < 0)
        return rc;
    rc = read_weights(m, &parts, index, err);
    json_free(index);
    if (rc == 0 && m->folder->layout == LAYOUT_META)
        rc = original_configs(m, err);
    return rc < 0 ? rc : quantized_unpack(m, err);
}
