/* SPDX-License-Identifier: Apache-2.0
 * formats/arch/llama.c - Llama, Mistral, Mixtral and what is built like them.
 * Source: conversion/llama.py; configuration_llama.py, _mistral.py, _mixtral.py. */
#include "formats/arch/decoder.h"
#include "formats/arch/back.h"
#include "formats/arch/families.h"
#include "formats/tokenizer/tokenizer.h"

#define MISTRAL_DEFAULTS                    \
    JSON_TEXT({                             \
        "vocab_size" : 32000,               \
        "hidden_size" : 4096,               \
        "intermediate_size" : 14336,        \
        "num_hidden_layers" : 32,           \
        "num_attention_heads" : 32,         \
        "num_key_value_heads" : 8,          \
        "max_position_embeddings" : 131072, \
        "rms_norm_eps" : 1e-6,              \
        "head_dim" : null,                  \
        "sliding_window" : 4096             \
    })

static const struct hf_class classes[] = {
    { .model_type = "llama",
      .defaults = JSON_TEXT({
          "vocab_size" : 32000,
          "hidden_size" : 4096,
          "intermediate_size" : 11008,
          "num_hidden_layers" : 32,
          "num_attention_heads" : 32,
          "num_key_value_heads" : null,
          "max_position_embeddings" : 2048,
          "rms_norm_eps" : 1e-6,
          "head_dim" : null
      }),
      .kinds = "attention_dropout=fin",
      .rope_theta = 10000,
      .even_heads = true,
      .fill = { { "head_dim", "hidden_size", "num_attention_heads" },
                { "num_key_value_heads", "num_attention_heads", NULL } } },
    { .model_type = "smollm3",
      .defaults = JSON_TEXT({
          "vocab_size" : 128256,
          "hidden_size" : 2048,
          "intermediate_size" : 11008,
          "num_hidden_layers" : 36,
          "num_attention_heads" : 16,
          "num_key_value_heads" : 4,
          "max_position_embeddings" : 32768,
          "rms_norm_eps" : 1e-6
      }),
      .rope_theta = 2000000,
      .fill = { { "num_key_value_heads", "num_attention_heads", NULL } } },
    { .model_type = "mistral",
      .defaults = MISTRAL_DEFAULTS,
      .optional = "sliding_window",
      .rope_theta = 10000,
      .fill = { { "head_dim", "hidden_size", "num_attention_heads" } } },
    { .model_type = "ministral",
      .defaults = MISTRAL_DEFAULTS,
      .optional = "sliding_window",
      .rope_theta = 10000 },
    { .model_type = "mixtral",
      .defaults = JSON_TEXT({
          "vocab_size" : 32000,
          "hidden_size" : 4096,
          "intermediate_size" : 14336,
          "num_hidden_layers" : 32,
          "num_attention_heads" : 32,
          "num_key_value_heads" : 8,
          "max_position_embeddings" : 131072,
          "rms_norm_eps" : 1e-5,
          "head_dim" : null,
          "num_experts_per_tok" : 2,
          "num_local_experts" : 8,
          "sliding_window" : null
      }),
      .rope_theta = 1000000,
      .rename = { { "num_experts", "num_local_experts" } } },
    { 0 },
};

static const struct tensor_rule rules[] = {
    { "model.embed_tokens", "token_embd", OP_SAME, NULL },
    { "model.norm", "output_norm", OP_SAME, NULL },
    { "lm_head", "output", OP_SAME, NULL },
    { "model.layers.#.input_layernorm", "blk.#.attn_norm", OP_SAME, NULL },
    { "model.layers.#.post_attention_layernorm", "blk.#.ffn_norm", OP_SAME, NULL },
    { "model.layers.#.self_attn.q_proj", "blk.#.attn_q", OP_PERMUTE_Q, NULL },
    { "model.layers.#.self_attn.k_proj", "blk.#.attn_k", OP_PERMUTE_K, NULL },
    { "model.layers.#.self_attn.v_proj", "blk.#.attn_v", OP_SAME, NULL },
    { "model.layers.#.self_attn.o_proj", "blk.#.attn_output", OP_SAME, NULL },
    { "model.layers.#.self_attn.qkv_proj", "blk.#.attn_qkv", OP_SAME, NULL },
    { "model.layers.#.mlp.gate_proj", "blk.#.ffn_gate", OP_SAME, NULL },
    { "model.layers.#.mlp.up_proj", "blk.#.ffn_up", OP_SAME, NULL },
    { "model.layers.#.mlp.down_proj", "blk.#.ffn_down", OP_SAME, NULL },
    { "model.layers.#.block_sparse_moe.gate", "blk.#.ffn_gate_inp", OP_SAME, NULL },
    { "model.layers.#.block_sparse_moe.experts.*.w1", "blk.#.ffn_gate_exps", OP_EXPERT, NULL },
    { "model.layers.#.block_sparse_moe.experts.*.w2", "blk.#.ffn_down_exps", OP_EXPERT, NULL },
    { "model.layers.#.block_sparse_moe.experts.*.w3", "blk.#.ffn_up_exps", OP_EXPERT, NULL },
    { 0 },
};

static const struct hparam hparams[] = {
    HPARAM_LIST(hparams_text),
    HPARAM_NEED(".vocab_size", "vocab_size"),
    HPARAM_CALL(decoder_rope_dimension),
    HPARAM_END,
};

static const struct tokenizer_kind *const tokenizers[] = { &tokenizer_mistral, &tokenizer_spm,
                                                           &tokenizer_llama_json, &tokenizer_gpt2,
                                                           NULL };

static const struct name_edit edits[] = { { EDIT_ANYWHERE, "text_model.", "" }, { 0 } };
static const struct name_edit model_edits[] = { { EDIT_ANYWHERE, "text_model.", "" },
                                                { EDIT_START, "", "model." },
                                                { 0 } };

#define LLAMA_ROW(names)                                                                    \
    .gguf = "llama", .edits = (names), .rules = rules, .hparams = hparams,                  \
    .experts = "num_local_experts", .tokenizers = tokenizers, .extra = decoder_llama_freqs, \
    .vocab = decoder_space_prefix, .after = decoder_llama_exceptions, .back = back

/* Biases where Llama has none. */
static void say_biases(struct back *w) {
    back_bool(w, "attention_bias", back_has_tensor(w, "blk.0.attn_output.bias"));
    back_bool(w, "mlp_bias", back_has_tensor(w, "blk.0.ffn_down.bias"));
}

static bool has_experts(const struct back *w) {
    uint64_t n = 0;
    return back_find_u64(w, ".expert_count", &n) && n;
}

static const struct arch_back back[] = {
    { "mixtral", "MixtralForCausalLM", .when = has_experts },
    { "llama", "LlamaForCausalLM", .more = say_biases },
    { 0 },
};

static const struct arch_back smol_back[] = {
    { "smollm3", "SmolLM3ForCausalLM", .more = back_biases }, { 0 }
};

static const struct arch archs[] = {
    { LLAMA_ROW(edits), .classes =
                            "LlamaForCausalLM LLaMAForCausalLM MistralForCausalLM "
                            "MixtralForCausalLM IQuestCoderForCausalLM VLlama3ForCausalLM "
                            "LlavaForConditionalGeneration VoxtralForConditionalGeneration" },
    { LLAMA_ROW(model_edits), .classes = "LlamaModel" },
    { .gguf = "smollm3",
      .back = smol_back,
      .classes = "SmolLM3ForCausalLM",
      .rules = rules,
      .hparams = hparams,
      .tokenizers = tokenizers,
      .extra = decoder_llama_freqs,
      .vocab = decoder_space_prefix,
      .after = decoder_llama_exceptions },
    { 0 },
};

const struct family family_llama = { classes, archs };
