/* SPDX-License-Identifier: Apache-2.0
 * formats/arch/exaone.c - EXAONE 3 and 4, K-EXAONE with experts. Source: conversion/exaone.py;
 * configuration_exaone4.py, _exaone_moe.py. */
#include "formats/arch/back.h"
#include "formats/arch/decoder.h"
#include "formats/arch/families.h"
#include "formats/tokenizer/tokenizer.h"
#include <errno.h>

static const struct hf_class classes[] = {
    { .model_type = "exaone4",
      .defaults = JSON_TEXT({
          "vocab_size" : 102400,
          "hidden_size" : 4096,
          "intermediate_size" : 16384,
          "num_hidden_layers" : 32,
          "num_attention_heads" : 32,
          "num_key_value_heads" : 32,
          "max_position_embeddings" : 2048,
          "rms_norm_eps" : 1e-5,
          "sliding_window" : 4096
      }),
      .kinds = "num_key_value_heads=i",
      .optional = "sliding_window",
      .rope_theta = 10000,
      .fill = { { "num_key_value_heads", "num_attention_heads", NULL } } },
    { .model_type = "exaone_moe",
      .defaults = JSON_TEXT({
          "vocab_size" : 102400,
          "hidden_size" : 4096,
          "intermediate_size" : 16384,
          "num_hidden_layers" : 32,
          "num_attention_heads" : 32,
          "num_key_value_heads" : 32,
          "max_position_embeddings" : 2048,
          "rms_norm_eps" : 1e-5,
          "sliding_window" : 4096,
          "first_k_dense_replace" : 1,
          "moe_intermediate_size" : 1024,
          "num_experts" : 64,
          "num_experts_per_tok" : 8,
          "num_shared_experts" : 1,
          "norm_topk_prob" : true,
          "routed_scaling_factor" : 2.5,
          "n_group" : 1,
          "topk_group" : 1
      }),
      .rope_theta = 10000 },
    { 0 },
};

static const struct tensor_rule exaone4_rules[] = {
    DECODER_ENDS,
    DECODER_ATTENTION(OP_SAME, OP_SAME),
    DECODER_QK_NORMS,
    DECODER_MLP,
    SAME("model.layers.#.post_attention_layernorm", "blk.#.post_attention_norm"),
    SAME("model.layers.#.post_feedforward_layernorm", "blk.#.post_ffw_norm"),
    DECODER_MTP, /* EXAONE 4.5 */
    RULES_END,
};

static const struct tensor_rule moe_rules[] = {
    DECODER_ENDS,
    DECODER_NORMS,
    DECODER_ATTENTION(OP_SAME, OP_SAME),
    DECODER_QK_NORMS,
    DECODER_MLP,
    SAME("model.layers.#.mlp.e_score_correction", "blk.#.exp_probs_b"),
    DECODER_MOE("mlp.experts", "mlp.shared_experts"),
    DECODER_MTP,
    RULES_END,
};

static const struct tensor_rule exaone_rules[] = {
    SAME("transformer.wte", "token_embd"),
    SAME("transformer.ln_f", "output_norm"),
    SAME("lm_head", "output"),
    SAME("transformer.h.#.ln_1", "blk.#.attn_norm"),
    SAME("transformer.h.#.ln_2", "blk.#.ffn_norm"),
    SAME("transformer.h.#.attn.attention.q_proj", "blk.#.attn_q"),
    SAME("transformer.h.#.attn.attention.k_proj", "blk.#.attn_k"),
    SAME("transformer.h.#.attn.attention.v_proj", "blk.#.attn_v"),
    SAME("transformer.h.#.attn.attention.out_proj", "blk.#.attn_output"),
    SAME("transformer.h.#.mlp.c_fc_0", "blk.#.ffn_gate"),
    SAME("transformer.h.#.mlp.c_fc_1", "blk.#.ffn_up"),
    SAME("transformer.h.#.mlp.c_proj", "blk.#.ffn_down"),
    RULES_END,
};

/* Which blocks look at a window: "layer_types", else every block but one in
 * "sliding_window_pattern" ("LLLG", or 4). */
static int add_window(struct arch_work *w) {
    const struct json *types = hf_config_json(&w->config, "layer_types");
    const struct json *pattern = hf_config_json(&w->config, "sliding_window_pattern");
    uint64_t window, every = 4;
    struct str letters = { NULL, 0 };
    int rc = hf_config_u64(&w->config, "sliding_window", &window, w->err);
    if (rc <= 0)
        return rc;
    rc = work_u32(w, ".attention.sliding_window", window);
    (void)json_u64(pattern, &every);
    if (rc < 0 || json_len(types) || !json_str(pattern, &letters) || !letters.n)
        return rc < 0 ? rc : decoder_window_pattern(w, every);
    uint8_t *windows = arena_array(w->form->arena, uint8_t, w->n_layer + 1);
    if (!windows)
        return work_no_memory(w);
    for (uint64_t i = 0; i < w->n_layer; i++)
        windows[i] = letters.p[i % letters.n] == 'L';
    return w->n_layer
               ? work_array(w, ".attention.sliding_window_pattern", KV_BOOL, windows, w->n_layer)
               : 0;
}

static int add_freqs4(struct arch_work *w) {
    return decoder_rope_freqs(w, 16);
}

static int add_freqs(struct arch_work *w) {
    return decoder_rope_freqs(w, 8);
}

static const struct hparam exaone4_hparams[] = {
    HPARAM_LIST(hparams_text),
    HPARAM_NEED(".vocab_size", "vocab_size"),
    HPARAM_CALL(add_window),
    HPARAM_END,
};

static int add_mtp_count(struct arch_work *w) {
    return work_u32(w, ".nextn_predict_layers", w->n_mtp);
}

static const struct hparam moe_hparams[] = {
    HPARAM_LIST(exaone4_hparams),
    HPARAM_NEED(".expert_feed_forward_length", "moe_intermediate_size"),
    HPARAM_NEED(".expert_shared_count", "num_shared_experts"),
    HPARAM_CALL(decoder_shared_width),
    HPARAM_F32(".expert_weights_scale", "routed_scaling_factor"),
    HPARAM_BOOL(".expert_weights_norm", "norm_topk_prob"),
    HPARAM_NEED(".leading_dense_block_count", "first_k_dense_replace first_last_k_dense_replace"),
    HPARAM_CALL(add_mtp_count),
    HPARAM_TEXT(".rope.scaling.type", "none"),
    HPARAM_END,
};

static const struct hparam mtp_hparams[] = {
    HPARAM_LIST(exaone4_hparams),
    HPARAM_CALL(hparam_mtp_any),
    HPARAM_END,
};

static const struct hparam exaone_hparams[] = {
    HPARAM_LIST(hparams_text),
    HPARAM_CALL(decoder_partial_rope),
    HPARAM_END,
};

static const struct tokenizer_kind *const bpe[] = { &tokenizer_gpt2, NULL };

static const struct arch_back exaone4_back[] = {
    { "exaone4", "Exaone4ForCausalLM", .more = back_windows }, { 0 }
};
static void say_exaone(struct back *w) {
    back_raw(w, "activation_function", "\"silu\""); /* llama.cpp's converter wants it said */
}

static const struct arch_back exaone_back[] = {
    { "exaone", "ExaoneForCausalLM", .more = say_exaone,
      .fields = "num_layers max_position_embeddings hidden_size intermediate_size "
                "num_attention_heads num_key_value_heads layer_norm_epsilon head_dim rope_theta" },
    { 0 },
};

static const struct arch_back moe_back[] = {
    { "exaone_moe", "ExaoneMoeForCausalLM", .fields = "head_dim", .more = back_windows }, { 0 }
};

static const struct arch archs[] = {
    { .gguf = "exaone4",
      .back = exaone4_back,
      .classes = "Exaone4ForCausalLM",
      .rules = exaone4_rules,
      .hparams = exaone4_hparams,
      .tokenizers = bpe,
      .extra = add_freqs4 },
    { .gguf = "exaone4",
      .classes = "Exaone4_5_ForConditionalGeneration",
      .rename = decoder_rename_mtp,
      .rules = exaone4_rules,
      .hparams = mtp_hparams,
      .mtp = "num_nextn_predict_layers",
      .tokenizers = bpe,
      .extra = add_freqs4 },
    { .gguf = "exaone-moe",
      .back = moe_back,
      .classes = "ExaoneMoEForCausalLM ExaoneMoeForCausalLM",
      .rename = decoder_rename_mtp,
      .back_rename = decoder_back_mtp,
      .rules = moe_rules,
      .hparams = moe_hparams,
      .experts = "num_local_experts num_experts",
      .mtp = "num_nextn_predict_layers",
      .tokenizers = bpe,
      .extra = add_freqs4 },
    { .gguf = "exaone",
      .back = exaone_back,
      .classes = "ExaoneForCausalLM",
      .rules = exaone_rules,
      .hparams = exaone_hparams,
      .tokenizers = bpe,
      .extra = add_freqs },
    { 0 },
};

const struct family family_exaone = { classes, archs };
