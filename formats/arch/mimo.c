/* SPDX-License-Identifier: Apache-2.0
 * formats/arch/mimo.c - MiMo V2, text. Source: conversion/mimo.py. */
#include "formats/arch/decoder.h"
#include "formats/arch/families.h"
#include "formats/tokenizer/tokenizer.h"
#include <errno.h>

static const struct hf_class classes[] = { { 0 } };

static const struct tensor_rule rules[] = {
    DECODER_ENDS,
    DECODER_NORMS,
    SAME("model.layers.#.pre_mlp_layernorm", "blk.#.ffn_norm"),
    DECODER_ATTENTION(OP_SAME, OP_SAME),
    SAME("model.layers.#.self_attn.qkv_proj", "blk.#.attn_qkv"),
    SAME("model.layers.#.self_attn.attention_sink_bias", "blk.#.attn_sinks"),
    DECODER_MLP,
    SAME("model.layers.#.mlp.gate", "blk.#.ffn_gate_inp"),
    SAME("model.layers.#.mlp.gate.e_score_correction", "blk.#.exp_probs_b"),
    { "model.layers.#.mlp.experts.*.gate_proj", "blk.#.ffn_gate_exps", OP_EXPERT, NULL },
    { "model.layers.#.mlp.experts.*.up_proj", "blk.#.ffn_up_exps", OP_EXPERT, NULL },
    { "model.layers.#.mlp.experts.*.down_proj", "blk.#.ffn_down_exps", OP_EXPERT, NULL },
    SAME("model.layers.#.final_layernorm", "blk.#.layer_output_norm"),
    DECODER_MTP,
    RULES_END,
};

/* config.json does not say how many blocks predict further tokens: all models have three. */
static uint64_t count_mtp(const struct arch_work *w) {
    (void)w;
    return 3;
}

/* Blocks that look at a window, with keys of their own number; those that predict do. */
static bool has_window(const struct arch_work *w, uint64_t block) {
    uint64_t on;
    return block >= w->n_layer - w->n_mtp ||
           (json_u64(json_at(hf_config_json(&w->config, "hybrid_layer_pattern"), block), &on) &&
            on == 1);
}

static int add_attention(struct arch_work *w) {
    int32_t *keys = arena_array(w->form->arena, int32_t, w->n_layer);
    int32_t *windows = arena_array(w->form->arena, int32_t, w->n_layer);
    uint64_t few, window;
    int rc = hf_config_need(&w->config, "swa_num_key_value_heads", &few, w->err);
    if (rc == 0)
        rc = hf_config_need(&w->config, "sliding_window", &window, w->err);
    if (!keys || !windows)
        return work_no_memory(w);
    for (uint64_t i = 0; i < w->n_layer && rc == 0; i++) {
        windows[i] = has_window(w, i);
        keys[i] = (int32_t)(windows[i] ? few : w->n_head_kv);
    }
    if (rc == 0)
        rc = work_array(w, ".attention.head_count_kv", KV_I32, keys, w->n_layer);
    if (rc == 0)
        rc = work_u32(w, ".attention.sliding_window", window);
    return rc < 0 ? rc
                  : work_array(w, ".attention.sliding_window_pattern", KV_I32, windows, w->n_layer);
}

static int add_epsilon(struct arch_work *w) {
    double epsilon = 1e-5;
    int rc = hf_config_f64(&w->config, "layernorm_epsilon", &epsilon, w->err);
    return rc < 0 ? rc : work_f32(w, ".attention.layer_norm_rms_epsilon", epsilon);
}

static int add_mtp(struct arch_work *w) {
    return work_u32(w, ".nextn_predict_layers", w->n_mtp);
}

static const struct hparam hparams[] = {
    HPARAM_LIST(hparams_text),
    HPARAM_CALL(add_attention),
    HPARAM_NEED(".attention.value_length", "v_head_dim"),
    HPARAM_NEED(".expert_count", "n_routed_experts"),
    HPARAM_NEED(".expert_feed_forward_length", "moe_intermediate_size"),
    HPARAM_CALL(decoder_partial_rope),
    HPARAM_CALL(add_epsilon),
    HPARAM_F32(".attention.value_scale", "attention_value_scale"),
    HPARAM_CALL(add_mtp),
    HPARAM_END,
};

static const struct name_edit edits[] = { { EDIT_START, "model.mtp.", "mtp." },
                                          { EDIT_END, "attention_sink_bias",
                                            "attention_sink_bias.weight" },
                                          { 0 } };
static const struct tokenizer_kind *const bpe[] = { &tokenizer_gpt2, NULL };

static const struct arch archs[] = {
    { .gguf = "mimo2",
      .some = "attn_sinks",
      .classes = "MiMoV2FlashForCausalLM MiMoV2ForCausalLM",
      .edits = edits,
      .rename = decoder_rename_mtp,
      .rules = rules,
      .hparams = hparams,
      .experts = "n_routed_experts",
      .count_mtp = count_mtp,
      .tokenizers = bpe },
    { 0 },
};

const struct family family_mimo = { classes, archs };
