/* SPDX-License-Identifier: Apache-2.0
 * fs/models.c - see models.h. */
#include "fs/models.h"
#include "formats/adapter.h"
#include "formats/cleanup.h"
#include "formats/container.h"
#include "formats/gguf.h"
#include "formats/hub.h"
#include "formats/recent.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

enum { MAX_SUFFIXES = 4 };
static const char *const SUFFIX[MODEL_KINDS][MAX_SUFFIXES] = {
    [MODEL_GGUF] = { ".gguf" },
    [MODEL_SAFETENSORS] = { ".safetensors" },
    [MODEL_TORCH] = { ".pt", ".pth", ".bin", ".ckpt" },
    [MODEL_ONNX] = { ".onnx" },
};

bool models_join(const char *dir, const char *entry, char out[PATH_MAX]) {
    const int n = snprintf(out, PATH_MAX, "%s%s%s", dir, *dir && *entry ? "/" : "", entry);
    return n < PATH_MAX;
}

static mode_t type_of(const struct root *root, const char *path) {
    struct stat st;
    return root_stat(root, path, &st) == 0 ? st.st_mode & S_IFMT : 0;
}

static bool has_file(const struct root *root, const char *dir, const char *name) {
    char path[PATH_MAX];
    return models_join(dir, name, path) && type_of(root, path) == S_IFREG;
}

/* @own: in the layout of Mistral or Meta, without config.json. */
static bool is_weights(struct str name, bool own) {
    if (own)
        return str_starts(name, STR("consolidated")) &&
               (str_ends(name, STR(".safetensors")) || str_ends(name, STR(".pth")));
    return str_ends(name, STR(".safetensors")) ||
           (str_starts(name, STR("pytorch_model")) && str_ends(name, STR(".bin")));
}

/* IS_FOLDER: with the weights of a whole model. */
enum folder_kind { IS_OTHER, IS_FOLDER, IS_ADAPTER };

static enum folder_kind look_at_folder(const struct root *root, const char *path) {
    DIR *d;
    if (adapter_is_folder(root, path))
        return IS_ADAPTER;
    const bool own = !has_file(root, path, "config.json");
    if ((own && !has_file(root, path, "params.json")) || root_opendir(root, path, &d) < 0)
        return IS_OTHER;
    bool found = false;
    for (struct dirent *e; !found && (e = readdir(d));)
        found = is_weights(str_from(e->d_name), own);
    closedir(d);
    return found ? IS_FOLDER : IS_OTHER;
}

static enum folder_kind folder_kind(const struct root *root, const char *path) {
    struct recent *recent = root_recent(root);
    const struct recent_key key = recent_key(recent, RECENT_KIND, path);
    enum folder_kind kind;
    if (!recent_get(recent, &key, &kind, sizeof kind)) {
        kind = look_at_folder(root, path);
        recent_put(recent, &key, &kind, sizeof kind);
    }
    return kind;
}

bool models_is_folder(const struct root *root, const char *path) {
    return folder_kind(root, path) != IS_OTHER;
}

/* Not the whole struct: it is large, and filled for every name that is looked at. */
static void begin(struct found_model *out) {
    out->kind = MODEL_FOLDER;
    out->name[0] = out->org[0] = out->path[0] = 0;
}

static bool split_repository(const char *entry, struct found_model *out) {
    struct str org, name;
    if (!hub_split(str_from(entry), &org, &name))
        return false;
    snprintf(out->org, sizeof out->org, "%.*s", STR_ARG(org));
    snprintf(out->name, sizeof out->name, "%.*s", STR_ARG(name));
    return true;
}

/* --- one entry --- */

static bool set_name(struct found_model *out, const char *p, size_t n) {
    if (n == 0 || n > NAME_MAX)
        return false;
    memcpy(out->name, p, n);
    out->name[n] = 0;
    return true;
}

static bool classify_file(const char *entry, struct found_model *out) {
    size_t prefix;
    if (gguf_split_parts(entry, &prefix)) {
        out->kind = MODEL_GGUF;
        return strncmp(entry + prefix, "-00001-of-", 10) == 0 && set_name(out, entry, prefix);
    }
    for (enum model_kind k = MODEL_GGUF; k < MODEL_KINDS; k++)
        for (int i = 0; i < MAX_SUFFIXES && SUFFIX[k][i]; i++)
            if (str_ends(str_from(entry), str_from(SUFFIX[k][i]))) {
                out->kind = k;
                return set_name(out, entry, strlen(entry) - strlen(SUFFIX[k][i]));
            }
    return false;
}

/* Much is called .bin or .ckpt that no PyTorch has written. */
static bool is_torch(struct root *root, const char *path) {
    const struct str name = str_from(path);
    uint8_t head[SNIFF_BYTES];
    if (!str_ends(name, STR(".bin")) && !str_ends(name, STR(".ckpt")))
        return true;
    auto_close int fd = root_openat(root, path, O_RDONLY | O_CLOEXEC);
    const ssize_t n = fd < 0 ? -1 : pread(fd, head, sizeof head, 0);
    return n > 0 && containers[CONTAINER_TORCH].sniff(head, (size_t)n);
}

static bool classify(struct root *root, const char *dir, const char *entry,
                     struct found_model *out) {
    begin(out);
    if (!models_join(dir, entry, out->path))
        return false;
    if (classify_file(entry, out) && type_of(root, out->path) == S_IFREG)
        return out->kind != MODEL_TORCH || is_torch(root, out->path);
    out->kind = MODEL_FOLDER;
    if (type_of(root, out->path) != S_IFDIR)
        return false;
    if (split_repository(entry, out)) {
        char repo[PATH_MAX];
        memcpy(repo, out->path, sizeof repo);
        return hub_snapshot(root, repo, models_is_folder, out->path);
    }
    return models_is_folder(root, out->path) && set_name(out, entry, strlen(entry));
}

bool models_classify(struct root *root, const char *dir, const char *entry,
                     struct found_model *out) {
    if (!classify(root, dir, entry, out))
        return false;
    if (out->kind == MODEL_FOLDER && folder_kind(root, out->path) == IS_ADAPTER)
        out->kind = MODEL_ADAPTER;
    return true;
}

bool models_root(struct root *root, struct found_model *out) {
    begin(out);
    if (root_only(root) || !models_is_folder(root, ""))
        return false;
    if (folder_kind(root, "") == IS_ADAPTER)
        out->kind = MODEL_ADAPTER;
    const char *path = root_path(root), *base = strrchr(path, '/') + 1;
    const char *snapshots = strstr(path, "/snapshots/");
    if (snapshots &&
        snapshots + strlen("/snapshots/") == base) { /* .../models--A--B/snapshots/REV */
        const char *repo = snapshots;
        while (repo > path && repo[-1] != '/')
            repo--;
        char entry[NAME_MAX + 1];
        snprintf(entry, sizeof entry, "%.*s", (int)(snapshots - repo), repo);
        if (split_repository(entry, out))
            return true;
    }
    return set_name(out, base, strlen(base));
}

/* --- who is meant --- */

static bool find_plain(struct root *root, const char *dir, struct str stem, enum model_kind kind,
                       struct found_model *out) {
    for (int i = 0; i < MAX_SUFFIXES && (i == 0 || SUFFIX[kind][i]); i++) {
        char entry[NAME_MAX + 1];
        const char *suffix = SUFFIX[kind][i] ? SUFFIX[kind][i] : "";
        if (snprintf(entry, sizeof entry, "%.*s%s", STR_ARG(stem), suffix) > NAME_MAX)
            return false;
        if (models_classify(root, dir, entry, out) && out->kind == kind && str_is(stem, out->name))
            return true;
    }
    return false;
}

/* Names that cannot be built, only found: the parts of a split GGUF, repositories of a hub. */
static bool find_by_listing(struct root *root, const char *dir, struct str stem,
                            struct found_model *out) {
    DIR *d;
    bool found = false;
    if (root_opendir(root, dir, &d) < 0)
        return false;
    for (struct dirent *e; !found && (e = readdir(d));) {
        const struct str name = str_from(e->d_name);
        if (str_starts(name, STR("models--"))
                ? !str_ends(name, stem)
                : !str_starts(name, stem) || !str_ends(name, STR(".gguf")))
            continue;
        found = models_classify(root, dir, e->d_name, out) && str_is(stem, out->name);
    }
    closedir(d);
    return found;
}

bool models_find(struct root *root, const char *dir, struct str stem, enum model_kind prefer,
                 struct found_model *out) {
    char entry[NAME_MAX + 1];
    if (stem.n == 0 || stem.n > NAME_MAX || memchr(stem.p, '/', stem.n))
        return false;
    if (*dir == 0 && models_root(root, out) && str_is(stem, out->name))
        return true;
    snprintf(entry, sizeof entry, "%.*s", STR_ARG(stem));
    if (models_classify(root, dir, entry, out)) /* a full file name, or a folder */
        if (out->kind != MODEL_FOLDER && out->kind != MODEL_ADAPTER)
            return true;
    if (prefer != MODEL_FOLDER && find_plain(root, dir, stem, prefer, out))
        return true;
    for (enum model_kind k = 0; k < MODEL_KINDS; k++)
        if (find_plain(root, dir, stem, k, out))
            return true;
    if (models_classify(root, dir, entry, out)) /* models--ORG--NAME, named in full */
        return true;
    return find_by_listing(root, dir, stem, out);
}
