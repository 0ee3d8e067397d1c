/* SPDX-License-Identifier: Apache-2.0
 * formats/arch/bloom.c - BLOOM and MPT: positions by ALiBi.
 * Source: conversion/bloom.py, mpt.py; configuration_bloom.py, _mpt.py. */
#include "formats/arch/back.h"
#include "formats/arch/decoder.h"
#include "formats/arch/families.h"
#include "formats/tokenizer/tokenizer.h"
#include <stdio.h>

static const struct hf_class classes[] = {
    { .model_type = "bloom",
      .defaults = JSON_TEXT({
          "vocab_size" : 250880,
          "hidden_size" : 64,
          "n_layer" : 2,
          "n_head" : 8,
          "layer_norm_epsilon" : 1e-5
      }),
      .rename = { { "num_hidden_layers", "n_layer" },
                  { "num_attention_heads", "n_head" },
                  { "n_embed", "hidden_size" } } },
    { .model_type = "mpt",
      .defaults = JSON_TEXT({
          "vocab_size" : 50368,
          "d_model" : 2048,
          "n_heads" : 16,
          "n_layers" : 24,
          "max_seq_len" : 2048
      }),
      .rename = { { "num_attention_heads", "n_heads" },
                  { "hidden_size", "d_model" },
                  { "num_hidden_layers", "n_layers" } } },
    { 0 },
};

static const struct tensor_rule bloom_rules[] = {
    SAME("word_embeddings", "token_embd"),
    SAME("word_embeddings_layernorm", "token_embd_norm"),
    SAME("ln_f", "output_norm"),
    SAME("lm_head", "output"),
    SAME("h.#.input_layernorm", "blk.#.attn_norm"),
    { "h.#.self_attention.query_key_value", "blk.#.attn_qkv", OP_QKV, NULL },
    SAME("h.#.self_attention.dense", "blk.#.attn_output"),
    SAME("h.#.post_attention_layernorm", "blk.#.ffn_norm"),
    SAME("h.#.mlp.dense_h_to_4h", "blk.#.ffn_up"),
    SAME("h.#.mlp.dense_4h_to_h", "blk.#.ffn_down"),
    RULES_END,
};

static const struct tensor_rule mpt_rules[] = {
    SAME("transformer.wte", "token_embd"),
    SAME("transformer.wpe", "position_embd"),
    SAME("transformer.norm_f", "output_norm"),
    SAME("lm_head", "output"),
    SAME("transformer.blocks.#.norm_1", "blk.#.attn_norm"),
    SAME("transformer.blocks.#.attn.Wqkv", "blk.#.attn_qkv"),
    SAME("transformer.blocks.#.attn.q_ln", "blk.#.attn_q_norm"),
    SAME("transformer.blocks.#.attn.k_ln", "blk.#.attn_k_norm"),
    SAME("transformer.blocks.#.attn.out_proj", "blk.#.attn_output"),
    SAME("transformer.blocks.#.norm_2", "blk.#.ffn_norm"),
    SAME("transformer.blocks.#.ffn.up_proj", "blk.#.ffn_up"),
    SAME("transformer.blocks.#.ffn.down_proj", "blk.#.ffn_down"),
    RULES_END,
};

static const struct hparam bloom_hparams[] = {
    HPARAM_NEED(".context_length", "seq_length hidden_size"),
    HPARAM_NEED(".embedding_length", "hidden_size"),
    HPARAM_TIMES(".feed_forward_length", "hidden_size", 4),
    HPARAM_NEED(".block_count", "n_layer"),
    HPARAM_NEED(".attention.head_count", "n_head"),
    HPARAM_NEED(".attention.head_count_kv", "n_head"),
    HPARAM_F32(".attention.layer_norm_epsilon", "layer_norm_epsilon"),
    HPARAM_CALL(hparam_file_type),
    HPARAM_END,
};

static int add_attention(struct arch_work *w) {
    const struct json *attention = hf_config_json(&w->config, "attn_config");
    bool alibi = true;
    double bias = 8, clip;
    uint64_t keys;
    int rc = 0;
    (void)json_bool(json_get(attention, "alibi"), &alibi);
    (void)json_f64(json_get(attention, "alibi_bias_max"), &bias);
    if (json_u64(json_get(attention, "kv_n_heads"), &keys) && keys)
        rc = work_u32(w, ".attention.head_count_kv", keys);
    if (rc == 0)
        rc = work_f32(w, ".attention.layer_norm_epsilon", 1e-5);
    if (rc == 0 && json_f64(json_get(attention, "clip_qkv"), &clip))
        rc = work_f32(w, ".attention.clamp_kqv", clip);
    return rc < 0 ? rc : work_f32(w, ".attention.max_alibi_bias", alibi ? bias : 0);
}

static const struct hparam mpt_hparams[] = {
    HPARAM_NEED(".context_length", "max_seq_len"),
    HPARAM_NEED(".embedding_length", "d_model"),
    HPARAM_NEED(".block_count", "n_layers"),
    HPARAM_TIMES(".feed_forward_length", "d_model", 4),
    HPARAM_NEED(".attention.head_count", "n_heads"),
    HPARAM_CALL(add_attention),
    HPARAM_END,
};

static const struct name_edit edits[] = { { EDIT_START, "transformer.", "" }, { 0 } };
static const struct tokenizer_kind *const bpe[] = { &tokenizer_gpt2, NULL };

static const struct hparam bloom_pairs[] = {
    HPARAM_U32(".embedding_length", "hidden_size"),
    HPARAM_U32(".context_length", "seq_length"),
    HPARAM_END,
};

static void say_attention(struct back *w) {
    float bias = 8, clip;
    char text[160], number[32];
    uint64_t keys;
    back_find_f32(w, ".attention.max_alibi_bias", &bias);
    int n = snprintf(text, sizeof text, "{\"alibi\": %s, \"alibi_bias_max\": %.9g",
                     bias > 0 ? "true" : "false", (double)(bias > 0 ? bias : 8));
    if (back_find_u64(w, ".attention.head_count_kv", &keys))
        n += snprintf(text + n, sizeof text - (size_t)n, ", \"kv_n_heads\": %llu",
                      (unsigned long long)keys);
    if (back_find_f32(w, ".attention.clamp_kqv", &clip))
        n += snprintf(text + n, sizeof text - (size_t)n, ", \"clip_qkv\": %s",
                      back_float(number, clip, 9));
    snprintf(text + n, sizeof text - (size_t)n, "}");
    back_raw(w, "attn_config", text);
    back_bool(w, "no_bias", !back_has_tensor(w, "blk.0.ffn_up.bias"));
}

static const struct arch_back bloom_back[] = {
    { "bloom", "BloomForCausalLM", .fields = "seq_length", .pairs = bloom_pairs }, { 0 }
};
static const struct arch_back mpt_back[] = { { "mpt", "MPTForCausalLM", .more = say_attention },
                                             { 0 } };
static const struct arch archs[] = {
    { .gguf = "bloom",
      .back = bloom_back,
      .classes = "BloomForCausalLM BloomModel",
      .edits = edits,
      .rules = bloom_rules,
      .hparams = bloom_hparams,
      .tokenizers = bpe },
    { .gguf = "mpt",
      .back = mpt_back,
      .classes = "MPTForCausalLM",
      .rules = mpt_rules,
      .hparams = mpt_hparams,
      .tokenizers = bpe },
    { 0 },
};

const struct family family_bloom = { classes, archs };
