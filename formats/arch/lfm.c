/* SPDX-License-Identifier: Apache-2.0
 * formats/arch/lfm.c - LFM2: short convolutions, and attention in some blocks.
 * Source: conversion/lfm2.py; configuration_lfm2.py. */
#include "formats/arch/back.h"
#include "formats/arch/decoder.h"
#include "formats/arch/families.h"
#include "formats/tokenizer/tokenizer.h"
#include <errno.h>

static const struct hf_class classes[] = {
    { .model_type = "lfm2",
      .defaults = JSON_TEXT({
          "vocab_size" : 65536,
          "hidden_size" : 2560,
          "intermediate_size" : 12288,
          "num_hidden_layers" : 32,
          "num_attention_heads" : 32,
          "num_key_value_heads" : 8,
          "max_position_embeddings" : 128000,
          "norm_eps" : 1e-5,
          "conv_L_cache" : 3,
          "block_multiple_of" : 256,
          "block_ffn_dim_multiplier" : 1.0,
          "block_auto_adjust_ff_dim" : true
      }),
      .kinds = "block_ffn_dim_multiplier=fi",
      .rope_theta = 1000000 },
    { .model_type = "lfm2_moe",
      .defaults = JSON_TEXT({
          "vocab_size" : 65536,
          "hidden_size" : 2048,
          "intermediate_size" : 7168,
          "num_hidden_layers" : 32,
          "num_attention_heads" : 32,
          "num_key_value_heads" : 8,
          "max_position_embeddings" : 128000,
          "norm_eps" : 1e-5,
          "conv_L_cache" : 3,
          "moe_intermediate_size" : 1792,
          "num_dense_layers" : 2,
          "num_experts_per_tok" : 4,
          "num_experts" : 32
      }),
      .rope_theta = 1000000 },
    { 0 },
};

static const struct tensor_rule rules[] = {
    SAME("model.embed_tokens", "token_embd"),
    SAME("model.embedding_norm", "token_embd_norm"),
    SAME("lm_head", "output"),
    SAME("model.layers.#.operator_norm", "blk.#.attn_norm"),
    SAME("model.layers.#.ffn_norm", "blk.#.ffn_norm"),
    { "model.layers.#.conv.conv", "blk.#.shortconv.conv", OP_SQUEEZE, NULL },
    SAME("model.layers.#.conv.in_proj", "blk.#.shortconv.in_proj"),
    SAME("model.layers.#.conv.out_proj", "blk.#.shortconv.out_proj"),
    SAME("model.layers.#.self_attn.q_proj", "blk.#.attn_q"),
    SAME("model.layers.#.self_attn.k_proj", "blk.#.attn_k"),
    SAME("model.layers.#.self_attn.v_proj", "blk.#.attn_v"),
    SAME("model.layers.#.self_attn.out_proj", "blk.#.attn_output"),
    SAME("model.layers.#.self_attn.q_layernorm", "blk.#.attn_q_norm"),
    SAME("model.layers.#.self_attn.k_layernorm", "blk.#.attn_k_norm"),
    SAME("model.layers.#.feed_forward.w1", "blk.#.ffn_gate"),
    SAME("model.layers.#.feed_forward.w2", "blk.#.ffn_down"),
    SAME("model.layers.#.feed_forward.w3", "blk.#.ffn_up"),
    SAME("model.layers.#.feed_forward.gate", "blk.#.ffn_gate_inp"),
    SAME("model.layers.#.feed_forward.expert_bias", "blk.#.exp_probs_b"),
    { "model.layers.#.feed_forward.experts.*.w1", "blk.#.ffn_gate_exps", OP_EXPERT, NULL },
    { "model.layers.#.feed_forward.experts.*.w2", "blk.#.ffn_down_exps", OP_EXPERT, NULL },
    { "model.layers.#.feed_forward.experts.*.w3", "blk.#.ffn_up_exps", OP_EXPERT, NULL },
    RULES_END,
};

/* Blocks with a convolution have no keys. They are named by "layer_types", of old by
 * "full_attn_idxs", the list of the others. */
static int add_keys(struct arch_work *w) {
    const struct json *types = hf_config_json(&w->config, "layer_types");
    const struct json *full = hf_config_json(&w->config, "full_attn_idxs");
    int32_t *counts = arena_array(w->form->arena, int32_t, w->n_layer + 1);
    if (!counts)
        return work_no_memory(w);
    for (uint64_t i = 0; i < w->n_layer; i++) {
        struct str type;
        bool conv = types ? json_str(json_at(types, i), &type) && str_is(type, "conv")
                          : json_type(full) == JSON_ARRAY;
        for (size_t k = 0; !types && conv && k < json_len(full); k++) {
            uint64_t at;
            conv = !(json_u64(json_at(full, k), &at) && at == i);
        }
        counts[i] = conv ? 0 : (int32_t)w->n_head_kv;
    }
    return w->n_layer ? work_array(w, ".attention.head_count_kv", KV_I32, counts, w->n_layer) : 0;
}

/* The size that the model's code makes of the one in config.json. */
static int add_inner(struct arch_work *w) {
    uint64_t n, multiple = 256;
    double factor;
    int rc = hf_config_need(&w->config, "block_ff_dim intermediate_size", &n, w->err);
    if (rc < 0 || !hf_config_bool(&w->config, "block_auto_adjust_ff_dim", true))
        return rc < 0 ? rc : work_u32(w, ".feed_forward_length", n);
    n = 2 * n / 3;
    rc = hf_config_f64(&w->config, "block_ffn_dim_multiplier", &factor, w->err);
    if (rc > 0 && factor >= 0 && factor <= 1024)
        n = (uint64_t)(factor * (double)n);
    if (rc >= 0)
        rc = hf_config_u64(&w->config, "block_multiple_of", &multiple, w->err);
    if (rc >= 0 && (!multiple || multiple > UINT32_MAX || n > UINT32_MAX))
        rc = err_set(w->err, -EBADMSG, "config.json: \"block_multiple_of\" does not fit");
    return rc < 0 ? rc
                  : work_u32(w, ".feed_forward_length", (n + multiple - 1) / multiple * multiple);
}

static const struct hparam hparams[] = {
    HPARAM_LIST(hparams_text),
    HPARAM_CALL(add_keys),
    HPARAM_NEED(".vocab_size", "vocab_size"),
    HPARAM_NEED(".shortconv.l_cache", "conv_L_cache"),
    HPARAM_F32(".attention.layer_norm_rms_epsilon", "norm_eps"),
    HPARAM_CALL(add_inner),
    HPARAM_END,
};

static const struct hparam moe_hparams[] = {
    HPARAM_LIST(hparams_text),
    HPARAM_CALL(add_keys),
    HPARAM_NEED(".expert_feed_forward_length", "moe_intermediate_size"),
    HPARAM_NEED(".leading_dense_block_count", "num_dense_layers"),
    HPARAM_FIXED(".expert_gating_func", EXPERT_GATING_SIGMOID),
    HPARAM_NEED(".vocab_size", "vocab_size"),
    HPARAM_NEED(".shortconv.l_cache", "conv_L_cache"),
    HPARAM_END,
};

/* As an encoder. */
static int add_encoder(struct arch_work *w) {
    int rc = str_is(w->class_name, "Lfm2BidirectionalModel")
                 ? work_bool(w, ".attention.causal", false)
                 : 0;
    if (rc == 0 && folder_has(w->folder, "1_Dense/model.safetensors"))
        rc = err_set(w->err, -ENOTSUP, "1_Dense/model.safetensors: dense layers are not converted");
    return rc < 0 ? rc : hparam_pooling(w);
}

static const struct hparam encoder_hparams[] = {
    HPARAM_LIST(hparams),
    HPARAM_CALL(add_encoder),
    HPARAM_END,
};

static const struct name_edit moe_edits[] = { { EDIT_END, ".expert_bias", ".expert_bias.bias" },
                                              { 0 } };
static const struct name_edit bias_back[] = { { EDIT_END, ".expert_bias.bias", ".expert_bias" },
                                              { 0 } };
static const struct name_edit encoder_edits[] = { { EDIT_START, "", "model." }, { 0 } };
static const struct name_edit edits[] = { { EDIT_ANYWHERE, "lfm.", "model." }, { 0 } };
static const struct tokenizer_kind *const bpe[] = { &tokenizer_gpt2, NULL };

/* Blocks without keys have a convolution. */
static const char *block_type(const struct back *w, uint64_t block) {
    return back_count(w, ".attention.head_count_kv", block, 0) ? "\"full_attention\"" : "\"conv\"";
}

static void say_blocks(struct back *w) {
    const uint64_t blocks = back_blocks(w);
    uint64_t keys = 0, conv = 0;
    for (uint64_t i = 0; i < blocks && !keys; i++)
        keys = back_count(w, ".attention.head_count_kv", i, 0);
    while (conv < blocks && back_count(w, ".attention.head_count_kv", conv, 0))
        conv++;
    back_list(w, "layer_types", block_type);
    back_u64(w, "num_key_value_heads", keys);
    back_bool(w, "conv_bias", back_block_has(w, conv, "shortconv.conv.bias"));
}

static void say_dense(struct back *w) {
    say_blocks(w);
    back_bool(w, "block_auto_adjust_ff_dim", false);
}

static void say_moe(struct back *w) {
    say_blocks(w);
    back_bool(
        w, "use_expert_bias",
        back_block_has(w, back_count(w, ".leading_dense_block_count", 0, 0), "exp_probs_b.bias"));
}

static const struct arch_back back[] = { { "lfm2", "Lfm2ForCausalLM", .more = say_dense }, { 0 } };
static const struct arch_back moe_back[] = { { "lfm2_moe", "Lfm2MoeForCausalLM", .more = say_moe },
                                             { 0 } };

static const struct arch archs[] = {
    { .gguf = "lfm2",
      .back = back,
      .classes = "Lfm2ForCausalLM LFM2ForCausalLM",
      .edits = edits,
      .rules = rules,
      .hparams = hparams,
      .tokenizers = bpe },
    { .gguf = "lfm2",
      .classes = "Lfm2Model Lfm2BidirectionalModel",
      .edits = encoder_edits,
      .rules = rules,
      .hparams = encoder_hparams,
      .tokenizers = bpe },
    { .gguf = "lfm2moe",
      .classes = "Lfm2MoeForCausalLM",
      .edits = moe_edits,
      .back = moe_back,
      .back_edits = bias_back,
      .rules = rules,
      .hparams = moe_hparams,
      .experts = "num_local_experts num_experts",
      .tokenizers = bpe },
    { 0 },
};

const struct family family_lfm = { classes, archs };
