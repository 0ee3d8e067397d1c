/* SPDX-License-Identifier: Apache-2.0
 * formats/torch_pickle.c - the pickle of a dict of tensors, byte for byte as torch.save writes it
 * with Python's own pickler (protocol 2, PyTorch 2.15): what is met again is taken from the memo,
 * dicts are filled a thousand pairs at a time. */
#include "formats/json.h"
#include "formats/torch.h"
#include "formats/torch_write.h"
#include <errno.h>
#include <stdio.h>

enum {
    BATCH = 1000,
    SEEN_MAX = 48, /* texts that are written again and again: classes, storages, types */
};

struct writer {
    struct buffer *b;
    uint32_t memo; /* what was remembered so far */
    struct {
        const char *text;
        uint32_t memo;
    } seen[SEEN_MAX];
    uint32_t n_seen;
};

static void add_u8(struct writer *w, unsigned v) {
    const uint8_t byte = (uint8_t)v;
    buffer_add(w->b, &byte, 1);
}

/* Opcode @narrow with a byte or @wide with four, by what @v needs. */
static void add_index(struct writer *w, char narrow, char wide, uint32_t v) {
    add_u8(w, (unsigned char)(v < 256 ? narrow : wide));
    if (v < 256)
        add_u8(w, v);
    else
        buffer_u32(w->b, v);
}

static void remember(struct writer *w) {
    add_index(w, 'q', 'r', w->memo++);
}

/* True if @text was written before: then the memo is asked for it. */
static bool recall(struct writer *w, const char *text) {
    for (uint32_t i = 0; i < w->n_seen; i++)
        if (!strcmp(w->seen[i].text, text)) {
            add_index(w, 'h', 'j', w->seen[i].memo);
            return true;
        }
    w->seen[w->n_seen].text = text; /* a row for each text of the tables: there is room */
    w->seen[w->n_seen++].memo = w->memo;
    return false;
}

static void add_text(struct writer *w, struct str s) {
    add_u8(w, 'X');
    buffer_u32(w->b, (uint32_t)s.n);
    buffer_add(w->b, s.p, s.n);
    remember(w);
}

static void add_word(struct writer *w, const char *text) {
    if (!recall(w, text))
        add_text(w, str_from(text));
}

/* @text: "module\nname". */
static void add_global(struct writer *w, const char *text) {
    if (recall(w, text))
        return;
    add_u8(w, 'c');
    buffer_z(w->b, text);
    add_u8(w, '\n');
    remember(w);
}

/* A class of the module @module with a name from a table: @text is what both are recalled by. */
static void add_named(struct writer *w, const char *module, const char *name) {
    if (recall(w, name))
        return;
    add_u8(w, 'c');
    buffer_z(w->b, module);
    add_u8(w, '\n');
    buffer_z(w->b, name);
    add_u8(w, '\n');
    remember(w);
}

static void add_number(struct writer *w, uint64_t v) {
    if (v < 256) {
        add_u8(w, 'K');
        add_u8(w, (unsigned)v);
    } else if (v < 65536) {
        add_u8(w, 'M');
        add_u8(w, v & 255);
        add_u8(w, (unsigned)(v >> 8));
    } else if (v <= INT32_MAX) {
        add_u8(w, 'J');
        buffer_u32(w->b, (uint32_t)v);
    } else {
        uint8_t bytes[9] = { 0 };
        unsigned n = 0;
        for (; v || bytes[n ? n - 1 : 0] & 0x80; v >>= 8) /* a sign bit of its own at the end */
            bytes[n++] = v & 255;
        add_u8(w, 0x8a);
        add_u8(w, n);
        buffer_add(w->b, bytes, n);
    }
}

static void add_tuple(struct writer *w, const uint64_t *v, uint32_t n) {
    if (n > 3)
        add_u8(w, '(');
    for (uint32_t i = 0; i < n; i++)
        add_number(w, v[i]);
    add_u8(w, n == 0 ? ')' : n > 3 ? 't' : 0x84 + n);
    if (n)
        remember(w);
}

/* "storage", its class, its key, "cpu", its elements: of bytes where it has no class. */
static void add_storage(struct writer *w, const struct target *t, uint32_t key, const char *name,
                        bool is_new) {
    char text[16];
    const uint64_t elems = t->expr->rows * t->expr->cols;
    add_u8(w, '(');
    add_word(w, "storage");
    if (is_new)
        add_global(w, "torch.storage\nUntypedStorage");
    else
        add_named(w, "torch", name);
    snprintf(text, sizeof text, "%u", key);
    add_text(w, str_from(text));
    add_word(w, "cpu");
    add_number(w, is_new ? elems * dtype_info[t->dtype].block_bytes : elems);
    add_u8(w, 't');
    remember(w);
    add_u8(w, 'Q');
}

/* torch._utils._rebuild_tensor_v2(storage, 0, size, stride, False, OrderedDict()); v3 has the type
 * behind that. */
static void add_tensor(struct writer *w, const struct target *t, uint32_t key, const char *name,
                       bool is_new) {
    uint64_t stride[TENSOR_MAX_DIMS], step = 1;
    for (uint32_t i = t->n_dims; i-- > 0;) {
        stride[i] = step;
        step *= t->dims[i] ? t->dims[i] : 1; /* as PyTorch counts for tensors without elements */
    }
    add_global(w, is_new ? "torch._utils\n_rebuild_tensor_v3" : "torch._utils\n_rebuild_tensor_v2");
    add_u8(w, '(');
    add_storage(w, t, key, name, is_new);
    add_number(w, 0);
    add_tuple(w, t->dims, t->n_dims);
    add_tuple(w, stride, t->n_dims);
    add_u8(w, 0x89); /* False */
    add_global(w, "collections\nOrderedDict");
    buffer_add(w->b, ")R", 2);
    remember(w);
    if (is_new)
        add_named(w, "torch", name);
    add_u8(w, 't');
    remember(w);
    add_u8(w, 'R');
    remember(w);
}

static int add_pair(struct writer *w, const struct target *t, uint32_t key, struct err *err) {
    bool is_new;
    const char *name = torch_dtype_name(t->dtype, &is_new);
    if (!name)
        return err_set(err, -ENOTSUP, "%.*s: PyTorch has no type %s", STR_ARG(t->name),
                       dtype_info[t->dtype].name);
    if (!json_is_utf8(t->name))
        return err_set(err, -ENOTSUP, "a tensor's name is not UTF-8");
    add_text(w, t->name);
    add_tensor(w, t, key, name, is_new);
    return 0;
}

int torch_pickle(struct buffer *b, const struct form *f, struct err *err) {
    struct writer w = { .b = b };
    const uint32_t n = f->n_targets;
    int rc = 0;
    buffer_add(b, "\x80\2}", 3);
    remember(&w);
    for (uint32_t i = 0; i < n && rc == 0; i++) {
        if (n > 1 && i % BATCH == 0)
            add_u8(&w, '(');
        rc = add_pair(&w, &f->targets[i], i, err);
        if (n > 1 && (i % BATCH == BATCH - 1 || i == n - 1))
            add_u8(&w, 'u');
    }
    if (n == 1)
        add_u8(&w, 's');
    else if (n % BATCH == 0 && n > 0)
        buffer_add(b, "(u", 2); /* the pickler does not know that it is at the end */
    add_u8(&w, '.');
    if (rc == 0 && b->failed)
        rc = err_set(err, -ENOMEM, "no memory for a pickle of %u tensors", n);
    return rc;
}
