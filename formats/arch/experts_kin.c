/* SPDX-License-Identifier: Apache-2.0
 * formats/arch/experts_kin.c - decoders with experts in the common form, under names of their own:
 * dots.llm1, Ling and Ring (Bailing), AFMoE (Trinity), MiniMax M2, SmallThinker, Mellum.
 * Source: conversion/dots1.py, bailingmoe.py, afmoe.py, minimax.py, smallthinker.py, mellum.py;
 * configuration_dots1.py, _afmoe.py, _minimax_m2.py, _mellum.py. */
#include "formats/arch/experts_kin.h"
#include "formats/arch/families.h"
#include "formats/tokenizer/tokenizer.h"
#include <errno.h>

static const struct hf_class classes[] = {
    { .model_type = "dots1",
      .defaults = JSON_TEXT({
          "vocab_size" : 152064,
          "hidden_size" : 4608,
          "intermediate_size" : 10944,
          "num_hidden_layers" : 62,
          "num_attention_heads" : 32,
          "num_key_value_heads" : 32,
          "max_position_embeddings" : 2048,
          "rms_norm_eps" : 1e-6,
          "moe_intermediate_size" : 1408,
          "n_shared_experts" : null,
          "n_routed_experts" : null,
          "n_group" : 1,
          "topk_group" : 1,
          "num_experts_per_tok" : null,
          "first_k_dense_replace" : 0,
          "norm_topk_prob" : false,
          "routed_scaling_factor" : 1.0
      }),
      .kinds = "attention_dropout=fin",
      .optional = "num_key_value_heads n_group topk_group first_k_dense_replace norm_topk_prob",
      .rope_theta = 10000,
      .fill = { { "num_key_value_heads", "num_attention_heads", NULL } },
      .rename = { { "num_local_experts", "n_routed_experts" } } },
    { .model_type = "afmoe",
      .defaults = JSON_TEXT({
          "vocab_size" : 200192,
          "hidden_size" : 2048,
          "intermediate_size" : 6144,
          "num_hidden_layers" : 32,
          "num_attention_heads" : 16,
          "num_key_value_heads" : null,
          "head_dim" : 128,
          "max_position_embeddings" : 16384,
          "rms_norm_eps" : 1e-5,
          "moe_intermediate_size" : 1408,
          "num_dense_layers" : 1,
          "num_experts" : 64,
          "num_experts_per_tok" : 6,
          "num_shared_experts" : 2,
          "route_scale" : 1.0,
          "sliding_window" : 1024
      }),
      .kinds = "attention_dropout=fin route_scale=fn sliding_window=in",
      .optional = "head_dim num_dense_layers num_experts num_experts_per_tok num_shared_experts "
                  "route_scale sliding_window",
      .rope_theta = 10000,
      .fill = { { "num_key_value_heads", "num_attention_heads", NULL } } },
    { .model_type = "minimax_m2",
      .defaults = JSON_TEXT({
          "vocab_size" : 200064,
          "hidden_size" : 3072,
          "intermediate_size" : 1536,
          "num_hidden_layers" : 62,
          "num_attention_heads" : 48,
          "num_key_value_heads" : 8,
          "head_dim" : 128,
          "max_position_embeddings" : 196608,
          "rms_norm_eps" : 1e-6,
          "num_experts_per_tok" : 8,
          "num_local_experts" : 256
      }),
      .rope_theta = 5000000,
      .rename = { { "num_experts", "num_local_experts" } } },
    { .model_type = "mellum",
      .defaults = JSON_TEXT({
          "vocab_size" : 98304,
          "hidden_size" : 2304,
          "intermediate_size" : 7168,
          "num_hidden_layers" : 28,
          "num_attention_heads" : 32,
          "num_key_value_heads" : 4,
          "head_dim" : 128,
          "max_position_embeddings" : 131072,
          "rms_norm_eps" : 1e-6,
          "moe_intermediate_size" : 896,
          "num_experts_per_tok" : 8,
          "num_local_experts" : 64,
          "sliding_window" : 1024
      }),
      .optional = "sliding_window num_local_experts",
      .rope_theta = 500000,
      .local_theta = 10000,
      .rename = { { "num_experts", "num_local_experts" } } },
    { 0 },
};

/* dots.llm1, Mellum: Qwen's names. */
static const struct tensor_rule rules[] = {
    DECODER_ENDS,     DECODER_NORMS, DECODER_ATTENTION(OP_SAME, OP_SAME),
    DECODER_QK_NORMS, DECODER_MLP,   DECODER_MOE("mlp.experts", "mlp.shared_experts"),
    RULES_END,
};

#define BAILING_BLOCK                                                                      \
    SAME("model.word_embeddings", "token_embd"), SAME("model.embed_tokens", "token_embd"), \
        DECODER_NORMS, SAME("model.norm", "output_norm"),                                  \
        SAME("model.layers.#.attention.dense", "blk.#.attn_output"), DECODER_MLP

static const struct tensor_rule bailing_rules[] = {
    BAILING_BLOCK,
    { "lm_head", "output", OP_OWN, NULL },
    { "model.layers.#.attention.query_key_value", "blk.#.attn_q", OP_OWN, "qkv" },
    { "model.layers.#.attention.query_key_value", "blk.#.attn_k", OP_DROP, NULL }, /* with it */
    { "model.layers.#.attention.query_key_value", "blk.#.attn_v", OP_DROP, NULL },
    DECODER_MOE("mlp.experts", "mlp.shared_experts"),
    RULES_END,
};

static const struct tensor_rule bailing2_rules[] = {
    BAILING_BLOCK,
    SAME("lm_head", "output"),
    SAME("model.layers.#.attention.query_key_value", "blk.#.attn_qkv"),
    SAME("model.layers.#.attention.query_layernorm", "blk.#.attn_q_norm"),
    SAME("model.layers.#.attention.key_layernorm", "blk.#.attn_k_norm"),
    SAME("model.layers.#.mlp.gate.expert_bias", "blk.#.exp_probs_b"),
    DECODER_MOE("mlp.experts", "mlp.shared_experts"),
    SAME("model.layers.#.final_layernorm", "blk.#.layer_output_norm"),
    DECODER_MTP,
    RULES_END,
};

static const struct tensor_rule afmoe_rules[] = {
    DECODER_ENDS,
    SAME("model.layers.#.input_layernorm", "blk.#.attn_norm"),
    SAME("model.layers.#.post_attention_layernorm", "blk.#.post_attention_norm"),
    SAME("model.layers.#.pre_mlp_layernorm", "blk.#.ffn_norm"),
    SAME("model.layers.#.post_mlp_layernorm", "blk.#.post_ffw_norm"),
    DECODER_ATTENTION(OP_SAME, OP_SAME),
    DECODER_QK_NORMS,
    SAME("model.layers.#.self_attn.gate_proj", "blk.#.attn_gate"),
    DECODER_MLP,
    SAME("model.layers.#.mlp.router.gate", "blk.#.ffn_gate_inp"),
    SAME("model.layers.#.mlp.expert_bias", "blk.#.exp_probs_b"),
    { "model.layers.#.mlp.experts.*.gate_proj", "blk.#.ffn_gate_exps", OP_EXPERT, NULL },
    { "model.layers.#.mlp.experts.*.up_proj", "blk.#.ffn_up_exps", OP_EXPERT, NULL },
    { "model.layers.#.mlp.experts.*.down_proj", "blk.#.ffn_down_exps", OP_EXPERT, NULL },
    DECODER_SHARED("mlp.shared_experts"),
    RULES_END,
};

static const struct tensor_rule minimax_rules[] = {
    DECODER_ENDS,
    DECODER_NORMS,
    DECODER_ATTENTION(OP_SAME, OP_SAME),
    DECODER_QK_NORMS,
    SAME("model.layers.#.block_sparse_moe.gate", "blk.#.ffn_gate_inp"),
    SAME("model.layers.#.block_sparse_moe.e_score_correction", "blk.#.exp_probs_b"),
    { "model.layers.#.block_sparse_moe.experts.*.w1", "blk.#.ffn_gate_exps", OP_EXPERT, NULL },
    { "model.layers.#.block_sparse_moe.experts.*.w2", "blk.#.ffn_down_exps", OP_EXPERT, NULL },
    { "model.layers.#.block_sparse_moe.experts.*.w3", "blk.#.ffn_up_exps", OP_EXPERT, NULL },
    RULES_END,
};

static const struct tensor_rule smallthinker_rules[] = {
    DECODER_ENDS,
    DECODER_NORMS,
    DECODER_ATTENTION(OP_SAME, OP_SAME),
    SAME("model.layers.#.block_sparse_moe.primary_router", "blk.#.ffn_gate_inp"),
    { "model.layers.#.block_sparse_moe.experts.*.down", "blk.#.ffn_down_exps", OP_EXPERT, NULL },
    { "model.layers.#.block_sparse_moe.experts.*.gate", "blk.#.ffn_gate_exps", OP_EXPERT, NULL },
    { "model.layers.#.block_sparse_moe.experts.*.up", "blk.#.ffn_up_exps", OP_EXPERT, NULL },
    RULES_END,
};

/* Queries, keys and values one below the other, in Llama's order of rows; an output that is divided
 * by the norms of its columns is not made, for it would need all of them at once. */
static int own_bailing(struct arch_work *w, const struct tensor *t, const struct tensor_rule *rule,
                       const struct name_match *match) {
    struct arena *a = w->form->arena;
    uint64_t dim;
    if (!rule->second && hf_config_bool(&w->config, "norm_head", false))
        return err_set(w->err, -ENOTSUP, "config.json: \"norm_head\" is not converted");
    if (!rule->second)
        return work_target(w, name_build(a, rule->gguf, match), t->dims, t->n_dims,
                           expr_tensor(a, t));
    int rc = decoder_head_dim(w, &dim);
    const uint64_t q = w->n_head * dim, kv = w->n_head_kv * dim;
    if (rc == 0 && (t->n_dims != 2 || dim < 2 || dim % 2 || dim > UINT16_MAX || !kv ||
                    t->dims[0] != q + 2 * kv))
        rc = err_set(w->err, -EBADMSG, "tensor %.*s: its rows are not those of config.json's heads",
                     STR_ARG(t->name));
    if (rc < 0)
        return rc;
    static const char *const names[] = { "blk.#.attn_q", "blk.#.attn_k", "blk.#.attn_v" };
    const uint64_t starts[] = { 0, q, q + kv }, counts[] = { q, kv, kv };
    for (int i = 0; i < 3 && rc == 0; i++) {
        const uint64_t dims[2] = { counts[i], t->dims[1] };
        const struct expr *e = expr_slice(a, expr_tensor(a, t), starts[i], counts[i]);
        rc = work_target(w, name_build(a, names[i], match), dims, 2,
                         i < 2 ? expr_swap(a, e, 2, dim / 2) : e);
    }
    return rc;
}

static int add_scale_one(struct arch_work *w) {
    return work_f32(w, ".expert_weights_scale", 1);
}

/* The width of the shared expert; else of that many experts. */
static int add_shared_width(struct arch_work *w) {
    uint64_t width;
    int rc = hf_config_u64(&w->config, "moe_shared_expert_intermediate_size", &width, w->err);
    if (rc == 0)
        return decoder_shared_width(w);
    return rc < 0 ? rc : work_u32(w, ".expert_shared_feed_forward_length", width);
}

static const struct hparam dots1_hparams[] = {
    HPARAM_LIST(hparams_text),
    HPARAM_U32(".expert_feed_forward_length", "moe_intermediate_size"),
    HPARAM_U32(".expert_shared_feed_forward_length", "shared_expert_intermediate_size"),
    HPARAM_NEED(".leading_dense_block_count", "first_k_dense_replace"),
    HPARAM_NEED(".expert_shared_count", "n_shared_experts"),
    HPARAM_F32(".expert_weights_scale", "routed_scaling_factor"),
    HPARAM_BOOL(".expert_weights_norm", "norm_topk_prob"),
    HPARAM_END,
};

static const struct hparam bailing_hparams[] = {
    HPARAM_LIST(hparams_text),
    HPARAM_CALL(decoder_rope_dimension),
    HPARAM_NEED(".leading_dense_block_count", "first_k_dense_replace"),
    HPARAM_NEED(".vocab_size", "vocab_size"),
    HPARAM_NEED(".expert_feed_forward_length", "moe_intermediate_size"),
    HPARAM_CALL(add_scale_one),
    HPARAM_NEED(".expert_shared_count", "num_shared_experts"),
    HPARAM_BOOL(".expert_weights_norm", "norm_topk_prob"),
    HPARAM_END,
};

static const struct hparam bailing2_hparams[] = {
    HPARAM_LIST(hparams_text),
    HPARAM_CALL(decoder_half_rope),
    HPARAM_NEED(".leading_dense_block_count", "first_k_dense_replace"),
    HPARAM_NEED(".vocab_size", "vocab_size"),
    HPARAM_NEED(".expert_feed_forward_length", "moe_intermediate_size"),
    HPARAM_CALL(add_shared_width),
    HPARAM_F32(".expert_weights_scale", "routed_scaling_factor"),
    HPARAM_NEED(".expert_shared_count", "num_shared_experts"),
    HPARAM_BOOL(".expert_weights_norm", "norm_topk_prob"),
    HPARAM_CALL(hparam_mtp_blocks),
    HPARAM_END,
};

static const struct hparam afmoe_hparams[] = {
    HPARAM_LIST(hparams_text),
    HPARAM_NEED(".vocab_size", "vocab_size"),
    HPARAM_CALL(decoder_rope_dimension),
    HPARAM_U32(".expert_shared_count", "num_shared_experts"),
    HPARAM_U32(".expert_feed_forward_length", "moe_intermediate_size"),
    HPARAM_U32(".leading_dense_block_count", "num_dense_layers"),
    HPARAM_BOOL(".expert_weights_norm", "route_norm"),
    HPARAM_F32(".expert_weights_scale", "route_scale"),
    HPARAM_U32(".attention.sliding_window", "sliding_window"),
    HPARAM_END,
};

static const struct hparam minimax_hparams[] = {
    HPARAM_LIST(hparams_text),
    HPARAM_NEED(".expert_feed_forward_length", "intermediate_size"),
    HPARAM_NEED(".rope.dimension_count", "rotary_dim"),
    HPARAM_END,
};

static int add_gating(struct arch_work *w) {
    return work_u32(w, ".expert_gating_func",
                    hf_config_bool(&w->config, "moe_primary_router_apply_softmax", false)
                        ? EXPERT_GATING_SOFTMAX
                        : EXPERT_GATING_SIGMOID);
}

/* Where any block has one. */
static int add_layout_window(struct arch_work *w) {
    const struct json *layout = hf_config_json(&w->config, "sliding_window_layout");
    uint64_t window, on = 0;
    for (size_t i = 0; i < json_len(layout) && !on; i++)
        if (!json_u64(json_at(layout, i), &on))
            on = 0;
    int rc = on ? hf_config_u64(&w->config, "sliding_window_size", &window, w->err) : 0;
    return rc <= 0 || !window ? (rc < 0 ? rc : 0)
                              : work_u32(w, ".attention.sliding_window", window);
}

static const struct hparam smallthinker_hparams[] = {
    HPARAM_LIST(hparams_text),
    HPARAM_U32(".expert_count", "moe_num_primary_experts"),
    HPARAM_U32(".expert_used_count", "moe_num_active_primary_experts"),
    HPARAM_U32(".expert_feed_forward_length", "moe_ffn_hidden_size"),
    HPARAM_U32(".feed_forward_length", "moe_ffn_hidden_size"),
    HPARAM_CALL(add_gating),
    HPARAM_CALL(add_layout_window),
    HPARAM_END,
};

static int add_mellum_window(struct arch_work *w) {
    uint64_t window;
    if (!hf_config_bool(&w->config, "use_sliding_window", true))
        return 0;
    int rc = hf_config_u64(&w->config, "sliding_window", &window, w->err);
    if (rc <= 0)
        return rc;
    rc = work_u32(w, ".attention.sliding_window", window);
    return rc < 0 ? rc : decoder_window_pattern(w, 0);
}

static const struct hparam mellum_hparams[] = {
    HPARAM_LIST(hparams_text),
    HPARAM_U32(".expert_feed_forward_length", "moe_intermediate_size"),
    HPARAM_CALL(add_mellum_window),
    HPARAM_END,
};

static const struct name_edit bias_edits[] = { { EDIT_END, ".expert_bias", ".expert_bias.bias" },
                                               { 0 } };
static const struct name_edit bias_end[] = { { EDIT_END, ".expert_bias.bias", ".expert_bias" },
                                             { 0 } };
static const struct tokenizer_kind *const bpe[] = { &tokenizer_gpt2, NULL };
static const struct tokenizer_kind *const llama[] = { &tokenizer_spm, &tokenizer_llama_json,
                                                      &tokenizer_gpt2, NULL };

#define EXPERTS .experts = "num_local_experts num_experts"

static const struct arch archs[] = {
    { .gguf = "dots1",
      .back = dots1_back,
      .classes = "Dots1ForCausalLM",
      .rules = rules,
      .hparams = dots1_hparams,
      .experts = "n_routed_experts",
      .tokenizers = bpe },
    { .gguf = "bailingmoe",
      .back = bailing_back,
      .classes = "BailingMoeForCausalLM",
      .rules = bailing_rules,
      .own = own_bailing,
      .own_back = reverse_pack,
      .hparams = bailing_hparams,
      EXPERTS,
      .tokenizers = bpe },
    { .gguf = "bailingmoe2",
      .back = bailing2_back,
      .classes = "BailingMoeV2ForCausalLM",
      .edits = bias_edits,
      .back_edits = bias_end,
      .rules = bailing2_rules,
      .hparams = bailing2_hparams,
      EXPERTS,
      .mtp = "num_nextn_predict_layers",
      .tokenizers = bpe },
    { .gguf = "afmoe",
      .back = afmoe_back,
      .classes = "AfmoeForCausalLM",
      .edits = bias_edits,
      .back_edits = bias_end,
      .rules = afmoe_rules,
      .hparams = afmoe_hparams,
      EXPERTS,
      .tokenizers = llama,
      .extra = decoder_llama_freqs,
      .vocab = decoder_space_prefix,
      .after = decoder_llama_exceptions },
    { .gguf = "minimax-m2",
      .back = minimax_back,
      .classes = "MiniMaxM2ForCausalLM",
      .rules = minimax_rules,
      .hparams = minimax_hparams,
      EXPERTS,
      .tokenizers = bpe },
    { .gguf = "smallthinker",
      .back = smallthinker_back,
      .classes = "SmallThinkerForCausalLM",
      .rules = smallthinker_rules,
      .hparams = smallthinker_hparams,
      .experts = "moe_num_primary_experts num_local_experts num_experts",
      .tokenizers = bpe },
    { .gguf = "mellum",
      .back = mellum_back,
      .classes = "MellumForCausalLM",
      .rules = rules,
      .hparams = mellum_hparams,
      EXPERTS,
      .tokenizers = bpe },
    { 0 },
};

const struct family family_experts_kin = { classes, archs };
