/* SPDX-License-Identifier: Apache-2.0
 * formats/model.c - life of a model, and its table of names. */
#include "formats/model.h"
#include "formats/adapter.h"
#include "formats/folder.h"
#include <errno.h>
#include <stdlib.h>

int model_new(struct model **out, struct str name, struct err *err) {
    struct model *m = calloc(1, sizeof *m);
    if (!m)
        return err_set(err, -ENOMEM, "no memory for a model");
    m->refs = 1;
    m->name = arena_str(&m->arena, name);
    if (!m->name.p) {
        model_unref(m);
        return err_set(err, -ENOMEM, "no memory for a model");
    }
    *out = m;
    return 0;
}

struct model *model_ref(struct model *m) {
    m->refs++;
    return m;
}

void model_unref(struct model *m) {
    if (!m || --m->refs)
        return;
    for (uint32_t i = 0; i < m->n_sources; i++)
        source_close(m->sources[i]);
    free(m->sources);
    if (!m->n_parts)
        folder_free(m->folder);
    adapter_free(m->adapter);
    for (uint32_t i = 0; i < m->n_parts; i++)
        model_unref(m->parts[i]);
    arena_fini(&m->arena);
    free(m);
}

int model_add_source(struct model *m, struct source *s, struct err *err) {
    struct source **grown = NULL;
    if (m->n_sources < MODEL_MAX_SOURCES)
        grown = realloc(m->sources, (m->n_sources + 1) * sizeof *grown);
    if (!grown) {
        source_close(s);
        return m->n_sources < MODEL_MAX_SOURCES
                   ? err_set(err, -ENOMEM, "no memory for a model")
                   : err_set(err, -EFBIG, "more than %d files in a model", MODEL_MAX_SOURCES);
    }
    m->sources = grown;
    m->sources[m->n_sources] = s;
    return (int)m->n_sources++;
}

static int by_name(const void *a, const void *b) {
    return str_cmp(((const struct tensor *)a)->name, ((const struct tensor *)b)->name);
}

void model_sort(struct model *m, uint32_t first) {
    if (m->n_tensors > first)
        qsort(m->tensors + first, m->n_tensors - first, sizeof *m->tensors, by_name);
}

/* The slot of @name, or the empty one where it belongs. The table is at most half full. */
static uint32_t *find_slot(const struct model *m, struct str name) {
    uint32_t i = (uint32_t)hash64(name.p, name.n) & (m->n_slots - 1);
    while (m->by_name[i] && !str_eq(m->tensors[m->by_name[i] - 1].name, name))
        i = (i + 1) & (m->n_slots - 1);
    return &m->by_name[i];
}

int model_index(struct model *m, struct err *err) {
    if (m->n_tensors > MODEL_MAX_TENSORS)
        return err_set(err, -EFBIG, "%u tensors are too many", m->n_tensors);
    m->n_slots = 2;
    while (m->n_slots < 2 * m->n_tensors)
        m->n_slots *= 2;
    m->by_name = arena_array(&m->arena, uint32_t, m->n_slots);
    if (!m->by_name)
        return err_set(err, -ENOMEM, "no memory for %u tensors", m->n_tensors);
    for (uint32_t i = 0; i < m->n_tensors; i++) {
        uint32_t *slot = find_slot(m, m->tensors[i].name);
        if (*slot)
            return err_set(err, -EBADMSG, "tensor %.*s occurs twice", STR_ARG(m->tensors[i].name));
        *slot = i + 1;
    }
    return 0;
}

const struct tensor *model_find(const struct model *m, struct str name) {
    if (!m->by_name)
        return NULL;
    uint32_t i = *find_slot(m, name);
    return i ? &m->tensors[i - 1] : NULL;
}

uint64_t model_bytes(const struct model *m) {
    uint64_t bytes = m->arena.held;
    if (m->folder && m->folder->tokenizer)
        bytes += tokenizer_slot_bytes(m->folder->tokenizer);
    return bytes;
}

struct hash128 *model_source_hashes(const struct model *m) {
    struct hash128 *out = calloc(m->n_sources ? m->n_sources : 1, sizeof *out);
    for (uint32_t i = 0; out && i < m->n_sources; i++) {
        struct hasher *h = hasher_new();
        if (!h) {
            free(out);
            return NULL;
        }
        hasher_ident(h, source_ident(m->sources[i]));
        out[i] = hasher_end(h);
    }
    return out;
}
