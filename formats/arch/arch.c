/* SPDX-License-Identifier: Apache-2.0
 * formats/arch/arch.c - a Hugging Face folder as the GGUF that convert_hf_to_gguf.py makes of it:
 * tensors, pairs and their order. Source: conversion/base.py (llama.cpp 0c1e570). */
#include "formats/arch/work.h"
#include "formats/general.h"
#include "formats/quantized/quantized.h"
#include "formats/tokenizer/tokenizer.h"
#include <errno.h>
#include <stdio.h>

enum { ARCH_MAX_BLOCKS = 1 << 16 };

/* --- what is not part of a text model --- */

static const char *const multimodal_starts[] = {
    "mlp",     "vit.",       "vpm.",           "siglip2.",          "conformer.",
    "merger.", "resampler.", "sound_encoder.", "sound_projection.", "speech_embeddings.",
};
static const char *const multimodal_parts[] = {
    "visual.",          "vision.",        "audio.",      "talker.",       "vision_",
    "audio_",           "token2wav.",     "code2wav.",   "projector.",    "pre_mm_projector_norm",
    "image_newline",    "view_seperator", "patch_embed", "patch_merger.", "patch_merge_mlp.",
    "model.connector.",
};
/* Buffers that are computed from config.json anyway. */
static const char *const buffers[] = { ".attention.masked_bias", ".attention.bias",
                                       ".rotary_emb.inv_freq" };

static bool contains(struct str s, const char *part) {
    return memmem(s.p, s.n, part, strlen(part)) != NULL;
}

static bool is_multimodal(struct str name) {
    for (size_t i = 0; i < sizeof multimodal_starts / sizeof *multimodal_starts; i++)
        if (str_starts(name, str_from(multimodal_starts[i])))
            return true;
    for (size_t i = 0; i < sizeof multimodal_parts / sizeof *multimodal_parts; i++)
        if (contains(name, multimodal_parts[i]))
            return true;
    return false;
}

static bool is_skipped(const struct arch_work *w, struct str name) {
    for (size_t i = 0; i < sizeof buffers / sizeof *buffers; i++)
        if (str_ends(name, str_from(buffers[i])))
            return true;
    for (const char *s = w->arch->skip; s && *s;) {
        const struct str end = { s, strcspn(s, " ") };
        if (str_ends(name, end))
            return true;
        s += end.n + strspn(s + end.n, " ");
    }
    return false;
}

struct str arch_edit_name(struct arena *a, struct str name, const struct name_edit *edit) {
    const struct str from = str_from(edit->from);
    const size_t to = strlen(edit->to);
    if (edit->where == EDIT_START)
        return str_starts(name, from)
                   ? arena_printf(a, "%s%.*s", edit->to, (int)(name.n - from.n), name.p + from.n)
                   : name;
    if (edit->where == EDIT_END)
        return str_ends(name, from)
                   ? arena_printf(a, "%.*s%s", (int)(name.n - from.n), name.p, edit->to)
                   : name;
    const char *found;
    for (size_t at = 0; name.p && (found = memmem(name.p + at, name.n - at, from.p, from.n));) {
        const size_t before = (size_t)(found - name.p), after = name.n - before - from.n;
        at = before + to;
        name = arena_printf(a, "%.*s%s%.*s", (int)before, name.p, edit->to, (int)after,
                            found + from.n);
    }
    return name;
}

static bool has_prefix(const char *prefixes, struct str name) {
    while (*prefixes) {
        const struct str prefix = { prefixes, strcspn(prefixes, " ") };
        if (str_starts(name, prefix))
            return true;
        prefixes += prefix.n + strspn(prefixes + prefix.n, " ");
    }
    return false;
}

/* The name of @t that the rules know: p is NULL where it is no tensor of a text model, or of a
 * projector where that is asked for. */
static int text_name(const struct arch_work *w, const struct tensor *t, struct str *out) {
    static const struct name_edit all[] = {
        { EDIT_END, "e_score_correction_bias", "e_score_correction.bias" },
        { EDIT_ANYWHERE, "language_model.", "" },
        { 0 },
    };
    struct arena *a = w->form->arena;
    struct str name = t->name;
    *out = (struct str){ NULL, 0 };
    for (const struct name_edit *e = w->arch->edits; e && e->from && name.p; e++)
        name = arch_edit_name(a, name, e);
    if (name.p && w->arch->rename)
        name = w->arch->rename(w, name);
    if (w->arch->prefixes && name.p) {
        if (has_prefix(w->arch->prefixes, name) && !contains(name, "language_model."))
            *out = name;
        return 0;
    }
    if (name.p && is_multimodal(name))
        return 0;
    for (const struct name_edit *e = all; e->from && name.p; e++)
        name = arch_edit_name(a, name, e);
    if (!name.p)
        return work_no_memory(w);
    if (!is_skipped(w, name))
        *out = name;
    return 0;
}

/* --- tensors --- */

/* 1: the tensor is written. */
static int check_block(struct arch_work *w, const struct tensor *t, const char *pattern,
                       uint64_t block) {
    if (!strchr(pattern, '#') || block < w->n_layer)
        return 1;
    if (w->arch->skip_mtp)
        return 0;
    return err_set(w->err, -EBADMSG, "tensor %.*s: config.json has %llu layers only",
                   STR_ARG(t->name), (unsigned long long)w->n_layer);
}

static const struct tensor_rule *first_rule(const struct arch_work *w, struct str name,
                                            struct name_match *match) {
    for (const struct tensor_rule *r = w->arch->rules; r->hf; r++)
        if (name_matches(r->hf, name, match))
            return r;
    return NULL;
}

/* A decoder that was saved without its head has names without "model.". */
static const struct tensor_rule *find_rule(const struct arch_work *w, struct str name,
                                           struct name_match *match) {
    static const char *const bare[] = { "layers.", "embed_tokens.", "norm." };
    const struct tensor_rule *rule = first_rule(w, name, match);
    for (size_t i = 0; i < sizeof bare / sizeof *bare && !rule; i++)
        if (str_starts(name, str_from(bare[i]))) {
            const struct str full = arena_printf(w->form->arena, "model.%.*s", STR_ARG(name));
            rule = full.p ? first_rule(w, full, match) : NULL;
        }
    return rule;
}

int arch_add_tensor(struct arch_work *w, const struct tensor *t) {
    struct name_match match;
    struct str name;
    int rc = text_name(w, t, &name);
    if (rc < 0 || !name.p)
        return rc;
    const struct tensor_rule *r = find_rule(w, name, &match);
    if (!r)
        return err_set(w->err, -ENOTSUP, "tensor %.*s has no place in a GGUF of architecture %s",
                       STR_ARG(t->name), w->arch->gguf);
    if (r->op != OP_DROP && !dtype_is_float(t->dtype) && !t->packed)
        return err_set(w->err, -ENOTSUP, "tensor %.*s: numbers of type %s are not converted",
                       STR_ARG(t->name), dtype_info[t->dtype].name);
    rc = check_block(w, t, r->hf, match.block);
    return rc <= 0 ? rc : op_to_gguf(w, t, r, &match);
}

const struct tensor_rule *arch_rule(const struct arch_work *w, struct str name) {
    const struct tensor t = { .name = name };
    struct name_match match;
    struct str known;
    return text_name(w, &t, &known) == 0 && known.p ? find_rule(w, known, &match) : NULL;
}

static int add_tensors(struct arch_work *w) {
    /* a tensor that is computed may come with a pair, which stands behind this one then */
    int rc = work_str(w, "general.architecture", str_from(w->arch->gguf));
    if (rc == 0)
        rc = arch_add_blocks(w);
    if (rc == 0 && w->arch->extra)
        rc = w->arch->extra(w);
    for (uint32_t i = 0; i < w->model->n_tensors && rc == 0; i++)
        if (!arch_keeps_blocks(&w->model->tensors[i]))
            rc = arch_add_tensor(w, &w->model->tensors[i]);
    for (uint64_t b = 0; w->blocks && b < w->n_layer && rc == 0; b++)
        if (w->blocks[b].n)
            rc = err_set(w->err, -EBADMSG, "block %llu has %llu tensors of experts only",
                         (unsigned long long)b, (unsigned long long)w->blocks[b].n);
    if (rc == 0 && w->form->n_targets == 0)
        rc = err_set(w->err, -EBADMSG, "the folder has no tensor of a text model");
    return rc;
}

struct param_count arch_count_params(const struct form *f) {
    struct param_count c = { 0 };
    uint64_t sum = 0, n = 0;
    for (uint32_t i = 0; i < f->n_targets; i++) {
        const struct target *t = &f->targets[i];
        const uint64_t size = t->expr->rows * t->expr->cols;
        c.total += size;
        if (!contains(t->name, "_exps.") || t->n_dims < 3) {
            c.shared += size;
            continue;
        }
        const uint64_t experts = t->dims[t->n_dims - (contains(t->name, ".bias") ? 2 : 3)];
        c.expert += experts ? size / experts : 0;
        sum += experts;
        n++;
    }
    c.experts = n ? sum / n : 0;
    return c;
}

/* --- the model as a whole --- */

bool arch_has_word(const char *words, struct str word) {
    while (*words) {
        const struct str w = { words, strcspn(words, " ") };
        if (str_eq(w, word))
            return true;
        words += w.n + strspn(words + w.n, " ");
    }
    return false;
}

static int find_arch(struct arch_work *w) {
    const struct json *own = json_get(w->config.text, "architectures");
    if (w->folder->layout)
        w->class_name =
            w->folder->layout == LAYOUT_META ? STR(ORIGINAL_CLASS) : STR(OWN_LAYOUT_CLASS);
    else if (!json_str(json_at(own, 0), &w->class_name) &&
             !json_str(json_at(json_get(w->config.root, "architectures"), 0), &w->class_name))
        return err_set(w->err, -EBADMSG, "config.json: no \"architectures\"");
    for (const struct family *const *f = families; *f; f++)
        for (const struct arch *a = (*f)->archs; a->gguf; a++)
            if (arch_has_word(a->classes, w->class_name) && (!a->when || a->when(w))) {
                w->arch = a;
                return 0;
            }
    const struct str near = nearest_class(w->class_name);
    return err_set(w->err, -ENOTSUP, "config.json: architecture \"%.*s\" is not known%s%.*s",
                   STR_ARG(w->class_name), near.n ? "; the nearest is " : "", STR_ARG(near));
}

bool form_knows_folder(struct root *root, const char *path) {
    struct folder folder = { .root = root, .path = str_from(path) };
    struct err err = { 0 };
    struct arch_work w = { .folder = &folder, .err = &err };
    int rc = folder_config(&folder, &err);
    if (rc == 0)
        rc = hf_config_init(&w.config, folder.config, &err);
    if (rc == 0)
        rc = find_arch(&w);
    if (rc == 0 && w.arch->raw_config)
        hf_config_raw(&w.config);
    if (rc == 0)
        rc = quantized_check(w.folder->config, w.err);
    hf_config_fini(&w.config);
    json_free(folder.config);
    return rc == 0;
}

static int read_counts(struct arch_work *w) {
    struct err *err = w->err;
    w->n_layer =
        w->arch->block_list ? json_len(hf_config_json(&w->config, w->arch->block_list)) : 0;
    int rc = w->n_layer
                 ? 0
                 : hf_config_need(&w->config, "n_layers num_hidden_layers n_layer num_layers",
                                  &w->n_layer, err);
    if (rc == 0 && w->arch->mtp)
        rc = hf_config_u64(&w->config, w->arch->mtp, &w->n_mtp, err);
    if (rc >= 0 && w->arch->count_mtp)
        w->n_mtp = w->arch->count_mtp(w);
    if (rc >= 0 && (w->n_layer > ARCH_MAX_BLOCKS || w->n_mtp > ARCH_MAX_BLOCKS))
        rc = err_set(err, -EBADMSG, "config.json: %llu layers are too many",
                     (unsigned long long)w->n_layer);
    if (rc < 0)
        return rc;
    w->n_layer += w->n_mtp;
    /* lists, and models without attention, have none here */
    if (hf_config_u64(&w->config, "num_attention_heads n_head n_heads", &w->n_head, NULL) <= 0)
        w->n_head = 0;
    if (hf_config_u64(&w->config, "num_key_value_heads n_kv_heads num_kv_heads n_head_kv",
                      &w->n_head_kv, NULL) <= 0)
        w->n_head_kv = w->n_head;
    rc = w->arch->experts ? hf_config_u64(&w->config, w->arch->experts, &w->n_expert, err) : 0;
    if (rc <= 0)
        return rc;
    if (w->n_expert > w->model->n_tensors && w->model->adapter)
        return 0; /* it leaves experts alone */
    if (w->n_expert > w->model->n_tensors)
        return err_set(err, -EBADMSG, "config.json: %llu experts are more than there are tensors",
                       (unsigned long long)w->n_expert);
    w->blocks = arena_array(w->form->arena, struct expert_block, w->n_layer ? w->n_layer : 1);
    return w->blocks ? 0 : work_no_memory(w);
}

/* The converter's guess: the type of the first tensor of two or more dimensions in a 16-bit type,
 * f16 where there is none. It looks at tensors as they are stored. */
enum outtype arch_guess_type(const struct arch_work *w) {
    const struct model *m = w->model;
    if (w->folder->layout == LAYOUT_META) /* as transformers' script writes it */
        return OUTTYPE_BF16;
    for (uint32_t i = 0; i < (m->stored ? m->n_stored : m->n_tensors); i++) {
        const struct tensor *t = m->stored ? &m->stored[i] : &m->tensors[i];
        struct str name;
        if (t->n_dims < 2 || text_name(w, t, &name) < 0 || !name.p)
            continue;
        if (t->dtype == DTYPE_BF16)
            return OUTTYPE_BF16;
        if (t->dtype == DTYPE_F16)
            return OUTTYPE_F16;
    }
    return OUTTYPE_F16;
}

static int add_pairs(struct arch_work *w) {
    const struct param_count params = arch_count_params(w->form);
    int rc = work_str(w, "general.type", STR("model"));
    if (rc == 0)
        rc = general_add(w->form, w->folder, &params, w->err);
    if (rc == 0)
        rc = hparams_add(w);
    if (rc == 0)
        rc = work_quantization_version(w);
    if (rc == 0)
        rc = arch_add_precision(w);
    if (rc == 0 && w->arch->vocab)
        rc = w->arch->vocab(w);
    if (rc == 0)
        rc = tokenizer_add(w);
    return rc < 0 || !w->arch->after ? rc : w->arch->after(w);
}

int arch_begin(struct arch_work *w) {
    int rc = hf_config_init(&w->config, w->folder->config, w->err);
    if (rc == 0)
        rc = find_arch(w);
    if (rc == 0 && w->arch->raw_config)
        hf_config_raw(&w->config);
    if (rc == 0)
        rc = quantized_check(w->folder->config, w->err);
    if (rc == 0)
        rc = hf_config_assume(&w->config, w->arch->assumed, w->err);
    if (rc == 0)
        rc = read_counts(w);
    return rc < 0 ? rc : rope_read(&w->rope, &w->config, w->err);
}

static bool gguf_count(const struct arch_work *w, const char *name, uint64_t *out) {
    char key[128];
    snprintf(key, sizeof key, "%s.%s", w->arch->gguf, name);
    return kv_get_u64(&w->model->kvs, key, out);
}

int arch_begin_gguf(struct arch_work *w) {
    struct str name = STR("");
    kv_get_str(&w->model->kvs, "general.architecture", &name);
    w->arch = arch_by_gguf(w->model, NULL);
    if (!w->arch)
        return err_set(w->err, -ENOTSUP, "general.architecture \"%.*s\" is not known",
                       STR_ARG(name));
    if (!gguf_count(w, "block_count", &w->n_layer) || w->n_layer > ARCH_MAX_BLOCKS)
        return err_set(w->err, -EBADMSG, "%s.block_count is missing or too large", w->arch->gguf);
    gguf_count(w, "attention.head_count", &w->n_head);
    if (!gguf_count(w, "attention.head_count_kv", &w->n_head_kv))
        w->n_head_kv = w->n_head;
    gguf_count(w, "expert_count", &w->n_expert);
    if (w->n_expert > w->model->n_tensors * 512ull) /* more than llama.cpp takes a tensor */
        return err_set(w->err, -EBADMSG, "%s.expert_count is too large", w->arch->gguf);
    w->blocks = w->n_expert ? arena_array(w->form->arena, struct expert_block, w->n_layer) : NULL;
    return w->n_expert && w->n_layer && !w->blocks ? work_no_memory(w) : 0;
}

void arch_end(struct arch_work *w) {
    hf_config_fini(&w->config);
}

int form_gguf_from_hf(struct form *f, const struct model *m, enum outtype out, struct err *err) {
    struct err own = { 0 };
    struct arch_work w = { .form = f, .model = m, .folder = m->folder, .err = err ? err : &own };
    if (!m->folder)
        return err_set(w.err, -EINVAL, "%.*s is not a Hugging Face folder", STR_ARG(m->name));
    int rc = arch_begin(&w);
    if (rc == 0) {
        w.rounded = out == OUTTYPE_AUTO;
        w.out = w.rounded ? arch_guess_type(&w) : out;
        rc = add_tensors(&w);
    }
    if (rc == 0)
        rc = arch_check_complete(&w);
    if (rc == 0)
        rc = arch_fuse(&w);
    if (rc == 0)
        rc = add_pairs(&w);
    arch_end(&w);
    return rc;
}
