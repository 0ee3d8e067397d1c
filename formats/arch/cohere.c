/* SPDX-License-Identifier: Apache-2.0
 * formats/arch/cohere.c - Command-R and Command-R7B. Source: conversion/command_r.py;
 * configuration_cohere.py, _cohere2.py. */
#include "formats/arch/back.h"
#include "formats/arch/decoder.h"
#include "formats/arch/families.h"
#include "formats/tokenizer/tokenizer.h"
#include <errno.h>

static const struct hf_class classes[] = {
    { .model_type = "cohere",
      .defaults = JSON_TEXT({
          "vocab_size" : 256000,
          "hidden_size" : 8192,
          "intermediate_size" : 22528,
          "num_hidden_layers" : 40,
          "num_attention_heads" : 64,
          "num_key_value_heads" : null,
          "max_position_embeddings" : 8192,
          "layer_norm_eps" : 1e-5,
          "logit_scale" : 0.0625
      }),
      .kinds = "attention_dropout=fin",
      .optional = "layer_norm_eps logit_scale",
      .rope_theta = 500000,
      .fill = { { "num_key_value_heads", "num_attention_heads", NULL } } },
    { .model_type = "cohere2",
      .defaults = JSON_TEXT({
          "vocab_size" : 256000,
          "hidden_size" : 8192,
          "intermediate_size" : 22528,
          "num_hidden_layers" : 40,
          "num_attention_heads" : 64,
          "num_key_value_heads" : null,
          "max_position_embeddings" : 8192,
          "layer_norm_eps" : 1e-5,
          "logit_scale" : 0.0625,
          "sliding_window" : 4096,
          "head_dim" : null
      }),
      .optional = "sliding_window",
      .rope_theta = 10000,
      .fill = { { "num_key_value_heads", "num_attention_heads", NULL },
                { "head_dim", "hidden_size", "num_attention_heads" } },
      .fill_when = { FILL_NULL, FILL_ABSENT } },
    { .model_type = "cohere2_moe",
      .defaults = JSON_TEXT({
          "vocab_size" : 256000,
          "hidden_size" : 8192,
          "intermediate_size" : 22528,
          "logit_scale" : 0.0625,
          "num_hidden_layers" : 40,
          "num_attention_heads" : 64,
          "num_key_value_heads" : null,
          "head_dim" : 128,
          "max_position_embeddings" : 8192,
          "layer_norm_eps" : 1e-5,
          "rope_theta" : 10000.0,
          "sliding_window" : 4096,
          "num_experts_per_tok" : 2,
          "num_experts" : 8,
          "num_shared_experts" : 0,
          "expert_selection_fn" : "softmax",
          "norm_topk_prob" : true,
          "prefix_dense_intermediate_size" : null
      }),
      .kinds = "rope_theta=fi attention_dropout=f",
      .optional = "sliding_window",
      .rope_theta = 10000,
      .fill = { { "num_key_value_heads", "num_attention_heads", NULL } } },
    { 0 },
};

static const struct tensor_rule rules[] = {
    DECODER_ENDS,
    SAME("model.layers.#.input_layernorm", "blk.#.attn_norm"),
    DECODER_ATTENTION(OP_SAME, OP_SAME),
    DECODER_QK_NORMS,
    DECODER_MLP,
    RULES_END,
};

static int add_rope(struct arch_work *w) {
    double part = 1;
    uint64_t hidden;
    int rc = hf_config_f64(&w->config, "rotary_pct", &part, w->err);
    if (rc >= 0)
        rc = hf_config_need(&w->config, "hidden_size", &hidden, w->err);
    if (rc == 0 && w->n_head && part >= 0 && part <= 16)
        rc = work_u32(w, ".rope.dimension_count", (uint64_t)(part * (double)(hidden / w->n_head)));
    return rc;
}

static const struct hparam cohere_hparams[] = {
    HPARAM_LIST(hparams_text),
    HPARAM_NEED(".context_length", "model_max_length max_position_embeddings"), /* in its place */
    HPARAM_F32(".logit_scale", "logit_scale"),
    HPARAM_TEXT(".rope.scaling.type", "none"),
    HPARAM_END,
};

static const struct hparam cohere2_hparams[] = {
    HPARAM_LIST(hparams_text),
    HPARAM_F32(".logit_scale", "logit_scale"),
    HPARAM_NEED(".attention.sliding_window", "sliding_window"),
    HPARAM_NEED(".vocab_size", "vocab_size"),
    HPARAM_CALL(add_rope),
    HPARAM_TEXT(".rope.scaling.type", "none"),
    HPARAM_END,
};

static const struct tensor_rule moe_rules[] = {
    DECODER_ENDS,
    SAME("model.layers.#.input_layernorm", "blk.#.attn_norm"),
    DECODER_ATTENTION(OP_SAME, OP_SAME),
    DECODER_QK_NORMS,
    DECODER_MLP,
    DECODER_MOE("mlp.experts", "mlp.shared_experts"),
    DECODER_MTP,
    RULES_END,
};

/* The first blocks may have no experts. */
static uint64_t count_dense(const struct arch_work *w) {
    const struct json *types = hf_config_json(&w->config, "mlp_layer_types");
    uint64_t n = 0;
    struct str type;
    if (!json_len(types))
        return hf_config_u64(&w->config, "first_k_dense_replace", &n, NULL) > 0 ? n : 0;
    while (json_str(json_at(types, n), &type) && str_is(type, "dense"))
        n++;
    return n;
}

/* Which blocks look at a window: where config.json does not say, all but every fourth of those with
 * experts. */
static int add_windows(struct arch_work *w) {
    const uint64_t dense = count_dense(w), n = w->n_layer - w->n_mtp;
    uint64_t every = 4, every_dense = 1;
    uint8_t *windows = arena_array(w->form->arena, uint8_t, n + 1);
    if (!windows)
        return work_no_memory(w);
    if (json_len(hf_config_json(&w->config, "layer_types")))
        return decoder_window_pattern(w, 0);
    int rc = hf_config_u64(&w->config, "sliding_window_pattern", &every, w->err);
    if (rc >= 0)
        rc = hf_config_u64(&w->config, "prefix_dense_sliding_window_pattern", &every_dense, w->err);
    for (uint64_t i = 0; i < n; i++) {
        const uint64_t period = i < dense ? every_dense : every;
        windows[i] = period && ((i < dense ? i : i - dense) + 1) % period != 0;
    }
    return rc < 0 || !n ? rc
                        : work_array(w, ".attention.sliding_window_pattern", KV_BOOL, windows, n);
}

static int add_experts(struct arch_work *w) {
    uint64_t width, shared = 0;
    int rc = hf_config_need(&w->config, "intermediate_size", &width, w->err);
    if (rc == 0)
        rc = work_u32(w, ".expert_feed_forward_length", width);
    if (rc == 0)
        rc = work_u32(w, ".leading_dense_block_count", count_dense(w));
    if (rc == 0)
        rc = work_bool(w, ".expert_weights_norm",
                       hf_config_bool(&w->config, "norm_topk_prob", false));
    if (rc == 0)
        rc = hf_config_u64(&w->config, "num_shared_experts", &shared, w->err);
    if (rc < 0 || !shared)
        return rc < 0 ? rc : 0;
    if (shared > UINT16_MAX || width > UINT32_MAX)
        return err_set(w->err, -EBADMSG, "config.json: \"num_shared_experts\" does not fit");
    rc = work_u32(w, ".expert_shared_count", shared);
    return rc < 0 ? rc : work_u32(w, ".expert_shared_feed_forward_length", width * shared);
}

static const struct hparam moe_hparams[] = {
    HPARAM_LIST(hparams_text),
    HPARAM_F32(".logit_scale", "logit_scale"),
    HPARAM_NEED(".attention.sliding_window", "sliding_window"),
    HPARAM_CALL(add_windows),
    HPARAM_NEED(".vocab_size", "vocab_size"),
    HPARAM_CALL(add_experts),
    HPARAM_CALL(hparam_mtp_any),
    HPARAM_NEED(".rope.dimension_count", "head_dim"),
    HPARAM_TEXT(".rope.scaling.type", "none"),
    HPARAM_END,
};

static const struct tokenizer_kind *const bpe[] = { &tokenizer_gpt2, NULL };

static void say_norms(struct back *w) {
    back_bool(w, "use_qk_norm", back_has_tensor(w, "blk.0.attn_q_norm.weight"));
    back_attention_bias(w);
}

static const struct hparam cohere_pairs[] = {
    HPARAM_U32(".context_length", "max_position_embeddings"), HPARAM_END
};
static const struct arch_back cohere_back[] = {
    { "cohere", "CohereForCausalLM", .pairs = cohere_pairs, .more = say_norms }, { 0 }
};
static void say_cohere2(struct back *w) {
    back_attention_bias(w);
    back_window_types(w);
}

static const struct arch_back cohere2_back[] = {
    { "cohere2", "Cohere2ForCausalLM", .more = say_cohere2 }, { 0 }
};

/* Without experts a layer is as wide as the pair says, with them as the experts are. */
static void say_moe(struct back *w) {
    const uint64_t gating = back_count(w, ".expert_gating_func", 0, EXPERT_GATING_SOFTMAX);
    back_attention_bias(w);
    back_windows(w);
    back_mlp_types(w);
    back_shared_experts(w);
    back_u64(w, "intermediate_size", back_count(w, ".expert_feed_forward_length", 0, 0));
    back_raw(w, "expert_selection_fn",
             gating == EXPERT_GATING_SIGMOID ? "\"sigmoid\"" : "\"softmax\"");
    back_bool(w, "norm_topk_prob", back_has_flag(w, ".expert_weights_norm"));
}

static const struct arch_back moe_back[] = {
    { "cohere2_moe", "Cohere2MoeForCausalLM", .fields = "prefix_dense_intermediate_size",
      .more = say_moe },
    { 0 },
};

static const struct arch archs[] = {
    { .gguf = "command-r",
      .back = cohere_back,
      .classes = "CohereForCausalLM",
      .rules = rules,
      .hparams = cohere_hparams,
      .tokenizers = bpe },
    { .gguf = "cohere2",
      .back = cohere2_back,
      .classes = "Cohere2ForCausalLM",
      .skip = ".bias", /* all zero */
      .rules = rules,
      .hparams = cohere2_hparams,
      .tokenizers = bpe },
    { .gguf = "cohere2moe",
      .back = moe_back,
      .classes = "Cohere2MoeForCausalLM",
      .skip = ".bias", /* all zero */
      .rules = moe_rules,
      .hparams = moe_hparams,
      .experts = "num_experts",
      .mtp = "num_nextn_predict_layers",
      .tokenizers = bpe },
    { 0 },
};

const struct family family_cohere = { classes, archs };
