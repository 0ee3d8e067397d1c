/* SPDX-License-Identifier: Apache-2.0
 * formats/hf_folder.c - a model as a Hugging Face folder: config.json, the weights in shards as
 * huggingface_hub cuts them (split_torch_state_dict_into_shards), and what lies beside them in the
 * source, unchanged. */
#include "formats/hf_folder.h"
#include "formats/checked.h"
#include "formats/container.h"
#include "formats/folder.h"
#include "formats/plan.h"
#include "formats/tokenizer/hf_json.h"
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

/* --- the files that are made --- */

static struct str shard_name(const struct hf_folder *h, uint32_t i) {
    struct arena *a = h->form.arena;
    return h->n_shards == 1 ? arena_str(a, STR("model.safetensors"))
                            : arena_printf(a, "model-%05u-of-%05u.safetensors", i + 1, h->n_shards);
}

static int add_text(struct layout *l, struct buffer *b, struct err *err) {
    struct str text = { 0 };
    if (!b->failed)
        text = arena_str(l->arena, (struct str){ b->p, b->n });
    return text.p ? layout_literal(l, text.p, text.n, err)
                  : err_set(err, -ENOMEM, "no memory for the folder");
}

static int add_config(struct hf_folder *h, struct layout *l, uint32_t i) {
    struct buffer b = { 0 };
    (void)i;
    int rc = hf_config_json_add(&b, h->form.arena, h->m, h->spec, h->err);
    if (rc == 0)
        rc = add_text(l, &b, h->err);
    buffer_fini(&b);
    return rc;
}

static int add_shard(struct hf_folder *h, struct layout *l, uint32_t i) {
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
static int print_index(struct hf_folder *h, struct buffer *b) {
    const struct form *f = &h->form;
    struct place *places = arena_array(f->arena, struct place, (uint64_t)f->n_targets + 1);
    if (!places)
        return no_memory(h);
    for (uint32_t s = 0; s < h->n_shards; s++)
        for (uint32_t i = h->shards[s].first; i < h->shards[s].first + h->shards[s].n; i++)
            places[i] = (struct place){ f->targets[i].name, s };
    qsort(places, f->n_targets, sizeof *places, by_tensor);
    buffer_z(b, "{\n  \"metadata\": {\n    \"total_size\": ");
    buffer_decimal(b, h->total);
    buffer_z(b, "\n  },\n  \"weight_map\": {");
    for (uint32_t i = 0; i < f->n_targets; i++) {
        buffer_z(b, i ? ",\n    " : "\n    ");
        buffer_json(b, places[i].tensor);
        buffer_z(b, ": ");
        buffer_json(b, shard_name(h, places[i].shard));
    }
    buffer_z(b, "\n  }\n}\n");
    return 0;
}

static int add_index(struct hf_folder *h, struct layout *l, uint32_t i) {
    struct buffer b = { 0 };
    (void)i;
    int rc = print_index(h, &b);
    if (rc == 0)
        rc = add_text(l, &b, h->err);
    buffer_fini(&b);
    return rc;
}

/* --- what a folder has besides, of a GGUF --- */

static int add_tokenizer(struct hf_folder *h, struct layout *l, uint32_t i) {
    struct buffer b = { 0 };
    (void)i;
    int rc = hf_tokenizer_json_add(&b, &h->m->kvs, h->err);
    if (rc == 0)
        rc = add_text(l, &b, h->err);
    buffer_fini(&b);
    return rc;
}

static int add_tokenizer_config(struct hf_folder *h, struct layout *l, uint32_t i) {
    struct buffer b = { 0 };
    (void)i;
    hf_tokenizer_config_add(&b, &h->m->kvs);
    const int rc = add_text(l, &b, h->err);
    buffer_fini(&b);
    return rc;
}

static int add_generation_config(struct hf_folder *h, struct layout *l, uint32_t i) {
    struct buffer b = { 0 };
    (void)i;
    hf_generation_config_add(&b, &h->m->kvs);
    const int rc = add_text(l, &b, h->err);
    buffer_fini(&b);
    return rc;
}

typedef int add_file(struct hf_folder *h, struct layout *l, uint32_t i);

static const struct {
    const char *name;
    add_file *add;
} from_gguf[] = {
    { "generation_config.json", add_generation_config },
    { "tokenizer.json", add_tokenizer },
    { "tokenizer_config.json", add_tokenizer_config },
};
enum { FROM_GGUF = sizeof from_gguf / sizeof *from_gguf };

/* The made file number @i, in a fixed order; false behind the last. */
static bool made_file(const struct hf_folder *h, uint32_t i, struct str *name, add_file **add) {
    const uint32_t rest = i - 1 - h->n_shards; /* counts what comes behind the shards */
    const uint32_t index = h->n_shards > 1;
    if (i == 0) {
        *name = STR("config.json");
        *add = add_config;
    } else if (i <= h->n_shards) {
        *name = shard_name(h, i - 1);
        *add = add_shard;
    } else if (index && rest == 0) {
        *name = STR("model.safetensors.index.json");
        *add = add_index;
    } else if (h->m->container->kind == CONTAINER_GGUF && rest - index < FROM_GGUF) {
        *name = str_from(from_gguf[rest - index].name);
        *add = from_gguf[rest - index].add;
    } else {
        return false;
    }
    return true;
}

int hf_folder_plan(struct layout *l, const struct model *m, const struct extras *x,
                   struct err *err) {
    struct hf_folder h = { .m = m, .spec = &x->spec, .err = err };
    struct str name;
    add_file *add;
    bool found = false;
    int rc = prepare(&h, l->arena);
    for (uint32_t i = 0; rc == 0 && made_file(&h, i, &name, &add); i++) {
        if (!name.p)
            rc = no_memory(&h);
        else if (!*x->spec.file || str_is(name, x->spec.file)) {
            found = true;
            rc = add(&h, l, i ? i - 1 : 0);
        }
    }
    return rc < 0 || found ? rc : err_set(err, -ENOENT, "no file %s in the folder", x->spec.file);
}

/* --- the files that are passed --- */

/* Weights in whatever format, their indexes, and what is hidden. */
static bool is_passed(const struct folder *f, struct str name) {
    static const char *const weights[] = {
        ".safetensors", ".index.json", ".bin",  ".pt", ".pth",     ".ckpt",
        ".gguf",        ".onnx",       ".data", ".h5", ".msgpack", ".npz",
    };
    for (size_t i = 0; i < sizeof weights / sizeof *weights; i++)
        if (str_ends(name, str_from(weights[i])))
            return false;
    return name.p[0] != '.' && !str_is(name, "config.json") && folder_has(f, name.p);
}

static int by_name(const void *a, const void *b) {
    return str_cmp(((const struct file_entry *)a)->name, ((const struct file_entry *)b)->name);
}

int hf_folder_files(struct file_list *out, struct arena *a, const struct model *m,
                    const struct extras *x, struct err *err) {
    struct hf_folder h = { .m = m, .spec = &x->spec, .err = err };
    struct str *names = NULL;
    uint32_t n = 0;
    add_file *add;
    int rc = prepare(&h, a);
    if (rc == 0 && m->folder)
        rc = folder_list(m->folder, "", a, &names, &n, err);
    if (rc < 0)
        return rc;
    out->n = 0;
    out->items = arena_array(a, struct file_entry, (uint64_t)n + h.n_shards + 3 + FROM_GGUF);
    if (!out->items)
        return no_memory(&h);
    for (struct file_entry *e = out->items; made_file(&h, out->n, &e->name, &add);
         e = &out->items[++out->n])
        if (!e->name.p)
            return no_memory(&h);
    for (uint32_t i = 0; i < n; i++)
        if (is_passed(m->folder, names[i]))
            out->items[out->n++] = (struct file_entry){ names[i], true };
    qsort(out->items, out->n, sizeof *out->items, by_name);
    return 0;
}
