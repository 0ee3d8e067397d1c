/* SPDX-License-Identifier: Apache-2.0
 * formats/made_files.c - see made_files.h. */
#include "formats/made_files.h"
#include "formats/folder.h"
#include <errno.h>
#include <stdlib.h>

static int no_memory(const struct made_files *f) {
    return err_set(f->err, -ENOMEM, "no memory for the folder");
}

void made_files_add(struct made_files *f, struct str name, made_file_fn *make, uint32_t i) {
    if (f->n == f->cap && !f->failed) {
        const uint32_t cap = f->cap ? 2 * f->cap : 16;
        struct made_file *more = arena_array(f->arena, struct made_file, cap);
        if (more && f->n)
            memcpy(more, f->items, f->n * sizeof *more);
        f->failed = !more;
        f->items = more;
        f->cap = cap;
    }
    f->failed |= !name.p;
    if (!f->failed)
        f->items[f->n++] = (struct made_file){ name, make, i };
}

int made_files_lay(const struct made_files *f, struct layout *l, const char *file) {
    bool found = false;
    int rc = f->failed ? no_memory(f) : 0;
    for (uint32_t i = 0; rc == 0 && i < f->n; i++) {
        if (*file && !str_is(f->items[i].name, file))
            continue;
        found = true;
        rc = f->items[i].make(f, l, f->items[i].i);
    }
    return rc < 0 || found ? rc : err_set(f->err, -ENOENT, "no file %s in the folder", file);
}

int made_files_text(const struct made_files *f, struct layout *l, struct buffer *b) {
    struct str text = { 0 };
    if (!b->failed)
        text = arena_str(l->arena, (struct str){ b->p, b->n });
    buffer_fini(b);
    return text.p ? layout_literal(l, text.p, text.n, f->err) : no_memory(f);
}

static int by_name(const void *a, const void *b) {
    return str_cmp(((const struct file_entry *)a)->name, ((const struct file_entry *)b)->name);
}

/* Weights in whatever format, their indexes, and what is hidden. @made: sorted. */
static bool is_passed(const struct made_files *f, const struct file_list *made, struct str name) {
    const struct file_entry like = { name, true };
    static const char *const weights[] = {
        ".safetensors", ".index.json", ".bin",  ".pt", ".pth",     ".ckpt",
        ".gguf",        ".onnx",       ".data", ".h5", ".msgpack", ".npz",
    };
    for (size_t i = 0; i < sizeof weights / sizeof *weights; i++)
        if (str_ends(name, str_from(weights[i])))
            return false;
    return name.p[0] != '.' && folder_has(f->m->folder, name.p) &&
           !bsearch(&like, made->items, f->n, sizeof like, by_name);
}

int made_files_list(const struct made_files *f, struct file_list *out) {
    struct str *names = NULL;
    uint32_t n = 0;
    int rc = f->failed ? no_memory(f) : 0;
    if (rc == 0 && f->m->folder)
        rc = folder_list(f->m->folder, "", f->arena, &names, &n, f->err);
    if (rc < 0)
        return rc;
    out->n = 0;
    out->items = arena_array(f->arena, struct file_entry, (uint64_t)n + f->n + 1);
    if (!out->items)
        return no_memory(f);
    for (uint32_t i = 0; i < f->n; i++)
        out->items[out->n++] = (struct file_entry){ f->items[i].name, false };
    qsort(out->items, out->n, sizeof *out->items, by_name);
    for (uint32_t i = 0; i < n; i++)
        if (is_passed(f, out, names[i]))
            out->items[out->n++] = (struct file_entry){ names[i], true };
    qsort(out->items, out->n, sizeof *out->items, by_name);
    return 0;
}
