/* SPDX-License-Identifier: Apache-2.0
 * formats/arch/falcon.c - Falcon. Source: conversion/falcon.py; configuration_falcon.py. */
#include "formats/arch/back.h"
#include "formats/arch/families.h"
#include "formats/tokenizer/tokenizer.h"

static const struct hf_class classes[] = {
    { .model_type = "falcon",
      .defaults = JSON_TEXT({
          "vocab_size" : 65024,
          "hidden_size" : 4544,
          "num_hidden_layers" : 32,
          "num_attention_heads" : 71,
          "num_kv_heads" : null,
          "layer_norm_epsilon" : 1e-5
      }),
      .kinds = "attention_dropout=fin",
      .optional = "layer_norm_epsilon",
      .rope_theta = 10000,
      .fill = { { "num_kv_heads", "num_attention_heads", NULL } },
      .rename = { { "n_embed", "hidden_size" } } },
    { 0 },
};

static const struct tensor_rule rules[] = {
    { "transformer.word_embeddings", "token_embd", OP_SAME, NULL },
    { "transformer.ln_f", "output_norm", OP_SAME, NULL },
    { "lm_head", "output", OP_SAME, NULL },
    { "transformer.h.#.ln_mlp", "blk.#.attn_norm", OP_SAME, "blk.#.attn_norm_2" },
    { "transformer.h.#.input_layernorm", "blk.#.attn_norm", OP_SAME, NULL },
    { "transformer.h.#.ln_attn", "blk.#.attn_norm_2", OP_SAME, NULL },
    { "transformer.h.#.self_attention.query_key_value", "blk.#.attn_qkv", OP_QKV, NULL },
    { "transformer.h.#.self_attention.dense", "blk.#.attn_output", OP_SAME, NULL },
    { "transformer.h.#.mlp.dense_h_to_4h", "blk.#.ffn_up", OP_SAME, NULL },
    { "transformer.h.#.mlp.dense_4h_to_h", "blk.#.ffn_down", OP_SAME, NULL },
    { 0 },
};

static const struct hparam hparams[] = {
    HPARAM_FIXED(".context_length", 2048), /* config.json does not say */
    HPARAM_TEXT(".tensor_data_layout", "jploski"),
    HPARAM_NEED(".embedding_length", "hidden_size"),
    HPARAM_TIMES(".feed_forward_length", "hidden_size", 4),
    HPARAM_NEED(".block_count", "n_layers num_hidden_layers n_layer num_layers"),
    HPARAM_NEED(".attention.head_count", "num_attention_heads n_head"),
    HPARAM_NEED(".attention.head_count_kv", "num_kv_heads n_head_kv"),
    HPARAM_F32(".attention.layer_norm_epsilon", "layer_norm_epsilon"),
    HPARAM_CALL(hparam_file_type),
    HPARAM_END,
};

static const struct tokenizer_kind *const bpe[] = { &tokenizer_gpt2, NULL };

static void say_blocks(struct back *w) {
    const bool two_norms = back_has_tensor(w, "blk.0.attn_norm_2.weight");
    back_bool(w, "new_decoder_architecture", two_norms);
    back_bool(w, "multi_query", back_count(w, ".attention.head_count_kv", 0, 1) == 1);
    back_bool(w, "parallel_attn", true);
    back_bool(w, "bias", back_has_tensor(w, "blk.0.attn_qkv.bias"));
    back_bool(w, "alibi", false);
}

static const struct arch_back back[] = { { "falcon", "FalconForCausalLM", .more = say_blocks },
                                         { 0 } };

static const struct arch archs[] = {
    { .gguf = "falcon",
      .back = back,
      .classes = "FalconForCausalLM RWForCausalLM",
      .rules = rules,
      .hparams = hparams,
      .tokenizers = bpe },
    { 0 },
};

const struct family family_falcon = { classes, archs };
