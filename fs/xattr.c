/* SPDX-License-Identifier: Apache-2.0
 * fs/xattr.c - what the mount says of a model in extended attributes. One row an attribute; what
 * it needs (headers, a plan) is got when it is asked for. */
#include "fs/xattr.h"
#include "formats/container.h"
#include "formats/folder.h"
#include "formats/json.h"
#include "formats/merge.h"
#include "fs/xattr_meta.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/xattr.h>
#include <unistd.h>

static const char PREFIX[] = "user.weightfs.";
static const char META[] = "meta.";

/* A view, or a model of SRC. */
struct about {
    struct mount *m;
    const struct node *n;
    struct model *model; /* a reference; NULL: cannot be read, and then `err` says why */
    struct view *view;   /* a reference; NULL: not a view, or it cannot be made */
    struct err err;
    struct buffer *out;
};

static void about_fini(struct about *a) {
    view_unref(a->view);
    model_unref(a->model);
}

static void about_open(struct about *a, struct mount *m, const struct node *n, struct buffer *out) {
    *a = (struct about){ .m = m, .n = n, .out = out };
    struct err err = { 0 };
    int rc = view_model(&a->model, m->engine, n->path, &err);
    if (rc == 0 && n->kind == NODE_VIEW && !n->info.error.code)
        rc = view_open(&a->view, m->engine, n->path, &n->spec, &err);
    if (n->kind == NODE_VIEW && n->info.error.code)
        a->err = n->info.error;
    else if (rc < 0)
        a->err = (struct err){ rc, "" }, memcpy(a->err.msg, err.msg, sizeof err.msg);
}

/* A GGUF that is made has pairs of its own; NULL: the model's metadata is what there is. */
static const struct kv_list *own_pairs(const struct about *a) {
    return a->view && a->view->layout.pairs.n ? &a->view->layout.pairs : NULL;
}

/* --- the attributes: true if there is a value --- */

static bool get_format(struct about *a) {
    if (a->n->kind == NODE_VIEW)
        buffer_z(a->out, format_name(a->n->spec.format));
    else if (a->model)
        buffer_z(a->out, a->model->container->name);
    return a->n->kind == NODE_VIEW || a->model;
}

static bool get_spec(struct about *a) {
    char text[SPEC_MAX_TEXT];
    if (a->n->kind != NODE_VIEW)
        return false;
    spec_text(&a->n->spec, text, sizeof text);
    buffer_z(a->out, text);
    return true;
}

static bool get_source(struct about *a) {
    if (a->n->kind != NODE_VIEW)
        return false;
    char text[PATH_MAX];
    merge_text(a->n->path, text);
    buffer_z(a->out, text);
    return true;
}

static bool get_architecture(struct about *a) {
    struct str s;
    if (!a->model)
        return false;
    const struct kv_list *own = own_pairs(a);
    const struct json *config = a->model->folder ? a->model->folder->config : NULL;
    if (!kv_get_str(own ? own : &a->model->kvs, "general.architecture", &s) &&
        !json_str(json_at(json_get(config, "architectures"), 0), &s) &&
        !json_str(json_get(config, "model_type"), &s))
        return false;
    buffer_add(a->out, s.p, s.n);
    return true;
}

static uint64_t count_parameters(const struct model *model) {
    uint64_t sum = 0;
    for (uint32_t i = 0; i < model->n_tensors; i++)
        sum += model->tensors[i].elems;
    return sum;
}

static bool get_parameters(struct about *a) {
    if (a->model)
        buffer_decimal(a->out, count_parameters(a->model));
    return a->model;
}

static bool get_tensors(struct about *a) {
    if (a->model)
        buffer_decimal(a->out, a->model->n_tensors);
    return a->model;
}

/* Of the tensors' bytes, as llama.cpp counts them: headers and padding left out. */
static bool get_bits_per_weight(struct about *a) {
    uint64_t bytes = 0;
    char text[32];
    if (!a->model || (a->n->kind == NODE_VIEW && !a->view))
        return false;
    const uint64_t params = count_parameters(a->model);
    for (uint32_t i = 0; !a->view && i < a->model->n_tensors; i++)
        bytes += a->model->tensors[i].bytes;
    for (uint32_t i = 0; a->view && i < a->view->layout.n; i++) {
        const struct extent *x = &a->view->layout.extents[i];
        bytes += x->kind == EXTENT_COPY || x->kind == EXTENT_CONVERT ? x->len : 0;
    }
    snprintf(text, sizeof text, "%.2f", params ? 8.0 * (double)bytes / (double)params : 0);
    buffer_z(a->out, text);
    return true;
}

static bool get_cached(struct about *a) {
    if (!a->view)
        return false;
    buffer_decimal(a->out, view_cached(a->view));
    buffer_z(a->out, " of ");
    buffer_decimal(a->out, a->view->layout.convert);
    return true;
}

static bool get_error(struct about *a) {
    if (a->err.code)
        buffer_z(a->out, *a->err.msg ? a->err.msg : strerror(-a->err.code));
    return a->err.code;
}

static const struct {
    const char *name;
    bool (*get)(struct about *a);
} attributes[] = {
    { "format", get_format },
    { "spec", get_spec },
    { "source", get_source },
    { "architecture", get_architecture },
    { "parameters", get_parameters },
    { "tensors", get_tensors },
    { "bits_per_weight", get_bits_per_weight },
    { "cached", get_cached },
    { "error", get_error },
};

static bool has_attributes(struct mount *m, const struct node *n) {
    return n->kind == NODE_VIEW || (n->kind == NODE_REAL && names_is_source(m->names, n->path));
}

static int get_own(struct mount *m, const struct node *n, const char *name, struct buffer *out) {
    struct about a;
    int rc = -ENODATA;
    about_open(&a, m, n, out);
    for (size_t i = 0; i < sizeof attributes / sizeof *attributes; i++) {
        if (strcmp(attributes[i].name, name) == 0)
            rc = attributes[i].get(&a) ? 0 : -ENODATA;
    }
    if (a.model && strncmp(name, META, sizeof META - 1) == 0)
        rc = xattr_meta_get(a.model, own_pairs(&a), name + sizeof META - 1, out);
    about_fini(&a);
    return rc;
}

/* Programs that copy files copy the attributes that are listed, and fail if the file system has no
 * room for them. ext4 has one block of 4 KiB for all of a file, so no more is listed than fits
 * there, with some left for what the system adds. What is not listed answers to its name. */
enum {
    LISTED_BYTES = 3400,
    ENTRY_BYTES = 16 + 2 * 4, /* of ext4, and what name and value are rounded up by */
};

struct listing {
    struct buffer *names;
    size_t room; /* bytes of LISTED_BYTES */
};

static void add_name(struct listing *l, const char *prefix, struct str name, size_t value) {
    const size_t n = strlen(PREFIX) + strlen(prefix) + name.n, bytes = ENTRY_BYTES + n + value;
    if (n > XATTR_NAME_MAX || bytes > l->room || memchr(name.p, 0, name.n))
        return;
    l->room -= bytes;
    buffer_z(l->names, PREFIX);
    buffer_z(l->names, prefix);
    buffer_add(l->names, name.p, name.n);
    buffer_zeros(l->names, 1);
}

static void add_meta_name(void *user, struct str key, size_t value) {
    add_name(user, META, key, value);
}

static void list_own(struct mount *m, const struct node *n, struct buffer *out) {
    struct about a;
    struct buffer value = { 0 };
    struct listing l = { out, LISTED_BYTES };
    about_open(&a, m, n, &value);
    for (size_t i = 0; i < sizeof attributes / sizeof *attributes; i++) {
        value.n = 0;
        if (attributes[i].get(&a))
            add_name(&l, "", str_from(attributes[i].name), value.n);
    }
    if (a.model)
        xattr_meta_each(a.model, own_pairs(&a), LISTED_BYTES, add_meta_name, &l);
    buffer_fini(&value);
    about_fini(&a);
}

/* --- attributes of SRC's own files: user.* but ours --- */

static bool is_passed(const char *name) {
    return strncmp(name, "user.", 5) == 0 && strncmp(name, PREFIX, strlen(PREFIX)) != 0;
}

static int get_passed(struct mount *m, const struct node *n, const char *name, struct buffer *out) {
    const int fd = root_openat(m->engine->root, n->path, O_RDONLY);
    char *value = fd < 0 ? NULL : malloc(XATTR_SIZE_MAX);
    const ssize_t len = value ? fgetxattr(fd, name, value, XATTR_SIZE_MAX) : -1;
    if (len >= 0)
        buffer_add(out, value, (size_t)len);
    free(value);
    if (fd >= 0)
        close(fd);
    return len < 0 ? -ENODATA : 0;
}

static void list_passed(struct mount *m, const struct node *n, struct buffer *out) {
    const int fd = root_openat(m->engine->root, n->path, O_RDONLY);
    char *names = fd < 0 ? NULL : malloc(XATTR_LIST_MAX);
    const ssize_t len = names ? flistxattr(fd, names, XATTR_LIST_MAX) : -1;
    for (ssize_t at = 0; at < len;) {
        const size_t size = strlen(names + at) + 1;
        if (is_passed(names + at) && out->n + size <= XATTR_LIST_MAX)
            buffer_add(out, names + at, size);
        at += (ssize_t)size;
    }
    free(names);
    if (fd >= 0)
        close(fd);
}

static bool is_plain(const struct mount *m, const struct node *n) {
    struct stat st;
    return n->kind == NODE_REAL &&
           root_lstat(m->engine->root, *n->path ? n->path : ".", &st) == 0 &&
           (S_ISREG(st.st_mode) || S_ISDIR(st.st_mode));
}

int xattr_get(struct mount *m, const struct node *n, const char *name, struct buffer *out) {
    int rc = -ENODATA;
    const size_t prefix = sizeof PREFIX - 1;
    if (strncmp(name, PREFIX, prefix) == 0) {
        if (n == nodes_root(m->nodes) && strcmp(name + prefix, "status") == 0) {
            mount_status(m, out);
            rc = 0;
        } else if (has_attributes(m, n)) {
            rc = get_own(m, n, name + prefix, out);
        }
    } else if (is_passed(name) && is_plain(m, n)) {
        rc = get_passed(m, n, name, out);
    }
    if (rc == 0 && out->n > XATTR_SIZE_MAX)
        rc = -E2BIG;
    return rc == 0 && out->failed ? -ENOMEM : rc;
}

int xattr_list(struct mount *m, const struct node *n, struct buffer *out) {
    if (is_plain(m, n))
        list_passed(m, n, out);
    if (has_attributes(m, n))
        list_own(m, n, out);
    return out->failed ? -ENOMEM : 0;
}
