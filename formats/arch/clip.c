/* SPDX-License-Identifier: Apache-2.0
 * formats/arch/clip.c - a folder's projector as the GGUF that convert_hf_to_gguf.py --mmproj makes.
 * Source: conversion/base.py, MmprojModel (llama.cpp 0c1e570); configuration_*.py for defaults. */
#include "formats/arch/clip.h"
#include "formats/general.h"
#include <errno.h>

static const struct arch *const projectors[] = { projectors_qwen,
                                                 projectors_qwen_kin,
                                                 projectors_siglip,
                                                 projectors_other,
                                                 projectors_ocr,
                                                 projectors_audio,
                                                 NULL };

/* --- the configuration as transformers has it --- */

static bool has_type(const struct json *config, const char *model_type) {
    struct str type;
    return json_str(json_get(config, "model_type"), &type) && str_is(type, model_type);
}

bool clip_has_type(const struct arch_work *w, const char *model_type) {
    return has_type(w->folder->config, model_type);
}

bool clip_has_vision_type(const struct arch_work *w, const char *model_type) {
    return has_type(w->config.root, model_type);
}

/* Of a model that sees, or of one that hears. */
static int read_config(struct arch_work *w) {
    static const struct hf_class own = { .model_type = "vision_config" };
    const struct json *vision = json_get(w->folder->config, "vision_config");
    const struct json *audio = json_get(w->folder->config, "audio_config");
    w->config = (struct hf_config){ .root = json_type(vision) == JSON_OBJECT ? vision : audio };
    if (json_type(w->config.root) != JSON_OBJECT)
        return err_set(w->err, -ENOTSUP,
                       "config.json: no \"vision_config\" nor \"audio_config\": no projector");
    const char *defaults = clip_defaults(w);
    if (!defaults)
        return 0;
    w->config.cls = &own;
    return json_parse(&w->config.defaults, str_from(defaults), w->err);
}

static int find_projector(struct arch_work *w) {
    if (!json_str(json_at(json_get(w->config.root, "architectures"), 0), &w->class_name) &&
        !json_str(json_at(json_get(w->folder->config, "architectures"), 0), &w->class_name))
        return err_set(w->err, -EBADMSG, "config.json: no \"architectures\"");
    for (const struct arch *const *list = projectors; *list; list++)
        for (const struct arch *a = *list; a->gguf; a++)
            if (arch_has_word(a->classes, w->class_name) && (!a->when || a->when(w))) {
                w->arch = a;
                return 0;
            }
    return err_set(w->err, -ENOTSUP, "config.json: no projector is known of architecture \"%.*s\"",
                   STR_ARG(w->class_name));
}

bool form_knows_projector(struct root *root, const char *path) {
    struct folder folder = { .root = root, .path = str_from(path) };
    struct err err = { 0 };
    struct arch_work w = { .folder = &folder, .err = &err };
    int rc = folder_json(&folder, "config.json", FOLDER_MAX_CONFIG, &folder.config, &err);
    if (rc == 0)
        rc = read_config(&w);
    if (rc == 0)
        rc = find_projector(&w);
    hf_config_fini(&w.config);
    json_free(folder.config);
    return rc == 0;
}

/* --- what lies beside it --- */

static const char *const preprocessor_files[] = { "processor_config.json",
                                                  "preprocessor_config.json" };
static const char *const nested[] = { "image_processor", "media_proc_cfg" };

const struct json *clip_preprocessor(const struct arch_work *w, const char *name) {
    for (int i = 0; i < 2; i++) {
        const struct json *v = json_get(json_get(w->preprocessor[i], nested[i]), name);
        v = v ? v : json_get(w->preprocessor[i], name);
        if (v)
            return v;
    }
    return NULL;
}

const struct json *clip_whole(const struct arch_work *w, const char *name) {
    return json_get(w->folder->config, name);
}

/* --- pairs --- */

int clip_encoder(struct arch_work *w) {
    return work_bool(w, ".has_vision_encoder", true);
}

int clip_text_width(struct arch_work *w, uint64_t *n) {
    struct hf_config text;
    int rc = hf_config_init(&text, w->folder->config, w->err);
    if (rc == 0)
        rc = hf_config_need(&text, "hidden_size n_embd", n, w->err);
    hf_config_fini(&text);
    return rc;
}

int clip_width(struct arch_work *w) {
    uint64_t n = 0;
    int rc = clip_text_width(w, &n);
    return rc < 0 ? rc : work_u32(w, ".vision.projection_dim", n);
}

static int add_numbers(struct arch_work *w, const char *key, const char *name) {
    const struct json *list = clip_preprocessor(w, name);
    const size_t n = json_len(list);
    float *values = arena_array(w->form->arena, float, n + 1);
    double v = 0;
    if (!values)
        return work_no_memory(w);
    for (size_t i = 0; i < n; i++) {
        if (!json_f64(json_at(list, i), &v))
            return err_set(w->err, -EBADMSG, "%s: \"%s\" is not a list of numbers",
                           preprocessor_files[1], name);
        values[i] = (float)v;
    }
    if (!n)
        return err_set(w->err, -EBADMSG, "%s: no \"%s\"", preprocessor_files[1], name);
    return work_array(w, key, KV_F32, values, n);
}

int clip_mean(struct arch_work *w) {
    int rc = add_numbers(w, ".vision.image_mean", "image_mean");
    return rc < 0 ? rc : add_numbers(w, ".vision.image_std", "image_std");
}

/* A side, or height and width. */
static int add_side(struct arch_work *w, const char *key, const char *name) {
    const struct json *v = hf_config_json(&w->config, name);
    uint64_t side;
    if (!json_u64(json_type(v) == JSON_ARRAY ? json_at(v, 0) : v, &side))
        return err_set(w->err, -EBADMSG, "config.json: \"vision_config\": no \"%s\"", name);
    return work_u32(w, key, side);
}

int clip_image_size(struct arch_work *w) {
    return add_side(w, ".vision.image_size", "image_size");
}

int clip_patch_size(struct arch_work *w) {
    return add_side(w, ".vision.patch_size", "patch_size");
}

static int add_pixels(struct arch_work *w, const char *key, const char *name) {
    uint64_t n;
    if (!json_u64(clip_preprocessor(w, name), &n))
        return err_set(w->err, -EBADMSG, "%s: no \"%s\"", preprocessor_files[1], name);
    return work_u32(w, key, n);
}

int clip_min_pixels(struct arch_work *w) {
    return add_pixels(w, ".vision.image_min_pixels", "min_pixels");
}

int clip_max_pixels(struct arch_work *w) {
    return add_pixels(w, ".vision.image_max_pixels", "max_pixels");
}

int clip_rms_eps(struct arch_work *w, double absent) {
    double eps = absent;
    int rc = hf_config_f64(&w->config, "rms_norm_eps", &eps, w->err);
    return rc < 0 ? rc : work_f32(w, ".vision.attention.layer_norm_epsilon", eps);
}

int clip_use_silu(struct arch_work *w) {
    return work_bool(w, ".use_silu", true);
}

int clip_projector(struct arch_work *w, const char *type) {
    return work_str(w, ".projector_type", str_from(type));
}

int clip_eps(struct arch_work *w, double absent) {
    double eps = absent;
    int rc = hf_config_f64(&w->config, "layer_norm_eps", &eps, w->err);
    return rc < 0 ? rc : work_f32(w, ".vision.attention.layer_norm_epsilon", eps);
}

int clip_use_gelu(struct arch_work *w) {
    return work_bool(w, ".use_gelu", true);
}

int clip_activation(struct arch_work *w) {
    struct str name = STR("");
    hf_config_str(&w->config, "hidden_act", &name);
    if (str_is(name, "silu"))
        return clip_use_silu(w);
    if (str_is(name, "gelu"))
        return clip_use_gelu(w);
    return err_set(w->err, -ENOTSUP, "config.json: \"vision_config\": \"hidden_act\" is \"%.*s\"",
                   STR_ARG(name));
}

/* --- the file --- */

static int read_counts(struct arch_work *w) {
    int rc = hf_config_need(&w->config, CLIP_BLOCKS, &w->n_layer, w->err);
    if (rc == 0)
        rc = hf_config_need(&w->config, CLIP_HEADS, &w->n_head, w->err);
    w->n_head_kv = w->n_head;
    return rc;
}

static int add_pairs(struct arch_work *w) {
    const struct param_count params = arch_count_params(w->form);
    int rc = work_str(w, "general.architecture", str_from(w->arch->gguf));
    if (rc == 0)
        rc = work_str(w, "general.type", STR("mmproj"));
    if (rc == 0)
        rc = general_add(w->form, w->folder, &params, w->err);
    if (rc == 0)
        rc = hparams_add(w);
    return rc < 0 ? rc : work_quantization_version(w);
}

static int add_all(struct arch_work *w, enum outtype out) {
    int rc = read_counts(w);
    for (int i = 0; i < 2 && rc == 0; i++)
        rc = folder_json(w->folder, preprocessor_files[i], FOLDER_MAX_CONFIG, &w->preprocessor[i],
                         w->err);
    if (rc < 0)
        return rc;
    w->rounded = out == OUTTYPE_AUTO;
    w->out = w->rounded ? arch_guess_type(w) : out;
    for (uint32_t i = 0; i < w->model->n_tensors && rc == 0; i++)
        rc = arch_add_tensor(w, &w->model->tensors[i]);
    if (rc == 0 && w->form->n_targets == 0)
        rc = err_set(w->err, -EBADMSG, "the folder has no tensor of a projector");
    return rc < 0 ? rc : add_pairs(w);
}

int form_mmproj_from_hf(struct form *f, const struct model *m, enum outtype out, struct err *err) {
    struct err own = { 0 };
    struct arch_work w = { .form = f, .model = m, .folder = m->folder, .err = err ? err : &own };
    if (!m->folder || m->adapter)
        return err_set(w.err, -ENOTSUP, "%.*s is not a Hugging Face folder", STR_ARG(m->name));
    int rc = read_config(&w);
    if (rc == 0)
        rc = find_projector(&w);
    if (rc == 0)
        rc = add_all(&w, out);
    json_free(w.preprocessor[0]);
    json_free(w.preprocessor[1]);
    hf_config_fini(&w.config);
    return rc;
}
