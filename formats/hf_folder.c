/* SPDX-License-Identifier: Apache-2.0
 * formats/hf_folder.c - a model as a Hugging Face folder: config.json, the weights in shards as
 * huggingface_hub cuts them (split_torch_state_dict_into_shards), and what lies beside them in the
 * source, unchanged. */
#include "formats/hf_folder.h"
#include "formats/checked.h"
#include "formats/container.h"
#include "formats/made_files.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define SHARD_BYTES UINT64_C(5000000000) /* transformers' max_shard_size="5GB" */

enum { MAX_SHARDS = 99999 };

/* Which targets of the form lie in one file. */
struct shard {
    uint32_t first, n;
};

struct hf_folder {
    const struct model *m;
    const struct spec *spec;
    struct form form;
    struct shard *shards;
    uint32_t n_shards;
    uint64_t total; /* bytes of all tensors */
    struct err *err;
};

static int no_memory(const struct hf_folder *h) {
    return err_set(h->err, -ENOMEM, "no memory for the folder");
}

/* A tensor that does not fit any more begins the next shard. */
static int cut(struct hf_folder *h) {
    const struct form *f = &h->form;
    const uint64_t limit = h->spec->split ? h->spec->split : SHARD_BYTES;
    uint64_t used = 0;
    h->shards = arena_array(f->arena, struct shard, (uint64_t)f->n_targets + 1);
    if (!h->shards)
        return no_memory(h);
    h->n_shards = 1;
    for (uint32_t i = 0; i < f->n_targets; i++) {
        const struct target *t = &f->targets[i];
        uint64_t bytes;
        if (!dtype_bytes(t->dtype, t->expr->rows * t->expr->cols, &bytes) ||
            !checked_add(h->total, bytes, &h->total))
            return err_set(h->err, -EFBIG, "%.*s: the tensor is too large", STR_ARG(t->name));
        struct shard *s = &h->shards[h->n_shards - 1];
        if (s->n && (bytes > limit || used > limit - bytes)) {
            s = &h->shards[h->n_shards++];
            s->first = i;
            used = 0;
        }
        s->n++;
        used += bytes;
    }
    return h->n_shards <= MAX_SHARDS
               ? 0
               : err_set(h->err, -EFBIG, "%u shards are too many", h->n_shards);
}

static int prepare(struct hf_folder *h, struct arena *a) {
    h->form.arena = a;
    int rc = form_safetensors(&h->form, h->m, h->spec, h->err);
    return rc < 0 ? rc : cut(h);
}

/* --- the files --- */

static struct str shard_name(const struct hf_folder *h, uint32_t i) {
    struct arena *a = h->form.arena;
    return h->n_shards == 1 ? arena_str(a, STR("model.safetensors"))
                            : arena_printf(a, "model-%05u-of-%05u.safetensors", i + 1, h->n_shards);
}

static int add_config(const struct made_files *f, struct layout *l, uint32_t i) {
    const struct hf_folder *h = f->user;
    struct buffer b = { 0 };
    (void)i;
    const int rc = hf_config_json_add(&b, h->form.arena, h->m, h->spec, h->err);
    if (rc == 0)
        return made_files_text(f, l, &b);
    buffer_fini(&b);
    return rc;
}

static int add_shard(const struct made_files *f, struct layout *l, uint32_t i) {
    const struct hf_folder *h = f->user;
    struct form part = h->form;
    part.targets += h->shards[i].first;
    part.n_targets = h->shards[i].n;
    part.metadata = STR("{\"format\":\"pt\"}");
    return safetensors_plan(l, &part, h->err);
}

struct place {
    struct str tensor;
    uint32_t shard;
};

static int by_tensor(const void *a, const void *b) {
    return str_cmp(((const struct place *)a)->tensor, ((const struct place *)b)->tensor);
}

/* As json.dumps(index, indent=2, sort_keys=True) writes it. */
static int add_index(const struct made_files *made, struct layout *l, uint32_t unused) {
    const struct hf_folder *h = made->user;
    const struct form *f = &h->form;
    struct buffer b = { 0 };
    struct place *places = arena_array(f->arena, struct place, (uint64_t)f->n_targets + 1);
    (void)unused;
    if (!places)
        return no_memory(h);
    for (uint32_t s = 0; s < h->n_shards; s++)
        for (uint32_t i = h->shards[s].first; i < h->shards[s].first + h->shards[s].n; i++)
            places[i] = (struct place){ f->targets[i].name, s };
    qsort(places, f->n_targets, sizeof *places, by_tensor);
    buffer_z(&b, "{\n  \"metadata\": {\n    \"total_size\": ");
    buffer_decimal(&b, h->total);
    buffer_z(&b, "\n  },\n  \"weight_map\": {");
    for (uint32_t i = 0; i < f->n_targets; i++) {
        buffer_z(&b, i ? ",\n    " : "\n    ");
        buffer_json(&b, places[i].tensor);
        buffer_z(&b, ": ");
        buffer_json(&b, shard_name(h, places[i].shard));
    }
    buffer_z(&b, "\n  }\n}\n");
    return made_files_text(made, l, &b);
}

static int open_folder(struct hf_folder *h, struct made_files *f, struct arena *a) {
    const int rc = prepare(h, a);
    *f = (struct made_files){ .arena = a, .m = h->m, .user = h, .err = h->err };
    if (rc < 0)
        return rc;
    made_files_add(f, STR("config.json"), add_config, 0);
    for (uint32_t i = 0; i < h->n_shards; i++)
        made_files_add(f, shard_name(h, i), add_shard, i);
    if (h->n_shards > 1)
        made_files_add(f, STR("model.safetensors.index.json"), add_index, 0);
    if (h->m->container->kind == CONTAINER_GGUF)
        made_files_add_tokenizer(f);
    return 0;
}

int hf_folder_plan(struct layout *l, const struct model *m, const struct extras *x,
                   struct err *err) {
    struct hf_folder h = { .m = m, .spec = &x->spec, .err = err };
    struct made_files files;
    const int rc = open_folder(&h, &files, l->arena);
    return rc < 0 ? rc : made_files_lay(&files, l, x->spec.file);
}

int hf_folder_files(struct file_list *out, struct arena *a, const struct model *m,
                    const struct extras *x, struct err *err) {
    struct hf_folder h = { .m = m, .spec = &x->spec, .err = err };
    struct made_files files;
    const int rc = open_folder(&h, &files, a);
    return rc < 0 ? rc : made_files_list(&files, out);
}
