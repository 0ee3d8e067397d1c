/* SPDX-License-Identifier: Apache-2.0
 * formats/arch/vision.c - projectors over SigLIP and what is built like it: Gemma 3, SmolVLM and
 * Idefics 3, Pixtral, Mistral 3 and LightOnOCR, InternVL. Source: conversion/gemma.py, smolvlm.py,
 * llava.py, lighton_ocr.py, internvl.py. */
#include "formats/arch/clip.h"
#include <errno.h>
#include <math.h>

#define SIGLIP(path)                                         \
    SAME(path "embeddings.patch_embedding", "v.patch_embd"), \
        SAME(path "pre_layrnorm", "v.pre_ln"), CLIP_TOWER(path, "out_proj")

/* Embeddings that are always f32. */
static const struct forced_type f32_embeddings[] = { { "v.patch_embd.weight", FORCE_F32 },
                                                     { "v.position_embd", FORCE_F32 },
                                                     { "mm.input_projection", FORCE_F16_ALWAYS },
                                                     { 0 } };
static const struct forced_type types[] = { CLIP_TYPES };

/* --- Gemma 3 --- */

static const struct tensor_rule gemma3_rules[] = {
    { "vision_tower.vision_model.head.~", "", OP_DROP, NULL },
    { "vision_model.head.~", "", OP_DROP, NULL },
    SAME("multi_modal_projector.mm_input_projection", "mm.input_projection"),
    { "multi_modal_projector.mm_soft_emb_norm", "mm.soft_emb_norm", OP_ADD_ONE, NULL },
    SIGLIP("vision_tower.vision_model."),
    RULES_END,
};

static int gemma3_pairs(struct arch_work *w) {
    uint64_t image = 0, patch = 0, tokens = 256;
    int rc = clip_projector(w, "gemma3");
    if (rc == 0)
        rc = clip_eps(w, 1e-6);
    if (rc == 0)
        rc = clip_use_gelu(w);
    if (rc == 0)
        rc = hf_config_need(&w->config, "image_size", &image, w->err);
    if (rc == 0)
        rc = hf_config_need(&w->config, "patch_size", &patch, w->err);
    if (rc < 0)
        return rc;
    json_u64(clip_preprocessor(w, "image_seq_length"), &tokens);
    const uint64_t side = (uint64_t)sqrt((double)tokens);
    if (!side || !patch)
        return err_set(w->err, -EBADMSG, "\"image_seq_length\" or \"patch_size\" is zero");
    const uint64_t factor = image / patch / side;
    return factor == 0 || factor == 4 ? 0 : work_u32(w, ".vision.projector.scale_factor", factor);
}

static const struct hparam gemma3_hparams[] = { CLIP_HPARAMS(clip_image_size, "hidden_size",
                                                             "intermediate_size"),
                                                HPARAM_CALL(gemma3_pairs), HPARAM_END };
static const struct name_edit gemma3_edits[] = { { EDIT_ANYWHERE, "_weight", ".weight" }, { 0 } };

/* --- SmolVLM, Idefics 3 --- */

static const struct tensor_rule idefics3_rules[] = {
    SAME("model.connector.modality_projection.proj", "mm.model.fc"),
    SIGLIP("model.vision_model."),
    RULES_END,
};

static int idefics3_pairs(struct arch_work *w) {
    uint64_t factor = 2, size = 0;
    int rc = clip_projector(w, "idefics3");
    if (rc == 0)
        rc = clip_eps(w, 1e-5);
    json_u64(clip_whole(w, "scale_factor"), &factor);
    if (rc == 0)
        rc = work_u32(w, ".vision.projector.scale_factor", factor);
    if (rc == 0)
        rc = clip_use_gelu(w);
    if (rc == 0 && !json_u64(json_get(clip_preprocessor(w, "size"), "longest_edge"), &size))
        rc = hf_config_need(&w->config, "image_size", &size, w->err);
    return rc < 0 ? rc : work_u32(w, ".vision.preproc_image_size", size);
}

static const struct hparam idefics3_hparams[] = { CLIP_HPARAMS(clip_image_size, "hidden_size",
                                                               "intermediate_size"),
                                                  HPARAM_CALL(idefics3_pairs), HPARAM_END };

/* --- Pixtral, Mistral 3 --- */

static bool is_pixtral(const struct arch_work *w) {
    return clip_has_vision_type(w, "pixtral");
}

static const struct tensor_rule pixtral_rules[] = {
    SAME("multi_modal_projector.linear_1", "mm.1"),
    SAME("multi_modal_projector.linear_2", "mm.2"),
    SAME("multi_modal_projector.norm", "mm.input_norm"),
    SAME("multi_modal_projector.patch_merger.merging_layer", "mm.patch_merger"),
    SAME("vision_tower.ln_pre", "v.pre_ln"),
    SAME("vision_tower.patch_conv", "v.patch_embd"),
#define LAYER "vision_tower.transformer.layers.#."
    { LAYER "attention.q_proj", "v.blk.#.attn_q", OP_PERMUTE_Q, NULL },
    { LAYER "attention.k_proj", "v.blk.#.attn_k", OP_PERMUTE_K, NULL },
    SAME(LAYER "attention.v_proj", "v.blk.#.attn_v"),
    SAME(LAYER "attention.o_proj", "v.blk.#.attn_out"),
    SAME(LAYER "attention_norm", "v.blk.#.ln1"),
    SAME(LAYER "ffn_norm", "v.blk.#.ln2"),
    SAME(LAYER "feed_forward.down_proj", "v.blk.#.ffn_down"),
    SAME(LAYER "feed_forward.gate_proj", "v.blk.#.ffn_gate"),
    SAME(LAYER "feed_forward.up_proj", "v.blk.#.ffn_up"),
#undef LAYER
    RULES_END,
};

static bool is_lighton(const struct arch_work *w) {
    return str_is(w->class_name, "LightOnOCRForConditionalGeneration");
}

static int pixtral_pairs(struct arch_work *w) {
    uint64_t merge;
    int rc = clip_projector(w, is_lighton(w) ? "lightonocr" : "pixtral");
    if (rc == 0)
        rc = clip_eps(w, 1e-5);
    if (rc == 0)
        rc = clip_activation(w);
    if (rc < 0 || !json_u64(clip_whole(w, "spatial_merge_size"), &merge))
        return rc;
    return work_u32(w, ".vision.spatial_merge_size", merge);
}

static const struct name_edit lighton_edits[] = {
    { EDIT_START, "model.vision_encoder.", "vision_tower." },
    { EDIT_START, "model.vision_projection.", "multi_modal_projector." },
    { 0 },
};

static const struct hparam pixtral_hparams[] = { CLIP_HPARAMS(clip_image_size, "hidden_size",
                                                              "intermediate_size"),
                                                 HPARAM_CALL(pixtral_pairs), HPARAM_END };

/* --- LLaVA: upstream converts it with scripts of old only. This is what clip.cpp takes --- */

static bool is_clip(const struct arch_work *w) {
    return clip_has_vision_type(w, "clip_vision_model");
}

static const struct tensor_rule llava_rules[] = {
    SAME("multi_modal_projector.linear_1", "mm.0"),
    SAME("multi_modal_projector.linear_2", "mm.2"),
    SAME("vision_tower.vision_model.embeddings.class_embedding", "v.class_embd"),
    /* the features are taken before it, and clip.cpp would apply it */
    { "vision_tower.vision_model.post_layernorm", "", OP_DROP, NULL },
    { "vision_tower.vision_model.embeddings.position_ids", "", OP_DROP, NULL },
    SIGLIP("vision_tower.vision_model."),
    RULES_END,
};

/* A negative layer counts from the last, whose output is -1; here, blocks that come before. */
static int feature_layer(struct arch_work *w, const struct json *v, int32_t *out) {
    const int64_t n = (int64_t)w->n_layer;
    int64_t layer = -2;
    if ((v && !json_i64(v, &layer)) || layer < -n || layer > n)
        return err_set(w->err, -EBADMSG, "config.json: \"vision_feature_layer\" is not a layer");
    *out = (int32_t)(layer < 0 ? n + 1 + layer : layer);
    return 0;
}

static int add_features(struct arch_work *w) {
    const struct json *v = clip_whole(w, "vision_feature_layer");
    const bool list = json_type(v) == JSON_ARRAY;
    const size_t n = list ? json_len(v) : 1;
    int32_t *layers = arena_array(w->form->arena, int32_t, n + 1);
    int rc = layers ? 0 : work_no_memory(w);
    for (size_t i = 0; i < n && rc == 0; i++)
        rc = feature_layer(w, list ? json_at(v, i) : v, &layers[i]);
    return rc < 0 ? rc : work_array(w, ".vision.feature_layer", KV_I32, layers, n);
}

static int llava_pairs(struct arch_work *w) {
    struct str act = STR(""), select = STR("default");
    int rc = clip_projector(w, "mlp");
    json_str(clip_whole(w, "vision_feature_select_strategy"), &select);
    if (rc == 0 && !str_is(select, "default")) /* clip.cpp leaves the class's embedding out */
        rc = err_set(w->err, -ENOTSUP, "config.json: \"vision_feature_select_strategy\": \"%.*s\"",
                     STR_ARG(select));
    if (rc == 0)
        rc = clip_eps(w, 1e-5);
    hf_config_str(&w->config, "hidden_act", &act);
    if (rc == 0) /* quick_gelu where it is false */
        rc = work_bool(w, ".use_gelu", str_is(act, "gelu"));
    return rc < 0 ? rc : add_features(w);
}

static const struct hparam llava_hparams[] = { CLIP_HPARAMS(clip_image_size, "hidden_size",
                                                            "intermediate_size"),
                                               HPARAM_CALL(llava_pairs), HPARAM_END };

/* --- InternVL --- */

static const struct tensor_rule internvl_rules[] = {
    SAME("mlp1.0", "mm.model.mlp.0"),
    SAME("mlp1.1", "mm.model.mlp.1"),
    SAME("mlp1.3", "mm.model.mlp.3"),
    SAME("vision_model.embeddings.class_embedding", "v.class_embd"),
    SAME("vision_model.embeddings.patch_embedding", "v.patch_embd"),
    { "vision_model.embeddings.position_embedding", "v.position_embd", OP_ENDING, NULL },
#define LAYER "vision_model.encoder.layers.#."
    { LAYER "attn.qkv", "v.blk.#.attn_?", OP_THIRDS, NULL },
    SAME(LAYER "attn.proj", "v.blk.#.attn_out"),
    SAME(LAYER "attn.q_norm", "v.blk.#.attn_q_norm"),
    SAME(LAYER "attn.k_norm", "v.blk.#.attn_k_norm"),
    { LAYER "ls1", "v.blk.#.ls1", OP_ENDING, NULL },
    { LAYER "ls2", "v.blk.#.ls2", OP_ENDING, NULL },
    SAME(LAYER "mlp.fc1", "v.blk.#.ffn_up"),
    SAME(LAYER "mlp.fc2", "v.blk.#.ffn_down"),
    SAME(LAYER "norm1", "v.blk.#.ln1"),
    SAME(LAYER "norm2", "v.blk.#.ln2"),
#undef LAYER
    RULES_END,
};

static int internvl_pairs(struct arch_work *w) {
    double ratio = 0;
    uint64_t least = 0, most = 0;
    int rc = clip_projector(w, "internvl");
    if (rc == 0 && !hf_config_json(&w->config, "layer_norm_eps"))
        rc = err_set(w->err, -EBADMSG, "config.json: \"vision_config\": no \"layer_norm_eps\"");
    if (rc == 0)
        rc = clip_eps(w, 0);
    if (rc == 0)
        rc = clip_activation(w);
    if (rc < 0)
        return rc;
    if (!json_f64(clip_whole(w, "downsample_ratio"), &ratio) || !(ratio > 1e-6 && ratio <= 1))
        return err_set(w->err, -EBADMSG, "config.json: \"downsample_ratio\" is not above 0 to 1");
    rc = work_u32(w, ".vision.projector.scale_factor", (uint64_t)(1 / ratio));
    json_u64(clip_whole(w, "min_dynamic_patch"), &least);
    json_u64(clip_whole(w, "max_dynamic_patch"), &most);
    if (rc == 0 && least)
        rc = work_u32(w, ".vision.preproc_min_tiles", least);
    return rc < 0 || !most ? rc : work_u32(w, ".vision.preproc_max_tiles", most);
}

static const struct hparam internvl_hparams[] = {
    CLIP_HPARAMS(clip_image_size, "hidden_size", "intermediate_size"),
    HPARAM_CALL(internvl_pairs),
    HPARAM_END,
};

/* --- MiniCPM-V 4.6 --- */

#define MERGER(part, name) \
    { "model.vision_tower.vit_merger." part, "v.vit_merger." name, OP_OWN, NULL }

static const struct tensor_rule minicpm_rules[] = {
    SAME("model.merger.mlp.0.pre_norm", "mm.input_norm"),
    SAME("model.merger.mlp.0.linear_1", "mm.up"),
    SAME("model.merger.mlp.0.linear_2", "mm.down"),
    MERGER("layer_norm1", "ln1"),
    MERGER("self_attn.q_proj", "attn_q"),
    MERGER("self_attn.k_proj", "attn_k"),
    MERGER("self_attn.v_proj", "attn_v"),
    MERGER("self_attn.out_proj", "attn_out"),
    MERGER("pre_norm", "ds_ln"),
    MERGER("linear_1", "ds_ffn_up"),
    MERGER("linear_2", "ds_ffn_down"),
    SIGLIP("model.vision_tower."),
    RULES_END,
};

/* How many patches become one: "16x", or "4x", which goes without the merger between blocks. */
static int downsampling(struct arch_work *w, bool *all) {
    struct str mode = STR("16x");
    json_str(clip_preprocessor(w, "downsample_mode"), &mode);
    *all = str_is(mode, "16x");
    return *all || str_is(mode, "4x")
               ? 0
               : err_set(w->err, -ENOTSUP,
                         "preprocessor_config.json: \"downsample_mode\": \"%.*s\"", STR_ARG(mode));
}

static int minicpm_merger(struct arch_work *w, const struct tensor *t,
                          const struct tensor_rule *rule, const struct name_match *match) {
    const struct tensor_rule same = { rule->hf, rule->gguf, OP_SAME, NULL };
    bool all;
    int rc = downsampling(w, &all);
    return rc < 0 || !all ? rc : op_to_gguf(w, t, &same, match);
}

/* Of a slice, not of the grid of positions. */
static int minicpm_image_size(struct arch_work *w) {
    uint64_t size;
    return json_u64(clip_preprocessor(w, "scale_resolution"), &size)
               ? work_u32(w, ".vision.image_size", size)
               : clip_image_size(w);
}

static int minicpm_pairs(struct arch_work *w) {
    bool all = true;
    uint64_t block = 6;
    int rc = clip_projector(w, "minicpmv4_6");
    if (rc == 0)
        rc = downsampling(w, &all);
    if (rc == 0)
        rc = work_u32(w, ".vision.projector.scale_factor", all ? 4 : 2);
    json_u64(clip_whole(w, "insert_layer_id"), &block);
    const int32_t blocks[1] = { (int32_t)block };
    if (rc == 0 && block > INT32_MAX)
        rc = err_set(w->err, -EBADMSG, "config.json: \"insert_layer_id\" is not a layer");
    if (rc == 0)
        rc = work_array(w, ".vision.wa_layer_indexes", KV_I32, blocks, 1);
    if (rc == 0)
        rc = clip_use_gelu(w);
    return rc < 0 ? rc : clip_eps(w, 1e-6);
}

static const struct hparam minicpm_hparams[] = {
    CLIP_HPARAMS(minicpm_image_size, "hidden_size", "intermediate_size"),
    HPARAM_CALL(minicpm_pairs),
    HPARAM_END,
};

const struct arch projectors_siglip[] = {
    { .gguf = "clip",
      .classes = "MiniCPMV4_6ForConditionalGeneration",
      .prefixes = "model.vision_tower. model.merger.",
      .rules = minicpm_rules,
      .own = minicpm_merger,
      .hparams = minicpm_hparams,
      .types = types },
    { .gguf = "clip",
      .classes = "Gemma3ForConditionalGeneration",
      .prefixes = "multi_modal_projector. vision_tower. multimodal_projector. vision_model.",
      .edits = gemma3_edits,
      .rules = gemma3_rules,
      .hparams = gemma3_hparams,
      .types = f32_embeddings },
    { .gguf = "clip",
      .classes = "Idefics3ForConditionalGeneration SmolVLMForConditionalGeneration",
      .prefixes = "model.connector. model.vision_model.",
      .rules = idefics3_rules,
      .hparams = idefics3_hparams,
      .types = f32_embeddings },
    { .gguf = "clip",
      .classes = "LlavaForConditionalGeneration Mistral3ForConditionalGeneration",
      .when = is_pixtral,
      .prefixes = "multi_modal_projector. vision_tower.",
      .rules = pixtral_rules,
      .hparams = pixtral_hparams,
      .types = types },
    { .gguf = "clip",
      .classes = "LightOnOCRForConditionalGeneration",
      .prefixes = "multi_modal_projector. vision_tower.",
      .edits = lighton_edits,
      .rules = pixtral_rules,
      .hparams = pixtral_hparams,
      .types = types },
    { .gguf = "clip",
      .classes = "LlavaForConditionalGeneration",
      .when = is_clip,
      .prefixes = "multi_modal_projector. vision_tower.",
      .rules = llava_rules,
      .hparams = llava_hparams,
      .types = types },
    { .gguf = "clip",
      .classes = "InternVisionModel",
      .prefixes = "vision_model. mlp1.",
      .rules = internvl_rules,
      .hparams = internvl_hparams,
      .types = types },
    { 0 },
};
