/* SPDX-License-Identifier: Apache-2.0
 * formats/arch/gptneox.c - GPT-NeoX and Pythia. Source: conversion/gptneox.py, which asks for a
 * "rotary_pct" that transformers 5 keeps as partial_rotary_factor; configuration_gpt_neox.py. */
#include "formats/arch/back.h"
#include "formats/arch/decoder.h"
#include "formats/arch/families.h"
#include "formats/tokenizer/tokenizer.h"

static const struct hf_class classes[] = {
    { .model_type = "gpt_neox",
      .defaults = JSON_TEXT({
          "vocab_size" : 50432,
          "hidden_size" : 6144,
          "intermediate_size" : 24576,
          "num_hidden_layers" : 44,
          "num_attention_heads" : 64,
          "max_position_embeddings" : 2048,
          "layer_norm_eps" : 1e-5,
          "use_parallel_residual" : true
      }),
      .rope_theta = 10000,
      .partial_rotary_factor = 0.25,
      .even_heads = true,
      .rename = { { "rotary_pct", "partial_rotary_factor" } } },
    { 0 },
};

static const struct tensor_rule rules[] = {
    SAME("gpt_neox.embed_in", "token_embd"),
    SAME("gpt_neox.final_layer_norm", "output_norm"),
    SAME("embed_out", "output"),
    SAME("gpt_neox.layers.#.input_layernorm", "blk.#.attn_norm"),
    SAME("gpt_neox.layers.#.post_attention_layernorm", "blk.#.ffn_norm"),
    { "gpt_neox.layers.#.attention.query_key_value", "blk.#.attn_qkv", OP_QKV, NULL },
    SAME("gpt_neox.layers.#.attention.dense", "blk.#.attn_output"),
    SAME("gpt_neox.layers.#.mlp.dense_h_to_4h", "blk.#.ffn_up"),
    SAME("gpt_neox.layers.#.mlp.dense_4h_to_h", "blk.#.ffn_down"),
    RULES_END,
};

static const struct hparam hparams[] = {
    HPARAM_NEED(".context_length", "max_position_embeddings"),
    HPARAM_NEED(".embedding_length", "hidden_size"),
    HPARAM_CALL(hparam_blocks),
    HPARAM_NEED(".feed_forward_length", "intermediate_size"),
    HPARAM_CALL(decoder_partial_rope),
    HPARAM_NEED(".attention.head_count", "num_attention_heads"),
    HPARAM_BOOL(".use_parallel_residual", "use_parallel_residual"),
    HPARAM_F32(".attention.layer_norm_epsilon", "layer_norm_eps"),
    HPARAM_END,
};

static const struct tokenizer_kind *const bpe[] = { &tokenizer_gpt2, NULL };

static const struct arch_back back[] = {
    { .model_type = "gpt_neox", .class_name = "GPTNeoXForCausalLM" }, { 0 }
};

static const struct arch archs[] = {
    { .gguf = "gptneox",
      .back = back,
      .classes = "GPTNeoXForCausalLM",
      .rules = rules,
      .hparams = hparams,
      .tokenizers = bpe },
    { 0 },
};

const struct family family_gptneox = { classes, archs };
