/* SPDX-License-Identifier: Apache-2.0
 * formats/arch/vision_other.c - projectors with towers of their own: Llama 4, Kimi-VL, LFM2-VL and
 * Janus-Pro. Source: conversion/llama4.py, kimivl.py, lfm2.py, januspro.py (llama.cpp 0c1e570). */
#include "formats/arch/clip.h"
#include <errno.h>
#include <math.h>

static const struct forced_type types[] = { CLIP_TYPES };

/* --- Llama 4 --- */

static const struct tensor_rule llama4_rules[] = {
    SAME("multi_modal_projector.linear_1", "mm.model.fc"),
    SAME("vision_model.class_embedding", "v.class_embd"),
    SAME("vision_model.patch_embedding.linear", "v.patch_embd"),
    { "vision_model.positional_embedding_vlm", "v.position_embd", OP_ENDING, NULL },
    SAME("vision_model.layernorm_pre", "v.pre_ln"),
    SAME("vision_model.layernorm_post", "v.post_ln"),
    SAME("vision_model.vision_adapter.mlp.fc1", "mm.model.mlp.1"),
    SAME("vision_model.vision_adapter.mlp.fc2", "mm.model.mlp.2"),
#define LAYER "vision_model.model.layers.#."
    SAME(LAYER "input_layernorm", "v.blk.#.ln1"),
    SAME(LAYER "post_attention_layernorm", "v.blk.#.attn_post_norm"),
    SAME(LAYER "mlp.fc1", "v.blk.#.ffn_up"),
    SAME(LAYER "mlp.fc2", "v.blk.#.ffn_down"),
    SAME(LAYER "self_attn.q_proj", "v.blk.#.attn_q"),
    SAME(LAYER "self_attn.k_proj", "v.blk.#.attn_k"),
    SAME(LAYER "self_attn.v_proj", "v.blk.#.attn_v"),
    SAME(LAYER "self_attn.o_proj", "v.blk.#.attn_out"),
#undef LAYER
    RULES_END,
};

static int llama4_pairs(struct arch_work *w) {
    double eps = 0, ratio = 0;
    struct str act = STR("");
    hf_config_str(&w->config, "hidden_act", &act);
    if (!str_is(act, "gelu"))
        return err_set(w->err, -ENOTSUP,
                       "config.json: \"vision_config\": \"hidden_act\" is \"%.*s\"", STR_ARG(act));
    int rc = clip_projector(w, "llama4");
    if (rc == 0)
        rc = hf_config_f64(&w->config, "norm_eps", &eps, w->err);
    if (rc >= 0)
        rc = work_f32(w, ".vision.attention.layer_norm_epsilon", eps);
    if (rc == 0)
        rc = hf_config_f64(&w->config, "pixel_shuffle_ratio", &ratio, w->err);
    if (rc >= 0 && !(ratio > 1e-6 && ratio <= 1))
        rc = err_set(w->err, -EBADMSG, "config.json: \"pixel_shuffle_ratio\" is not above 0 to 1");
    if (rc >= 0)
        rc = work_u32(w, ".vision.projector.scale_factor", (uint64_t)(1 / ratio));
    return rc < 0 ? rc : clip_use_gelu(w);
}

static const struct hparam llama4_hparams[] = {
    CLIP_HPARAMS(clip_image_size, "hidden_size", "intermediate_size"),
    HPARAM_CALL(llama4_pairs),
    HPARAM_END,
};

/* --- Kimi-VL --- */

static const struct tensor_rule kimi_rules[] = {
    SAME("multi_modal_projector.pre_norm", "mm.input_norm"),
    SAME("multi_modal_projector.linear_1", "mm.1"),
    SAME("multi_modal_projector.linear_2", "mm.2"),
    SAME("vision_tower.patch_embed.proj", "v.patch_embd"),
    { "vision_tower.patch_embed.pos_emb", "v.position_embd", OP_OWN, NULL },
    SAME("vision_tower.encoder.final_layernorm", "v.post_ln"),
#define BLOCK "vision_tower.encoder.blocks.#."
    SAME(BLOCK "norm0", "v.blk.#.ln1"),
    SAME(BLOCK "norm1", "v.blk.#.ln2"),
    { BLOCK "wqkv", "v.blk.#.attn_?", OP_THIRDS, NULL },
    SAME(BLOCK "wo", "v.blk.#.attn_out"),
    SAME(BLOCK "mlp.fc0", "v.blk.#.ffn_up"),
    SAME(BLOCK "mlp.fc1", "v.blk.#.ffn_down"),
#undef BLOCK
    RULES_END,
};

/* A table of places by height and width, as a list of them. */
static int kimi_positions(struct arch_work *w, const struct tensor *t,
                          const struct tensor_rule *rule, const struct name_match *match) {
    struct arena *a = w->form->arena;
    if (t->n_dims != 3 || !t->elems)
        return err_set(w->err, -EBADMSG, "tensor %.*s has no three dimensions", STR_ARG(t->name));
    const uint64_t dims[2] = { t->dims[0] * t->dims[1], t->dims[2] };
    return work_target(w, name_build(a, rule->gguf, match), dims, 2, expr_tensor(a, t));
}

/* Any size will do; the converter writes this one. */
static int kimi_image_size(struct arch_work *w) {
    return work_u32(w, ".vision.image_size", 64 * 14);
}

static int kimi_pairs(struct arch_work *w) {
    int rc = clip_projector(w, "kimivl");
    if (rc == 0)
        rc = clip_use_gelu(w);
    if (rc == 0)
        rc = work_u32(w, ".vision.projector.scale_factor", 2);
    return rc < 0 ? rc : clip_eps(w, 1e-5);
}

static const struct hparam kimi_hparams[] = {
    CLIP_HPARAMS(kimi_image_size, "hidden_size", "intermediate_size"),
    HPARAM_CALL(kimi_pairs),
    HPARAM_END,
};

/* --- towers like SigLIP's: LFM2-VL, Janus-Pro --- */

#define LFM2_TOWER "vision_tower.vision_model."
static const struct tensor_rule lfm2_rules[] = {
    SAME("multi_modal_projector.layer_norm", "mm.input_norm"),
    SAME("multi_modal_projector.linear_1", "mm.1"),
    SAME("multi_modal_projector.linear_2", "mm.2"),
    { LFM2_TOWER "embeddings.patch_embedding", "v.patch_embd", OP_OWN, NULL },
    CLIP_TOWER(LFM2_TOWER, "out_proj"),
    RULES_END,
};

static const struct name_edit lfm2_edits[] = {
    { EDIT_START, "model.vision_tower.", "vision_tower." },
    { EDIT_START, "model.multi_modal_projector.", "multi_modal_projector." },
    { 0 },
};

/* A matrix over patches of 16 by 16 pixels of three colours, as a convolution's. */
static int lfm2_patches(struct arch_work *w, const struct tensor *t, const struct tensor_rule *rule,
                        const struct name_match *match) {
    enum { SIDE = 16, COLOURS = 3 };
    const struct tensor_rule same = { rule->hf, rule->gguf, OP_SAME, NULL };
    struct arena *a = w->form->arena;
    if (str_is(match->rest, ".bias"))
        return op_to_gguf(w, t, &same, match);
    if (t->n_dims != 2 || t->dims[1] != SIDE * SIDE * COLOURS)
        return err_set(w->err, -EBADMSG, "tensor %.*s: its rows are no patches of 16 x 16 x 3",
                       STR_ARG(t->name));
    const uint64_t dims[4] = { t->dims[0], COLOURS, SIDE, SIDE };
    return work_target(w, name_build(a, rule->gguf, match), dims, 4,
                       expr_transpose(a, expr_tensor_as(a, t, COLOURS), SIDE * SIDE));
}

/* Likewise. */
static int lfm2_image_size(struct arch_work *w) {
    return work_u32(w, ".vision.image_size", 256);
}

/* The projector takes the last block's output. */
static int lfm2_pairs(struct arch_work *w) {
    uint64_t factor = 2;
    int64_t layer = -1;
    json_u64(clip_whole(w, "downsample_factor"), &factor);
    json_i64(clip_whole(w, "vision_feature_layer"), &layer);
    if (layer != -1)
        return err_set(w->err, -ENOTSUP, "config.json: \"vision_feature_layer\" is not -1");
    int rc = clip_projector(w, "lfm2");
    if (rc == 0)
        rc = clip_eps(w, 1e-6);
    if (rc == 0)
        rc = work_u32(w, ".vision.projector.scale_factor", factor);
    return rc < 0 ? rc : clip_use_gelu(w);
}

static const struct hparam lfm2_hparams[] = {
    CLIP_HPARAMS(lfm2_image_size, "hidden_size", "intermediate_size"),
    HPARAM_CALL(lfm2_pairs),
    HPARAM_END,
};

#define JANUS_TOWER "model.vision_model."
static const struct tensor_rule janus_rules[] = {
    SAME("model.aligner.fc1", "mm.0"),
    { "model.aligner.hidden_layers.*", "mm.*", OP_OWN, NULL },
    SAME(JANUS_TOWER "embeddings.patch_embedding", "v.patch_embd"),
    CLIP_TOWER(JANUS_TOWER, "projection_layer"),
    RULES_END,
};

/* Numbered behind the first. */
static int janus_aligner(struct arch_work *w, const struct tensor *t,
                         const struct tensor_rule *rule, const struct name_match *match) {
    const struct tensor_rule same = { rule->hf, rule->gguf, OP_SAME, NULL };
    struct name_match next = *match;
    next.expert++;
    return op_to_gguf(w, t, &same, &next);
}

static int janus_feed_forward(struct arch_work *w) {
    uint64_t size = 0, hidden = 0;
    double ratio = 0;
    int rc = hf_config_u64(&w->config, "intermediate_size", &size, w->err);
    if (rc == 0)
        rc = hf_config_need(&w->config, "hidden_size", &hidden, w->err);
    if (rc == 0)
        rc = hf_config_f64(&w->config, "mlp_ratio", &ratio, w->err);
    if (rc >= 0 && !size) {
        const double product = rint((double)hidden * ratio);
        size = product > 0 && product <= UINT32_MAX ? (uint64_t)product : UINT64_MAX;
    }
    return rc < 0 ? rc : work_u32(w, ".vision.feed_forward_length", size);
}

static int janus_pairs(struct arch_work *w) {
    int rc = clip_projector(w, "janus_pro");
    if (rc == 0)
        rc = clip_eps(w, 1e-6);
    return rc < 0 ? rc : clip_activation(w);
}

static const struct hparam janus_hparams[] = {
    CLIP_HPARAMS_CALL(clip_image_size, "hidden_size", HPARAM_CALL(janus_feed_forward)),
    HPARAM_CALL(janus_pairs),
    HPARAM_END,
};

const struct arch projectors_other[] = {
    { .gguf = "clip",
      .classes = "Llama4ForConditionalGeneration",
      .prefixes = "vision_model. multi_modal_projector.",
      .rules = llama4_rules,
      .hparams = llama4_hparams,
      .types = types },
    { .gguf = "clip",
      .classes = "KimiVLForConditionalGeneration",
      .prefixes = "vision_tower. multi_modal_projector.",
      .rules = kimi_rules,
      .own = kimi_positions,
      .hparams = kimi_hparams,
      .types = types },
    { .gguf = "clip",
      .classes = "Lfm2VlForConditionalGeneration",
      .prefixes = "vision_tower. multi_modal_projector.",
      .edits = lfm2_edits,
      .rules = lfm2_rules,
      .own = lfm2_patches,
      .hparams = lfm2_hparams,
      .types = types },
    { .gguf = "clip",
      .classes = "JanusForConditionalGeneration",
      .prefixes = "model.vision_model. model.aligner.",
      .rules = janus_rules,
      .own = janus_aligner,
      .hparams = janus_hparams,
      .types = types },
    { 0 },
};
