/* SPDX-License-Identifier: Apache-2.0
 * formats/arch/vision_qwen_kin.c - projectors over towers that are built like Qwen2-VL's: GLM-4.1V
 * and its kin, EXAONE 4.5, dots.ocr. Source: conversion/qwen3vl.py, exaone.py, dotsocr.py
 * (llama.cpp 0c1e570). */
#include "formats/arch/clip.h"
#include <errno.h>

static const struct forced_type types[] = { CLIP_TYPES };
static const struct name_edit visual_edits[] = { { EDIT_START, "model.visual.", "visual." },
                                                 { 0 } };

#define BLOCK(path)                                                                        \
    SAME(path "attn.qkv", "v.blk.#.attn_qkv"), SAME(path "attn.proj", "v.blk.#.attn_out"), \
        SAME(path "norm1", "v.blk.#.ln1"), SAME(path "norm2", "v.blk.#.ln2")
#define GATED(path)                                                                             \
    SAME(path "mlp.gate_proj", "v.blk.#.ffn_gate"), SAME(path "mlp.up_proj", "v.blk.#.ffn_up"), \
        SAME(path "mlp.down_proj", "v.blk.#.ffn_down")

/* --- GLM-4.1V, GLM-4.5V, GLM-OCR --- */

static const struct tensor_rule glm_rules[] = {
    BLOCK("visual.blocks.#."),
    GATED("visual.blocks.#."),
    SAME("visual.blocks.#.attn.q_norm", "v.blk.#.attn_q_norm"),
    SAME("visual.blocks.#.attn.k_norm", "v.blk.#.attn_k_norm"),
    { "visual.patch_embed.proj", "v.patch_embd", OP_FRAMES, NULL },
    SAME("visual.embeddings.position_embedding", "v.position_embd"),
    SAME("visual.post_conv_layernorm", "v.norm_embd"),
    SAME("visual.post_layernorm", "v.post_ln"),
    SAME("visual.downsample", "mm.patch_merger"),
    SAME("visual.merger.proj", "mm.model.fc"),
    SAME("visual.merger.post_projection_norm", "mm.post_norm"),
    SAME("visual.merger.gate_proj", "mm.gate"),
    SAME("visual.merger.up_proj", "mm.up"),
    SAME("visual.merger.down_proj", "mm.down"),
    RULES_END,
};

static int glm_pairs(struct arch_work *w) {
    struct str act = STR("");
    int rc = clip_projector(w, "glm4v");
    hf_config_str(&w->config, "hidden_act", &act);
    if (rc == 0 && (str_is(act, "gelu") || str_is(act, "silu")))
        rc = clip_activation(w);
    return rc < 0 ? rc : clip_rms_eps(w, 1e-5);
}

static const struct hparam glm_hparams[] = {
    CLIP_HPARAMS(clip_image_size, "hidden_size", "intermediate_size"),
    HPARAM_CALL(glm_pairs),
    HPARAM_END,
};

/* --- EXAONE 4.5: queries share keys --- */

static const struct tensor_rule exaone_rules[] = {
    BLOCK("visual.blocks.#."),
    GATED("visual.blocks.#."),
    { "visual.patch_embed.proj", "v.patch_embd", OP_FRAMES, NULL },
    SAME("visual.merger.ln_q", "v.post_ln"),
    SAME("visual.merger.mlp.0", "mm.0"),
    SAME("visual.merger.mlp.2", "mm.2"),
    RULES_END,
};

static int exaone_image_size(struct arch_work *w) {
    return work_u32(w, ".vision.image_size", 560);
}

static int exaone_windows(struct arch_work *w) {
    uint64_t size;
    int rc = hf_config_u64(&w->config, "window_size", &size, w->err);
    if (rc > 0)
        rc = work_u32(w, ".vision.window_size", size);
    return rc < 0 || !json_len(hf_config_json(&w->config, "fullatt_block_indexes"))
               ? rc
               : clip_window_pattern(w);
}

static int exaone_pairs(struct arch_work *w) {
    uint64_t keys;
    double eps = 1e-6;
    int rc = clip_projector(w, "exaone4_5");
    if (rc == 0)
        rc = clip_use_silu(w);
    if (rc == 0)
        rc = clip_min_pixels(w);
    if (rc == 0)
        rc = clip_max_pixels(w);
    if (rc == 0 && hf_config_u64(&w->config, "num_key_value_heads", &keys, w->err) > 0)
        rc = work_u32(w, ".vision.attention.head_count_kv", keys);
    json_f64(clip_whole(w, "rms_norm_eps"), &eps);
    if (rc == 0)
        rc = clip_rms_eps(w, eps);
    return rc < 0 ? rc : exaone_windows(w);
}

static const struct hparam exaone_hparams[] = {
    CLIP_HPARAMS(exaone_image_size, "hidden_size", "intermediate_size"),
    HPARAM_CALL(exaone_pairs),
    HPARAM_END,
};

/* --- dots.ocr --- */

#define DOTS "vision_tower.blocks.#."
static const struct tensor_rule dots_rules[] = {
    BLOCK(DOTS),
    SAME(DOTS "mlp.fc1", "v.blk.#.ffn_gate"),
    SAME(DOTS "mlp.fc2", "v.blk.#.ffn_down"),
    SAME(DOTS "mlp.fc3", "v.blk.#.ffn_up"),
    SAME("vision_tower.patch_embed.patchifier.proj", "v.patch_embd"),
    SAME("vision_tower.patch_embed.patchifier.norm", "v.pre_ln"),
    SAME("vision_tower.post_trunk_norm", "mm.post_norm"),
    SAME("vision_tower.merger.ln_q", "mm.input_norm"),
    SAME("vision_tower.merger.mlp.0", "mm.0"),
    SAME("vision_tower.merger.mlp.2", "mm.2"),
    RULES_END,
};

/* Any size will do. */
static int dots_image_size(struct arch_work *w) {
    return work_u32(w, ".vision.image_size", 0);
}

static int dots_pairs(struct arch_work *w) {
    uint64_t merge = 0;
    int rc = clip_projector(w, "dots_ocr");
    if (rc == 0)
        rc = clip_min_pixels(w);
    if (rc == 0)
        rc = clip_max_pixels(w);
    if (rc == 0 && !hf_config_json(&w->config, "rms_norm_eps"))
        rc = err_set(w->err, -EBADMSG, "config.json: \"vision_config\": no \"rms_norm_eps\"");
    if (rc == 0)
        rc = clip_rms_eps(w, 0);
    if (rc == 0)
        rc = hf_config_need(&w->config, "spatial_merge_size", &merge, w->err);
    if (rc == 0)
        rc = work_u32(w, ".vision.projector.scale_factor", merge);
    return rc < 0 ? rc : clip_use_silu(w);
}

static const struct hparam dots_hparams[] = {
    CLIP_HPARAMS(dots_image_size, "hidden_size", "intermediate_size"),
    HPARAM_CALL(dots_pairs),
    HPARAM_END,
};

const struct arch projectors_qwen_kin[] = {
    { .gguf = "clip",
      .classes = "Glm4vForConditionalGeneration Glm4vMoeForConditionalGeneration "
                 "GlmOcrForConditionalGeneration",
      .prefixes = "visual.",
      .edits = visual_edits,
      .rules = glm_rules,
      .hparams = glm_hparams,
      .types = types },
    { .gguf = "clip",
      .classes = "Exaone4_5_ForConditionalGeneration",
      .prefixes = "visual.",
      .edits = visual_edits,
      .rules = exaone_rules,
      .hparams = exaone_hparams,
      .types = types },
    { .gguf = "clip",
      .classes = "DotsOCRForCausalLM",
      .prefixes = "vision_tower.",
      .rules = dots_rules,
      .hparams = dots_hparams,
      .types = types },
    { 0 },
};
