/* SPDX-License-Identifier: Apache-2.0
 * formats/arch/olmo.c - OLMo, OLMo 2 and 3, OLMoE. Source: conversion/olmo.py;
 * configuration_olmo.py and those of the later ones. */
#include "formats/arch/back.h"
#include "formats/arch/decoder.h"
#include "formats/arch/families.h"
#include "formats/tokenizer/tokenizer.h"

static const struct hf_class classes[] = {
    { .model_type = "olmo",
      .defaults = JSON_TEXT({
          "vocab_size" : 50304,
          "hidden_size" : 4096,
          "intermediate_size" : 11008,
          "num_hidden_layers" : 32,
          "num_attention_heads" : 32,
          "num_key_value_heads" : null,
          "max_position_embeddings" : 2048
      }),
      .rope_theta = 10000,
      .fill = { { "num_key_value_heads", "num_attention_heads", NULL } } },
    { .model_type = "olmo2",
      .defaults = JSON_TEXT({
          "vocab_size" : 50304,
          "hidden_size" : 4096,
          "intermediate_size" : 11008,
          "num_hidden_layers" : 32,
          "num_attention_heads" : 32,
          "num_key_value_heads" : null,
          "max_position_embeddings" : 2048,
          "rms_norm_eps" : 1e-5
      }),
      .rope_theta = 10000,
      .fill = { { "num_key_value_heads", "num_attention_heads", NULL } } },
    { .model_type = "olmo3",
      .defaults = JSON_TEXT({
          "vocab_size" : 50304,
          "hidden_size" : 4096,
          "intermediate_size" : 11008,
          "num_hidden_layers" : 32,
          "num_attention_heads" : 32,
          "num_key_value_heads" : null,
          "max_position_embeddings" : 2048,
          "rms_norm_eps" : 1e-5,
          "sliding_window" : 4096
      }),
      .optional = "sliding_window",
      .rope_theta = 500000,
      .local_theta = 500000,
      .fill = { { "num_key_value_heads", "num_attention_heads", NULL } } },
    { .model_type = "olmoe",
      .defaults = JSON_TEXT({
          "vocab_size" : 50304,
          "hidden_size" : 2048,
          "intermediate_size" : 2048,
          "num_hidden_layers" : 16,
          "num_attention_heads" : 16,
          "num_key_value_heads" : null,
          "max_position_embeddings" : 4096,
          "rms_norm_eps" : 1e-5,
          "num_experts" : 64,
          "num_experts_per_tok" : 8
      }),
      .rope_theta = 10000,
      .fill = { { "num_key_value_heads", "num_attention_heads", NULL } },
      .rename = { { "num_local_experts", "num_experts" } } },
    { 0 },
};

/* Biases stay as they are, though the weights' rows change places. */
static const struct tensor_rule olmo_rules[] = {
    DECODER_ENDS,
    SAME("model.layers.#.self_attn.q_proj.bias", "blk.#.attn_q.bias"),
    SAME("model.layers.#.self_attn.k_proj.bias", "blk.#.attn_k.bias"),
    DECODER_ATTENTION(OP_PERMUTE_Q, OP_PERMUTE_K),
    DECODER_MLP,
    RULES_END,
};

static const struct tensor_rule olmo2_rules[] = {
    DECODER_ENDS,
    DECODER_ATTENTION(OP_SAME, OP_SAME),
    DECODER_QK_NORMS,
    DECODER_MLP,
    SAME("model.layers.#.post_attention_layernorm", "blk.#.post_attention_norm"),
    SAME("model.layers.#.post_feedforward_layernorm", "blk.#.post_ffw_norm"),
    RULES_END,
};

static const struct tensor_rule olmoe_rules[] = {
    DECODER_ENDS,
    DECODER_NORMS,
    DECODER_ATTENTION(OP_SAME, OP_SAME),
    DECODER_QK_NORMS,
    SAME("model.layers.#.mlp.gate", "blk.#.ffn_gate_inp"),
    DECODER_EXPERTS("mlp.experts"),
    RULES_END,
};

static int add_epsilon(struct arch_work *w) {
    return work_f32(w, ".attention.layer_norm_epsilon", 1e-5);
}

static int add_rms_epsilon(struct arch_work *w) {
    return work_f32(w, ".attention.layer_norm_rms_epsilon", 1e-5);
}

/* OLMo 3: a window in all blocks but every fourth. */
static int add_window(struct arch_work *w) {
    uint64_t window;
    int rc = hf_config_u64(&w->config, "sliding_window", &window, w->err);
    if (rc <= 0)
        return rc;
    rc = work_u32(w, ".attention.sliding_window", window);
    return rc < 0 ? rc : decoder_window_pattern(w, 4);
}

static const struct hparam olmo_hparams[] = {
    HPARAM_LIST(hparams_text),
    HPARAM_CALL(add_epsilon),
    HPARAM_F32(".attention.clamp_kqv", "clip_qkv"),
    HPARAM_END,
};

static const struct hparam olmo2_hparams[] = {
    HPARAM_LIST(hparams_text),
    HPARAM_CALL(add_window),
    HPARAM_END,
};

static const struct hparam olmoe_hparams[] = {
    HPARAM_LIST(hparams_text),
    HPARAM_CALL(add_rms_epsilon),
    HPARAM_END,
};

static const struct tokenizer_kind *const bpe[] = { &tokenizer_gpt2, NULL };

static bool has_window(const struct back *w) {
    uint64_t window;
    return back_find_u64(w, ".attention.sliding_window", &window);
}

static const char clip[] = "clip_qkv";
static const struct arch_back olmo_back[] = {
    { "olmo", "OlmoForCausalLM", .fields = clip, .more = back_attention_bias }, { 0 }
};
static const struct arch_back olmo2_back[] = {
    { "olmo3", "Olmo3ForCausalLM", .when = has_window, .more = back_windows },
    { "olmo2", "Olmo2ForCausalLM", .more = back_attention_bias },
    { 0 },
};
static const struct arch_back olmoe_back[] = {
    { "olmoe", "OlmoeForCausalLM", .more = back_attention_bias }, { 0 }
};

static const struct arch archs[] = {
    { .gguf = "olmo",
      .some = "output_norm",
      .back = olmo_back,
      .classes = "OlmoForCausalLM OLMoForCausalLM",
      .rules = olmo_rules,
      .hparams = olmo_hparams,
      .tokenizers = bpe },
    { .gguf = "olmo2",
      .back = olmo2_back,
      .classes = "Olmo2ForCausalLM Olmo3ForCausalLM",
      .rules = olmo2_rules,
      .hparams = olmo2_hparams,
      .tokenizers = bpe },
    { .gguf = "olmoe",
      .back = olmoe_back,
      .classes = "OlmoeForCausalLM",
      .rules = olmoe_rules,
      .hparams = olmoe_hparams,
      .experts = "num_local_experts num_experts",
      .tokenizers = bpe },
    { 0 },
};

const struct family family_olmo = { classes, archs };
