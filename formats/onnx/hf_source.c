/* SPDX-License-Identifier: Apache-2.0
 * formats/onnx/hf_source.c - see hf_source.h. */
#include "formats/onnx/hf_source.h"
#include "formats/arch/arch_back.h"
#include "formats/container.h"
#include "formats/folder.h"
#include "formats/json.h"
#include <errno.h>
#include <stdlib.h>

static int by_name(const void *a, const void *b) {
    return str_cmp((*(struct target *const *)a)->name, (*(struct target *const *)b)->name);
}

static int sort(struct hf_source *s) {
    const struct form *f = &s->form;
    s->by_name = arena_array(s->arena, struct target *, (uint64_t)f->n_targets + 1);
    s->used = arena_array(s->arena, bool, (uint64_t)f->n_targets + 1);
    if (!s->by_name || !s->used)
        return err_set(s->err, -ENOMEM, "no memory for %u tensors", f->n_targets);
    for (uint32_t i = 0; i < f->n_targets; i++)
        s->by_name[i] = &f->targets[i];
    qsort(s->by_name, f->n_targets, sizeof *s->by_name, by_name);
    return 0;
}

static int open_gguf(struct hf_source *s, const struct model *m) {
    struct buffer text = { 0 };
    int rc = arch_config_add(&text, s->arena, m, NULL, s->err);
    if (rc == 0 && text.failed)
        rc = err_set(s->err, -ENOMEM, "no memory for config.json");
    if (rc == 0)
        rc = json_parse(&s->own, (struct str){ text.p, text.n }, s->err);
    buffer_fini(&text);
    if (rc == 0)
        rc = hf_config_init(&s->config, s->own, s->err);
    return rc < 0 ? rc : form_hf_from_gguf(&s->form, m, s->err);
}

static int open_folder(struct hf_source *s, const struct model *m) {
    int rc = hf_config_init(&s->config, m->folder->config, s->err);
    return rc < 0 ? rc : form_identity(&s->form, m, s->err);
}

int hf_source_open(struct hf_source *s, struct arena *a, const struct model *m, struct err *err) {
    *s = (struct hf_source){ .arena = a, .form.arena = a, .err = err };
    if (!m->folder && m->container->kind != CONTAINER_GGUF)
        return err_set(err, -ENOTSUP, "a graph needs a config.json: no ONNX is made of %s",
                       m->container->name);
    int rc = m->folder ? open_folder(s, m) : open_gguf(s, m);
    if (rc == 0)
        rc = sort(s);
    const struct json *type = hf_config_json(&s->config, "model_type");
    if (rc == 0 && !json_str(type, &s->model_type))
        rc = err_set(err, -EBADMSG, "config.json: no \"model_type\"");
    return rc;
}

void hf_source_close(struct hf_source *s) {
    hf_config_fini(&s->config);
    json_free(s->own);
    s->own = NULL;
}

/* Its place in by_name; n_targets if there is none. */
static uint32_t find(const struct hf_source *s, const char *name) {
    uint32_t lo = 0, hi = s->form.n_targets;
    while (lo < hi) {
        const uint32_t mid = lo + (hi - lo) / 2;
        const int c = str_cmp(s->by_name[mid]->name, str_from(name));
        if (c == 0)
            return mid;
        *(c < 0 ? &lo : &hi) = c < 0 ? mid + 1 : mid;
    }
    return s->form.n_targets;
}

const struct target *hf_source_find(struct hf_source *s, const char *name) {
    const uint32_t i = find(s, name);
    if (i == s->form.n_targets)
        return NULL;
    s->used[i] = true;
    return s->by_name[i];
}

bool hf_source_has(const struct hf_source *s, const char *name) {
    return find(s, name) < s->form.n_targets;
}

bool hf_source_has_blocks(const struct hf_source *s) {
    for (uint32_t i = 0; i < s->form.n_targets; i++)
        if (s->form.targets[i].dtype == DTYPE_Q8_0 || s->form.targets[i].dtype == DTYPE_Q4_0)
            return true;
    return false;
}

static bool is_buffer(struct str name, const char *const *buffers) {
    for (; *buffers; buffers++)
        if (str_ends(name, str_from(*buffers)))
            return true;
    return false;
}

int hf_source_check_used(const struct hf_source *s, const char *const *buffers) {
    for (uint32_t i = 0; i < s->form.n_targets; i++)
        if (!s->used[i] && !is_buffer(s->by_name[i]->name, buffers))
            return err_set(s->err, -ENOTSUP, "tensor %.*s has no place in the graph of a %.*s",
                           STR_ARG(s->by_name[i]->name), STR_ARG(s->model_type));
    return 0;
}
