/* SPDX-License-Identifier: Apache-2.0
 * formats/container.c - the table of formats, and opening a model by its content. */
#include "formats/container.h"
#include "formats/adapter.h"
#include "formats/gguf.h"
#include "formats/folder.h"
#include "formats/torch.h"
#include <errno.h>

static bool sniff_gguf(const uint8_t *head, size_t n) {
    return n >= 4 && !memcmp(head, "GGUF", 4);
}

/* A u64 length below 2^32 and the brace of the header. */
static bool sniff_safetensors(const uint8_t *head, size_t n) {
    return n >= 9 && head[8] == '{' && !memcmp(head + 4, "\0\0\0\0", 4);
}

/* A zip archive may be something else: what is in it is looked at when it is read. */
static bool sniff_torch(const uint8_t *head, size_t n) {
    return (n >= 4 && !memcmp(head, "PK\3\4", 4)) || torch_is_legacy(head, n) ||
           torch_is_tar(head, n);
}

const struct container containers[CONTAINER_COUNT] = {
    { CONTAINER_GGUF, "gguf", { ".gguf" }, sniff_gguf, gguf_read },
    { CONTAINER_SAFETENSORS,
      "safetensors",
      { ".safetensors" },
      sniff_safetensors,
      safetensors_read },
    { CONTAINER_FOLDER, "folder", { NULL }, NULL, folder_read },
    { CONTAINER_TORCH, "PyTorch", { ".pt", ".pth", ".bin", ".ckpt" }, sniff_torch, torch_read },
    { CONTAINER_ADAPTER, "adapter", { NULL }, NULL, adapter_read },
    { CONTAINER_ONNX, "ONNX", { ".onnx" }, NULL, onnx_read },
};

/* The suffix of @c that @s has, if any: its length. */
static size_t suffix_length(const struct container *c, struct str s) {
    for (size_t i = 0; i < sizeof c->suffixes / sizeof *c->suffixes; i++) {
        const struct str suffix = str_from(c->suffixes[i] ? c->suffixes[i] : "");
        if (suffix.n && s.n > suffix.n && str_ends(s, suffix))
            return suffix.n;
    }
    return 0;
}

struct str model_file_name(const char *path) {
    size_t n;
    struct str s = str_from(path);
    if (gguf_split_parts(path, &n))
        s.n = n;
    const char *slash = memrchr(s.p, '/', s.n);
    if (slash) {
        s.n -= (size_t)(slash + 1 - s.p);
        s.p = slash + 1;
    }
    for (size_t i = 0; i < CONTAINER_COUNT; i++) {
        const size_t suffix = suffix_length(&containers[i], s);
        if (suffix)
            return (struct str){ s.p, s.n - suffix };
    }
    return s;
}

/* The row for the file at @path. A file that has the suffix of a format, but not its content, is
 * damaged; others are just not ours. */
static int find_container(const struct container **out, struct root *root, const char *path,
                          struct err *err) {
    uint8_t head[SNIFF_BYTES];
    struct source *s;
    int ret = source_open(&s, root, path, err);
    if (ret < 0)
        return ret;
    uint64_t size = source_ident(s)->size;
    size_t n = size < sizeof head ? (size_t)size : sizeof head;
    ret = source_pread(s, head, n, 0, err);
    source_close(s);
    if (ret < 0)
        return ret;
    for (size_t i = 0; i < CONTAINER_COUNT; i++)
        if (containers[i].sniff && containers[i].sniff(head, n)) {
            *out = &containers[i];
            return 0;
        }
    for (size_t i = 0; i < CONTAINER_COUNT; i++)
        if (suffix_length(&containers[i], str_from(path))) {
            *out = &containers[i];
            return containers[i].sniff
                       ? err_set(err, -EBADMSG, "its content is not %s", containers[i].name)
                       : 0; /* protobuf has no mark to be known by */
        }
    return err_set(err, -ENOTSUP, "neither GGUF, safetensors, PyTorch nor ONNX");
}

int model_open(struct model **out, struct root *root, const char *path, struct err *err) {
    const struct container *c = &containers[CONTAINER_FOLDER];
    struct model *m;
    struct stat st;
    int ret = root_stat(root, path, &st);
    if (ret < 0)
        return err_set(err, ret, "%s: %s", path, strerror(-ret));
    if (adapter_is_folder(root, path))
        c = &containers[CONTAINER_ADAPTER];
    else if (!S_ISDIR(st.st_mode))
        ret = find_container(&c, root, path, err);
    if (ret == 0)
        ret = model_new(&m, model_file_name(path), err);
    if (ret == 0) {
        m->container = c;
        ret = c->read(m, root, path, err);
        if (ret < 0)
            model_unref(m);
    }
    if (ret < 0) {
        err_prefix(err, path);
        return ret;
    }
    *out = m;
    return 0;
}
