/* SPDX-License-Identifier: Apache-2.0
 * formats/arch/vision_ocr.c - projectors of PaddleOCR-VL and CogVLM. Source: conversion/ernie.py,
 * cogvlm.py (llama.cpp 0c1e570). */
#include "formats/arch/clip.h"
#include <errno.h>
#include <math.h>

static const struct forced_type types[] = { CLIP_TYPES };

/* --- PaddleOCR-VL --- */

static const struct tensor_rule paddle_rules[] = {
    { "model.vision_model.head.~", "", OP_DROP, NULL },
    { "model.vision_model.embeddings.packing_position_embedding", "", OP_DROP, NULL },
    SAME("model.vision_model.embeddings.patch_embedding", "v.patch_embd"),
    CLIP_TOWER("model.vision_model.", "out_proj"),
    SAME("mlp_AR.pre_norm", "mm.input_norm"),
    SAME("mlp_AR.linear_1", "mm.1"),
    SAME("mlp_AR.linear_2", "mm.2"),
    RULES_END,
};

static const struct name_edit paddle_edits[] = { { EDIT_ANYWHERE, "visual.", "model." }, { 0 } };

/* The side of a square with as many pixels as there may be. */
static int paddle_image_size(struct arch_work *w) {
    uint64_t most = 0;
    if (!json_u64(clip_preprocessor(w, "max_pixels"), &most))
        return err_set(w->err, -EBADMSG, "preprocessor_config.json: no \"max_pixels\"");
    return work_u32(w, ".vision.image_size", (uint64_t)sqrt((double)most));
}

static int paddle_pairs(struct arch_work *w) {
    int rc = clip_projector(w, "paddleocr");
    if (rc == 0)
        rc = clip_max_pixels(w);
    if (rc == 0)
        rc = clip_min_pixels(w);
    if (rc == 0)
        rc = clip_use_gelu(w);
    return rc < 0 ? rc : clip_rms_eps(w, 1e-6);
}

static const struct hparam paddle_hparams[] = {
    CLIP_HPARAMS(paddle_image_size, "hidden_size", "intermediate_size"),
    HPARAM_CALL(paddle_pairs),
    HPARAM_END,
};

/* --- CogVLM --- */

#define COG   "model.vision."
#define LAYER COG "transformer.layers.#."
static const struct tensor_rule cogvlm_rules[] = {
    SAME(COG "boi", "v.boi"),
    SAME(COG "eoi", "v.eoi"),
    SAME(COG "patch_embedding.cls_embedding", "v.class_embd"),
    SAME(COG "patch_embedding.proj", "v.patch_embd"),
    SAME(COG "patch_embedding.position_embedding", "v.position_embd"),
    SAME(LAYER "attention.query_key_value", "v.blk.#.attn_qkv"),
    SAME(LAYER "attention.dense", "v.blk.#.attn_out"),
    SAME(LAYER "input_layernorm", "v.blk.#.ln1"),
    SAME(LAYER "post_attention_layernorm", "v.blk.#.ln2"),
    SAME(LAYER "mlp.fc1", "v.blk.#.ffn_up"),
    SAME(LAYER "mlp.fc2", "v.blk.#.ffn_down"),
    SAME(COG "linear_proj.linear_proj", "mm.model.fc"),
    SAME(COG "linear_proj.norm1", "mm.post_fc_norm"),
    SAME(COG "linear_proj.gate_proj", "mm.gate"),
    SAME(COG "linear_proj.dense_h_to_4h", "mm.up"),
    SAME(COG "linear_proj.dense_4h_to_h", "mm.down"),
    RULES_END,
};

static int cogvlm_pairs(struct arch_work *w) {
    int rc = clip_eps(w, 1e-6);
    return rc < 0 ? rc : clip_projector(w, "cogvlm");
}

static const struct hparam cogvlm_hparams[] = {
    CLIP_HPARAMS(clip_image_size, "hidden_size", "intermediate_size"),
    HPARAM_CALL(cogvlm_pairs),
    HPARAM_END,
};

const struct arch projectors_ocr[] = {
    { .gguf = "clip",
      .classes = "PaddleOCRVisionModel",
      .prefixes = "model.vision_model. mlp_AR.",
      .edits = paddle_edits,
      .rules = paddle_rules,
      .hparams = paddle_hparams,
      .types = types },
    { .gguf = "clip",
      .classes = "CogVLMForCausalLM",
      .prefixes = "model.vision.",
      .rules = cogvlm_rules,
      .hparams = cogvlm_hparams,
      .types = types },
    { 0 },
};
