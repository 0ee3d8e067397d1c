/* SPDX-License-Identifier: Apache-2.0
 * formats/arch/vision_qwen.c - the projectors of Qwen2-VL, Qwen2.5-VL, and Qwen3-VL and later.
 * Source: conversion/qwenvl.py, qwen3vl.py. */
#include "formats/arch/clip.h"
#include <errno.h>
#include <math.h>

static const struct forced_type types[] = { CLIP_TYPES };

#define BLOCK       "visual.blocks.#."
#define BLOCK_NORMS SAME(BLOCK "norm1", "v.blk.#.ln1"), SAME(BLOCK "norm2", "v.blk.#.ln2")
#define PATCHES \
    { "visual.patch_embed.proj", "v.patch_embd", OP_FRAMES, NULL }

/* --- Qwen2-VL, Qwen2.5-VL --- */

#define MERGER                                                                    \
    SAME("visual.merger.ln_q", "v.post_ln"), SAME("visual.merger.mlp.0", "mm.0"), \
        SAME("visual.merger.mlp.2", "mm.2")

static const struct tensor_rule qwen2_rules[] = {
    { BLOCK "attn.qkv", "v.blk.#.attn_?", OP_THIRDS, NULL },
    SAME(BLOCK "attn.proj", "v.blk.#.attn_out"),
    SAME(BLOCK "mlp.fc1", "v.blk.#.ffn_up"),
    SAME(BLOCK "mlp.fc2", "v.blk.#.ffn_down"),
    SAME(BLOCK "mlp.gate_proj", "v.blk.#.ffn_gate"),
    SAME(BLOCK "mlp.up_proj", "v.blk.#.ffn_up"),
    SAME(BLOCK "mlp.down_proj", "v.blk.#.ffn_down"),
    BLOCK_NORMS,
    MERGER,
    PATCHES,
    RULES_END,
};

static bool is_qwen2(const struct arch_work *w) {
    return clip_has_type(w, "qwen2_vl");
}

static bool is_qwen2_5(const struct arch_work *w) {
    return clip_has_type(w, "qwen2_5_vl");
}

static int qwen2_image_size(struct arch_work *w) {
    uint64_t size = 560;
    int rc = hf_config_u64(&w->config, "image_size", &size, w->err);
    return rc < 0 ? rc : work_u32(w, ".vision.image_size", size);
}

/* Not of vision_config. From Qwen3-VL on it is the text model's; before, upstream looks for it
 * where transformers has moved it away from. */
static int add_eps(struct arch_work *w, const struct json *from) {
    double eps = 1e-6;
    json_f64(json_get(from, "rms_norm_eps"), &eps);
    return work_f32(w, ".vision.attention.layer_norm_epsilon", eps);
}

static int qwen2_pairs(struct arch_work *w) {
    int rc = clip_projector(w, "qwen2vl_merger");
    return rc < 0 ? rc : add_eps(w, NULL);
}

/* Every so many blocks one looks at all of the image. */
int clip_window_pattern(struct arch_work *w) {
    const struct json *list = hf_config_json(&w->config, "fullatt_block_indexes");
    uint64_t first = 0, last = 0, next;
    for (size_t i = 0; i < json_len(list); i++) {
        if (!json_u64(json_at(list, i), &next) || (i && next - last != first + 1))
            return err_set(w->err, -EBADMSG,
                           "config.json: \"fullatt_block_indexes\" are not evenly spaced");
        first = i ? first : next;
        last = next;
    }
    if (json_len(list) == 0)
        return err_set(w->err, -EBADMSG, "config.json: no \"fullatt_block_indexes\"");
    return work_u32(w, ".vision.n_wa_pattern", first + 1);
}

static int qwen2_5_pairs(struct arch_work *w) {
    int rc = clip_projector(w, "qwen2.5vl_merger");
    if (rc == 0)
        rc = clip_use_silu(w);
    if (rc == 0)
        rc = clip_window_pattern(w);
    return rc < 0 ? rc : add_eps(w, NULL);
}

static const struct hparam qwen2_hparams[] = {
    CLIP_HPARAMS(qwen2_image_size, "embed_dim", "hidden_size"),
    HPARAM_CALL(qwen2_pairs),
    HPARAM_END,
};

static const struct hparam qwen2_5_hparams[] = {
    CLIP_HPARAMS(qwen2_image_size, "hidden_size", "intermediate_size"),
    HPARAM_CALL(qwen2_5_pairs),
    HPARAM_END,
};

/* --- Qwen3-VL and later --- */

#define DEEPSTACK(part, name) \
    { "visual.deepstack_merger_list.*." part, "v.deepstack.*." name, OP_OWN, NULL }

static const struct tensor_rule qwen3_rules[] = {
    SAME(BLOCK "attn.qkv", "v.blk.#.attn_qkv"),
    SAME(BLOCK "attn.proj", "v.blk.#.attn_out"),
    SAME(BLOCK "mlp.linear_fc1", "v.blk.#.ffn_up"),
    SAME(BLOCK "mlp.linear_fc2", "v.blk.#.ffn_down"),
    BLOCK_NORMS,
    DEEPSTACK("linear_fc1", "fc1"),
    DEEPSTACK("linear_fc2", "fc2"),
    DEEPSTACK("norm", "norm"),
    SAME("visual.merger.linear_fc1", "mm.0"),
    SAME("visual.merger.linear_fc2", "mm.2"),
    SAME("visual.merger.norm", "v.post_ln"),
    PATCHES,
    SAME("visual.pos_embed", "v.position_embd"),
    RULES_END,
};

/* The mergers between blocks are numbered by the blocks that they follow. */
static int deepstack(struct arch_work *w, const struct tensor *t, const struct tensor_rule *rule,
                     const struct name_match *match) {
    const struct json *blocks = hf_config_json(&w->config, "deepstack_visual_indexes");
    const struct tensor_rule same = { rule->hf, rule->gguf, OP_SAME, NULL };
    struct name_match at = *match;
    if (!json_u64(json_at(blocks, match->expert), &at.expert))
        return err_set(w->err, -EBADMSG,
                       "tensor %.*s: \"deepstack_visual_indexes\" has %zu blocks only",
                       STR_ARG(t->name), json_len(blocks));
    return op_to_gguf(w, t, &same, &at);
}

/* As many patches as there are positions. */
static int qwen3_image_size(struct arch_work *w) {
    uint64_t positions = 2304, patch = 16, size;
    int rc = hf_config_u64(&w->config, "image_size", &size, w->err);
    if (rc)
        return rc < 0 ? rc : work_u32(w, ".vision.image_size", size);
    rc = hf_config_u64(&w->config, "num_position_embeddings", &positions, w->err);
    if (rc >= 0)
        rc = hf_config_u64(&w->config, "patch_size", &patch, w->err);
    const double side = sqrt((double)positions) * (double)patch;
    return rc < 0 ? rc
                  : work_u32(w, ".vision.image_size", side < 1e9 ? (uint64_t)side : UINT64_MAX);
}

static int add_deepstack(struct arch_work *w) {
    const struct json *blocks = hf_config_json(&w->config, "deepstack_visual_indexes");
    uint8_t *flags = arena_array(w->form->arena, uint8_t, w->n_layer + 1);
    uint64_t block;
    if (!flags)
        return work_no_memory(w);
    for (size_t i = 0; i < json_len(blocks); i++) {
        if (!json_u64(json_at(blocks, i), &block) || block >= w->n_layer)
            return err_set(w->err, -EBADMSG,
                           "config.json: \"deepstack_visual_indexes\" are not blocks");
        flags[block] = 1;
    }
    return w->n_layer ? work_array(w, ".vision.is_deepstack_layers", KV_BOOL, flags, w->n_layer)
                      : 0;
}

/* transformers gives text_config its defaults, 1e-6 among them. */
static int qwen3_pairs(struct arch_work *w) {
    uint64_t merge;
    int rc = clip_projector(w, "qwen3vl_merger");
    if (rc == 0)
        rc = clip_use_gelu(w);
    if (rc == 0 && hf_config_u64(&w->config, "spatial_merge_size", &merge, w->err) > 0)
        rc = work_u32(w, ".vision.spatial_merge_size", merge);
    if (rc == 0)
        rc = add_eps(w, clip_whole(w, "text_config"));
    return rc < 0 ? rc : add_deepstack(w);
}

static const struct hparam qwen3_hparams[] = {
    CLIP_HPARAMS(qwen3_image_size, "hidden_size", "intermediate_size"),
    HPARAM_CALL(qwen3_pairs),
    HPARAM_END,
};
static const struct name_edit qwen3_edits[] = { { EDIT_START, "model.visual.", "visual." }, { 0 } };

const struct arch projectors_qwen[] = {
    { .gguf = "clip",
      .classes = "Qwen2VLModel Qwen2VLForConditionalGeneration",
      .when = is_qwen2,
      .prefixes = "visual.",
      .rules = qwen2_rules,
      .hparams = qwen2_hparams,
      .types = types },
    { .gguf = "clip",
      .classes = "Qwen2VLModel Qwen2VLForConditionalGeneration Qwen2_5_VLForConditionalGeneration",
      .when = is_qwen2_5,
      .prefixes = "visual.",
      .rules = qwen2_rules,
      .hparams = qwen2_5_hparams,
      .types = types },
    { .gguf = "clip",
      .classes = "Qwen3VLForConditionalGeneration Qwen3VLMoeForConditionalGeneration "
                 "Qwen3_5ForConditionalGeneration Qwen3_5MoeForConditionalGeneration",
      .prefixes = "visual.",
      .edits = qwen3_edits,
      .rules = qwen3_rules,
      .own = deepstack,
      .hparams = qwen3_hparams,
      .types = types },
    { 0 },
};
