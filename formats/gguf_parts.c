/* SPDX-License-Identifier: Apache-2.0
 * formats/gguf_parts.c - one part of a split GGUF: what llama-gguf-split --split-max-size makes of
 * the whole (tools/gguf-split/gguf-split.cpp, llama.cpp 0c1e570). */
#include "formats/checked.h"
#include "formats/gguf.h"
#include "formats/plan.h"
#include <endian.h>
#include <errno.h>

enum { MAX_PARTS = 99999 /* five digits */ };

/* Bytes that the tensor counts for. */
static int padded_bytes(const struct target *t, uint64_t *bytes, struct err *err) {
    if (!dtype_bytes(t->dtype, t->expr->rows * t->expr->cols, bytes) ||
        !checked_align(*bytes, GGUF_ALIGNMENT, bytes))
        return err_set(err, -ENOTSUP, "%.*s: its shape does not fit %s", STR_ARG(t->name),
                       dtype_info[t->dtype].name);
    return 0;
}

/* Metadata does not count. *first and *n: the targets of part @part, from 1. */
static int find_parts(const struct form *f, uint64_t limit, uint32_t part, uint32_t *parts,
                      uint32_t *first, uint32_t *n, struct err *err) {
    uint64_t size = 0;
    *parts = 1;
    *first = *n = 0;
    for (uint32_t i = 0; i < f->n_targets; i++) {
        uint64_t bytes, next;
        int ret = padded_bytes(&f->targets[i], &bytes, err);
        if (ret < 0)
            return ret;
        if (!checked_add(size, bytes, &next) || next > limit) {
            if (i == 0)
                return err_set(err, -ENOTSUP, "split=: %.*s alone is larger",
                               STR_ARG(f->targets[i].name));
            next = bytes;
            ++*parts;
        }
        size = next;
        if (*parts == part && (*n)++ == 0)
            *first = i;
    }
    return 0;
}

static bool set_u16(struct kv_list *l, struct arena *a, struct str key, uint32_t v) {
    const uint16_t le = htole16((uint16_t)v);
    kv_remove(l, key);
    return kv_set_raw(l, a, key, KV_U16, (struct str){ (const char *)&le, sizeof le });
}

int form_take_part(struct form *f, const struct spec *spec, struct err *err) {
    uint32_t parts, first, n;
    char text[SPEC_MAX_TEXT];
    spec_text(spec, text, sizeof text);
    form_drop_dims(f);
    int ret = find_parts(f, spec->split, spec->part, &parts, &first, &n, err);
    if (ret < 0)
        return ret;
    if (parts > MAX_PARTS || spec->part == 0 || spec->parts != parts)
        return err_set(err, -ENOTSUP, "it has %u parts: NAME@%s-00001-of-%05u.gguf and so on",
                       parts, text, parts);
    if (spec->part > 1)
        f->kvs = (struct kv_list){ 0 };
    kv_remove(&f->kvs, STR("split.tensors.count"));
    /* upstream sets the count twice, which moves it to the end */
    if (!set_u16(&f->kvs, f->arena, STR("split.no"), spec->part - 1) ||
        !kv_set_i32(&f->kvs, f->arena, "split.tensors.count", (int32_t)f->n_targets) ||
        !set_u16(&f->kvs, f->arena, STR("split.count"), parts))
        return err_set(err, -ENOMEM, "no memory for %u pairs", f->kvs.n);
    f->targets += first;
    f->n_targets = n;
    return 0;
}
