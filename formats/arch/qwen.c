/* SPDX-License-Identifier: Apache-2.0
 * formats/arch/qwen.c - Qwen 2 and 3, dense and with experts.
 * Source: conversion/qwen.py; configuration_qwen2.py, _qwen3.py, _qwen2_moe.py, _qwen3_moe.py. */
#include "formats/arch/back.h"
#include "formats/arch/families.h"
#include "formats/arch/work.h"
#include "formats/tokenizer/tokenizer.h"
#include <errno.h>

static const struct hf_class classes[] = {
    { .model_type = "qwen2",
      .defaults = JSON_TEXT({
          "vocab_size" : 151936,
          "hidden_size" : 4096,
          "intermediate_size" : 22016,
          "num_hidden_layers" : 32,
          "num_attention_heads" : 32,
          "num_key_value_heads" : 32,
          "max_position_embeddings" : 32768,
          "rms_norm_eps" : 1e-6
      }),
      .rope_theta = 10000,
      .fill = { { "num_key_value_heads", "num_attention_heads", NULL } } },
    { .model_type = "qwen3",
      .defaults = JSON_TEXT({
          "vocab_size" : 151936,
          "hidden_size" : 4096,
          "intermediate_size" : 22016,
          "num_hidden_layers" : 32,
          "num_attention_heads" : 32,
          "num_key_value_heads" : 32,
          "max_position_embeddings" : 32768,
          "rms_norm_eps" : 1e-6,
          "head_dim" : 128
      }),
      .rope_theta = 10000,
      .fill = { { "num_key_value_heads", "num_attention_heads", NULL } } },
    { .model_type = "qwen2_moe",
      .defaults = JSON_TEXT({
          "vocab_size" : 151936,
          "hidden_size" : 2048,
          "intermediate_size" : 5632,
          "num_hidden_layers" : 24,
          "num_attention_heads" : 16,
          "num_key_value_heads" : 16,
          "max_position_embeddings" : 32768,
          "rms_norm_eps" : 1e-6,
          "num_experts" : 60,
          "num_experts_per_tok" : 4,
          "moe_intermediate_size" : 1408,
          "shared_expert_intermediate_size" : 5632
      }),
      .optional = "num_key_value_heads",
      .rope_theta = 10000 },
    { .model_type = "qwen3_moe",
      .defaults = JSON_TEXT({
          "vocab_size" : 151936,
          "hidden_size" : 2048,
          "intermediate_size" : 6144,
          "num_hidden_layers" : 24,
          "num_attention_heads" : 32,
          "num_key_value_heads" : 4,
          "max_position_embeddings" : 32768,
          "rms_norm_eps" : 1e-6,
          "num_local_experts" : 128,
          "num_experts_per_tok" : 8,
          "moe_intermediate_size" : 768
      }),
      .optional = "num_local_experts",
      .rope_theta = 10000,
      .rename = { { "num_experts", "num_local_experts" } } },
    { 0 },
};

static const struct tensor_rule rules[] = {
    { "model.embed_tokens", "token_embd", OP_SAME, NULL },
    { "model.norm", "output_norm", OP_SAME, NULL },
    { "lm_head", "output", OP_SAME, NULL },
    { "model.layers.#.input_layernorm", "blk.#.attn_norm", OP_SAME, NULL },
    { "model.layers.#.post_attention_layernorm", "blk.#.ffn_norm", OP_SAME, NULL },
    { "model.layers.#.self_attn.q_proj", "blk.#.attn_q", OP_SAME, NULL },
    { "model.layers.#.self_attn.k_proj", "blk.#.attn_k", OP_SAME, NULL },
    { "model.layers.#.self_attn.v_proj", "blk.#.attn_v", OP_SAME, NULL },
    { "model.layers.#.self_attn.o_proj", "blk.#.attn_output", OP_SAME, NULL },
    { "model.layers.#.self_attn.q_norm", "blk.#.attn_q_norm", OP_SAME, NULL },
    { "model.layers.#.self_attn.k_norm", "blk.#.attn_k_norm", OP_SAME, NULL },
    { "model.layers.#.mlp.gate_proj", "blk.#.ffn_gate", OP_SAME, NULL },
    { "model.layers.#.mlp.up_proj", "blk.#.ffn_up", OP_SAME, NULL },
    { "model.layers.#.mlp.down_proj", "blk.#.ffn_down", OP_SAME, NULL },
    { "model.layers.#.mlp.gate", "blk.#.ffn_gate_inp", OP_SAME, NULL },
    { "model.layers.#.mlp.experts.*.down_proj", "blk.#.ffn_down_exps", OP_EXPERT, NULL },
    { "model.layers.#.mlp.experts.*.gate_proj", "blk.#.ffn_gate_exps", OP_EXPERT, NULL },
    { "model.layers.#.mlp.experts.*.up_proj", "blk.#.ffn_up_exps", OP_EXPERT, NULL },
    { "model.layers.#.mlp.experts.down_proj", "blk.#.ffn_down_exps", OP_EXPERTS, NULL },
    { "model.layers.#.mlp.experts.gate_up_proj", "blk.#.ffn_gate_exps", OP_GATE_UP,
      "blk.#.ffn_up_exps" },
    { "model.layers.#.mlp.shared_expert_gate", "blk.#.ffn_gate_inp_shexp", OP_SAME, NULL },
    { "model.layers.#.mlp.shared_expert.gate_proj", "blk.#.ffn_gate_shexp", OP_SAME, NULL },
    { "model.layers.#.mlp.shared_expert.up_proj", "blk.#.ffn_up_shexp", OP_SAME, NULL },
    { "model.layers.#.mlp.shared_expert.down_proj", "blk.#.ffn_down_shexp", OP_SAME, NULL },
    { 0 },
};

static const struct hparam dense[] = {
    HPARAM_LIST(hparams_text),
    HPARAM_CALL(hparam_pooling),
    HPARAM_END,
};

static const struct hparam moe[] = {
    HPARAM_LIST(hparams_text),
    HPARAM_U32(".expert_feed_forward_length", "moe_intermediate_size"),
    HPARAM_U32(".expert_shared_feed_forward_length", "shared_expert_intermediate_size"),
    HPARAM_END,
};

static const struct tokenizer_kind *const either[] = { &tokenizer_spm, &tokenizer_gpt2, NULL };
static const struct tokenizer_kind *const bpe[] = { &tokenizer_gpt2, NULL };

#define EXPERTS .experts = "num_local_experts num_experts"

/* Experts in all blocks. (mlx-lm has no defaults for these.) */
static void say_experts(struct back *w) {
    back_u64(w, "num_experts", back_count(w, ".expert_count", 0, 0));
    back_u64(w, "decoder_sparse_step", 1);
    back_raw(w, "mlp_only_layers", "[]");
}

/* As llama.cpp runs them. */
void qwen_say_moe3(struct back *w) {
    say_experts(w);
    back_bool(w, "norm_topk_prob", true);
    back_attention_bias(w);
}

static void say_moe2(struct back *w) {
    say_experts(w);
    back_bool(w, "qkv_bias", back_has_tensor(w, "blk.0.attn_q.bias"));
}

static const struct arch_back qwen2_back[] = {
    { .model_type = "qwen2", .class_name = "Qwen2ForCausalLM" }, { 0 }
};
static const struct arch_back qwen3_back[] = {
    { "qwen3", "Qwen3ForCausalLM", .more = back_attention_bias }, { 0 }
};
static const struct arch_back moe2_back[] = {
    { "qwen2_moe", "Qwen2MoeForCausalLM", .more = say_moe2 }, { 0 }
};
static const struct arch_back moe3_back[] = {
    { "qwen3_moe", "Qwen3MoeForCausalLM", .more = qwen_say_moe3 }, { 0 }
};

static const struct arch archs[] = {
    { .gguf = "qwen2",
      .classes = "Qwen2ForCausalLM Qwen2Model KORMoForCausalLM "
                 "Qwen2AudioForConditionalGeneration "
                 "AudioFlamingo3ForConditionalGeneration DotsOCRForCausalLM",
      .back = qwen2_back,
      .rules = rules,
      .hparams = dense,
      .tokenizers = either },
    { .gguf = "qwen3",
      .classes = "Qwen3ForCausalLM Qwen3Model",
      .back = qwen3_back,
      .rules = rules,
      .hparams = dense,
      .tokenizers = either },
    { .gguf = "qwen2moe",
      .back = moe2_back,
      .classes = "Qwen2MoeForCausalLM",
      .rules = rules,
      .hparams = moe,
      EXPERTS,
      .tokenizers = bpe },
    { .gguf = "qwen3moe",
      .back = moe3_back,
      .classes = "Qwen3MoeForCausalLM",
      .rules = rules,
      .hparams = moe,
      EXPERTS,
      .tokenizers = bpe },
    { 0 },
};

const struct family family_qwen = { classes, archs };
