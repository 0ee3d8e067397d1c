/* SPDX-License-Identifier: Apache-2.0
 * tools/validate_parts.c - what `weightfs validate` looks at besides numbers: archives, the
 * ends of files, tokenizers. */
#include "formats/checked.h"
#include "formats/cleanup.h"
#include "formats/container.h"
#include "formats/folder.h"
#include "formats/form.h"
#include "formats/gguf.h"
#include "formats/inflate.h"
#include "formats/tokenizer/tokenizer_check.h"
#include "formats/zip.h"
#include "tools/validate.h"
#include <errno.h>
#include <stdlib.h>

enum { PIECE = 1 << 20 };

/* --- checksums --- */

static int stored_crc(struct source *s, const struct zip_member *m, uint32_t *crc,
                      struct err *err) {
    auto_free uint8_t *buf = malloc(PIECE);
    if (!buf)
        return err_set(err, -ENOMEM, "no memory");
    for (uint64_t at = 0; at < m->bytes; at += PIECE) {
        const uint64_t n = m->bytes - at < PIECE ? m->bytes - at : PIECE;
        const int rc = source_pread(s, buf, n, m->off + at, err);
        if (rc < 0)
            return rc;
        *crc = crc32_add(*crc, buf, n);
    }
    return 0;
}

static int check_member(struct source *s, const struct zip_member *m, struct err *err) {
    auto_free char *text = NULL;
    uint32_t crc = 0;
    int rc = m->deflated ? zip_slurp(m, s, UINT32_MAX, &text, err) : stored_crc(s, m, &crc, err);
    if (rc == 0 && m->deflated)
        crc = crc32_add(0, text, m->size);
    if (rc == 0 && crc != m->crc)
        rc = err_set(err, -EBADMSG, "%s: the checksum of %.*s is wrong", source_path(s),
                     STR_ARG(m->name));
    return rc;
}

static int check_archive(struct source *s, uint64_t *checked, uint64_t *left_out, struct err *err) {
    struct arena a = { 0 };
    struct zip z;
    int rc = zip_read(&z, s, &a, err);
    for (uint32_t i = 0; rc == 0 && i < z.n; i++) {
        const struct zip_member *m = &z.members[i];
        if (m->crc == 0 && m->size > 0) {
            ++*left_out;
            continue;
        }
        rc = check_member(s, m, err);
        ++*checked;
    }
    arena_fini(&a);
    return rc;
}

int archives_check(const struct side *s, uint64_t *checked, uint64_t *left_out, struct err *err) {
    *checked = *left_out = 0;
    int rc = 0;
    for (uint32_t i = 0; !s->view && rc == 0 && i < s->model->n_sources; i++) {
        char magic[4];
        struct source *source = s->model->sources[i];
        if (source_ident(source)->size < sizeof magic)
            continue;
        rc = source_pread(source, magic, sizeof magic, 0, err);
        if (rc == 0 && memcmp(magic, "PK\3\4", sizeof magic) == 0)
            rc = check_archive(source, checked, left_out, err);
    }
    return rc;
}

/* --- ends --- */

int ends_check(const struct side *s, struct err *err) {
    const struct model *m = s->model;
    uint64_t alignment = GGUF_ALIGNMENT;
    if (s->view || m->container->kind != CONTAINER_GGUF)
        return 0;
    (void)kv_get_u64(&m->kvs, "general.alignment", &alignment);
    for (uint32_t src = 0; src < m->n_sources; src++) {
        uint64_t end = 0;
        for (uint32_t i = 0; i < m->n_tensors; i++)
            if (m->tensors[i].src == src && m->tensors[i].off + m->tensors[i].bytes > end)
                end = m->tensors[i].off + m->tensors[i].bytes;
        const uint64_t size = source_ident(m->sources[src])->size;
        if (end && checked_align(end, alignment, &end) && size > end)
            return err_set(err, -EBADMSG, "%s: %llu bytes after the last tensor",
                           source_path(m->sources[src]), (unsigned long long)(size - end));
    }
    return 0;
}

/* --- tokenizers --- */

static uint64_t embedding_rows(const struct model *m) {
    const struct tensor *t = model_find(m, STR("token_embd.weight"));
    return t && t->n_dims == 2 ? t->dims[0] : 0;
}

/* By what the folder's GGUF would have. */
static int check_folder(const struct model *m, uint64_t *tokens, struct err *err) {
    struct arena a = { 0 };
    struct form f = { .arena = &a };
    int rc = form_gguf_from_hf(&f, m, OUTTYPE_AUTO, err);
    uint64_t rows = 0;
    for (uint32_t i = 0; rc == 0 && i < f.n_targets; i++)
        if (str_is(f.targets[i].name, "token_embd.weight") && f.targets[i].n_dims == 2)
            rows = f.targets[i].dims[0];
    if (rc == 0)
        rc = tokenizer_check(&f.kvs, rows, tokens, err);
    arena_fini(&a);
    return rc;
}

static int check_ids(const struct folder *f, struct err *err) {
    struct json *file, *added = NULL;
    int rc = folder_json(f, "tokenizer.json", FOLDER_MAX_TOKENIZER, &file, err);
    if (rc == 0)
        rc = folder_json(f, "added_tokens.json", FOLDER_MAX_CONFIG, &added, err);
    if (rc == 0)
        rc = tokenizer_ids_check(file, added, err);
    json_free(file);
    json_free(added);
    return rc;
}

int side_check_tokenizer(const struct side *s, uint64_t *tokens, struct err *err) {
    const struct model *m = s->model;
    *tokens = 0;
    if (s->view && format_is_folder(s->place.spec.format))
        m = s->view->model; /* its tokenizer's files are the source's */
    int rc = 0;
    if (!m->folder) {
        rc = tokenizer_check(&m->kvs, embedding_rows(m), tokens, err);
        return rc == 0 ? tokenizer_check_once(&m->kvs, err) : rc;
    }
    rc = check_ids(m->folder, err);
    if (rc == 0 && form_knows_folder(s->place.engine->root, s->place.source))
        rc = check_folder(m, tokens, err);
    return rc;
}
