/* SPDX-License-Identifier: Apache-2.0
 * formats/arch/gpt.c - GPT-2, StarCoder and StarCoder 2. Source: conversion/gpt2.py,
 * starcoder.py; configuration_gpt2.py, _gpt_bigcode.py, _starcoder2.py. */
#include "formats/arch/back.h"
#include "formats/arch/families.h"
#include "formats/arch/work.h"
#include "formats/tokenizer/tokenizer.h"

static const struct hf_class classes[] = {
    { .model_type = "gpt2",
      .defaults = JSON_TEXT({
          "vocab_size" : 50257,
          "n_positions" : 1024,
          "n_embd" : 768,
          "n_layer" : 12,
          "n_head" : 12,
          "n_inner" : null,
          "layer_norm_epsilon" : 1e-5
      }),
      .rename = { { "hidden_size", "n_embd" },
                  { "max_position_embeddings", "n_positions" },
                  { "num_attention_heads", "n_head" },
                  { "num_hidden_layers", "n_layer" } } },
    { .model_type = "gpt_bigcode",
      .defaults = JSON_TEXT({
          "vocab_size" : 50257,
          "n_positions" : 1024,
          "n_embd" : 768,
          "n_layer" : 12,
          "n_head" : 12,
          "n_inner" : null,
          "layer_norm_epsilon" : 1e-5
      }),
      .rename = { { "hidden_size", "n_embd" },
                  { "max_position_embeddings", "n_positions" },
                  { "num_attention_heads", "n_head" },
                  { "num_hidden_layers", "n_layer" } } },
    { .model_type = "starcoder2",
      .defaults = JSON_TEXT({
          "vocab_size" : 49152,
          "hidden_size" : 3072,
          "intermediate_size" : 12288,
          "num_hidden_layers" : 30,
          "num_attention_heads" : 24,
          "num_key_value_heads" : 2,
          "max_position_embeddings" : 4096,
          "norm_epsilon" : 1e-5
      }),
      .rope_theta = 10000 },
    { 0 },
};

#define GPT2_RULES(p, op)                                                                  \
    { p "wte", "token_embd", OP_SAME, NULL }, { p "wpe", "position_embd", OP_SAME, NULL }, \
        { p "ln_f", "output_norm", OP_SAME, NULL },                                        \
        { p "h.#.ln_1", "blk.#.attn_norm", OP_SAME, NULL },                                \
        { p "h.#.ln_2", "blk.#.ffn_norm", OP_SAME, NULL },                                 \
        { p "h.#.attn.c_attn", "blk.#.attn_qkv", op, NULL },                               \
        { p "h.#.attn.c_proj", "blk.#.attn_output", op, NULL },                            \
        { p "h.#.mlp.c_fc", "blk.#.ffn_up", op, NULL },                                    \
        { p "h.#.mlp.c_proj", "blk.#.ffn_down", op, NULL }, {                              \
        p "h.#.attn", NULL, OP_DROP, NULL                                                  \
    } /* "attn.bias": the causal mask, a buffer */

static const struct tensor_rule gpt2_rules[] = {
    GPT2_RULES("",
               OP_TRANSPOSE), /* as openai-community/gpt2 has them, so the names of the way back */
    GPT2_RULES("transformer.", OP_TRANSPOSE),
    { "lm_head", "output", OP_SAME, NULL },
    { 0 },
};

static const struct tensor_rule starcoder_rules[] = {
    GPT2_RULES("transformer.", OP_SAME),
    { "lm_head", "output", OP_SAME, NULL },
    { 0 },
};

static const struct tensor_rule starcoder2_rules[] = {
    { "model.embed_tokens", "token_embd", OP_SAME, NULL },
    { "model.norm", "output_norm", OP_SAME, NULL },
    { "lm_head", "output", OP_SAME, NULL },
    { "model.layers.#.input_layernorm", "blk.#.attn_norm", OP_SAME, NULL },
    { "model.layers.#.post_attention_layernorm", "blk.#.ffn_norm", OP_SAME, NULL },
    { "model.layers.#.self_attn.q_proj", "blk.#.attn_q", OP_SAME, NULL },
    { "model.layers.#.self_attn.k_proj", "blk.#.attn_k", OP_SAME, NULL },
    { "model.layers.#.self_attn.v_proj", "blk.#.attn_v", OP_SAME, NULL },
    { "model.layers.#.self_attn.o_proj", "blk.#.attn_output", OP_SAME, NULL },
    { "model.layers.#.mlp.c_fc", "blk.#.ffn_up", OP_SAME, NULL },
    { "model.layers.#.mlp.c_proj", "blk.#.ffn_down", OP_SAME, NULL },
    { 0 },
};

static const struct hparam gpt2_hparams[] = {
    HPARAM_NEED(".block_count", "n_layer"),
    HPARAM_NEED(".context_length", "n_ctx n_positions"), /* transformers 5 writes the latter */
    HPARAM_NEED(".embedding_length", "n_embd"),
    HPARAM_TIMES(".feed_forward_length", "n_embd", 4),
    HPARAM_NEED(".attention.head_count", "n_head"),
    HPARAM_F32(".attention.layer_norm_epsilon", "layer_norm_epsilon"),
    HPARAM_CALL(hparam_file_type),
    HPARAM_END,
};

static const struct hparam starcoder_hparams[] = {
    HPARAM_NEED(".context_length", "n_positions"),
    HPARAM_NEED(".embedding_length", "n_embd"),
    HPARAM_TIMES(".feed_forward_length", "n_embd", 4),
    HPARAM_NEED(".block_count", "n_layer"),
    HPARAM_NEED(".attention.head_count", "n_head"),
    HPARAM_FIXED(".attention.head_count_kv", 1),
    HPARAM_F32(".attention.layer_norm_epsilon", "layer_norm_epsilon"),
    HPARAM_CALL(hparam_file_type),
    HPARAM_END,
};

static const struct tokenizer_kind *const bpe[] = { &tokenizer_gpt2, NULL };

/* Fields of the class by other names, or not written at all. */
static void say_sizes(struct back *w) {
    const struct tensor *up = model_find(w->m, STR("blk.0.ffn_up.weight"));
    uint64_t positions, hidden = 0;
    if (back_find_u64(w, ".context_length", &positions)) {
        back_u64(w, "n_positions", positions);
        back_u64(w, "n_ctx", positions); /* of old, and what the converter asks for */
    }
    back_find_u64(w, ".embedding_length", &hidden);
    if (up && up->n_dims == 2 && up->dims[0] != 4 * hidden)
        back_u64(w, "n_inner", up->dims[0]);
}

static void say_bigcode(struct back *w) {
    say_sizes(w);
    back_bool(w, "multi_query", true);
}

static void say_starcoder2(struct back *w) {
    back_bool(w, "use_bias", back_has_tensor(w, "blk.0.attn_q.bias"));
}

static const struct arch_back gpt2_back[] = { { "gpt2", "GPT2LMHeadModel", .more = say_sizes },
                                              { 0 } };
static const struct arch_back bigcode_back[] = {
    { "gpt_bigcode", "GPTBigCodeForCausalLM", .more = say_bigcode }, { 0 }
};
static const struct arch_back starcoder2_back[] = {
    { "starcoder2", "Starcoder2ForCausalLM", .more = say_starcoder2 }, { 0 }
};

static const struct arch archs[] = {
    { .gguf = "gpt2",
      .classes = "GPT2LMHeadModel",
      .back = gpt2_back,
      .rules = gpt2_rules,
      .hparams = gpt2_hparams,
      .tokenizers = bpe },
    { .gguf = "starcoder",
      .back = bigcode_back,
      .classes = "GPTBigCodeForCausalLM",
      .rules = starcoder_rules,
      .hparams = starcoder_hparams,
      .tokenizers = bpe },
    { .gguf = "starcoder2",
      .back = starcoder2_back,
      .classes = "Starcoder2ForCausalLM",
      .rules = starcoder2_rules,
      .hparams = hparams_text,
      .tokenizers = bpe },
    { 0 },
};

const struct family family_gpt = { classes, archs };
