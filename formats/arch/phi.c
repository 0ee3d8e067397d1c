/* SPDX-License-Identifier: Apache-2.0
 * formats/arch/phi.c - Phi 2, 3 and 4. Source: conversion/phi.py; configuration_phi.py, _phi3.py.
 */
#include "formats/arch/back.h"
#include "formats/arch/decoder.h"
#include "formats/arch/families.h"
#include "formats/tokenizer/tokenizer.h"
#include <errno.h>
#include <math.h>

static const struct hf_class classes[] = {
    { .model_type = "phi",
      .defaults = JSON_TEXT({
          "vocab_size" : 51200,
          "hidden_size" : 2048,
          "intermediate_size" : 8192,
          "num_hidden_layers" : 24,
          "num_attention_heads" : 32,
          "num_key_value_heads" : null,
          "max_position_embeddings" : 2048,
          "layer_norm_eps" : 1e-5
      }),
      .kinds = "attention_dropout=fin",
      .rope_theta = 10000,
      .partial_rotary_factor = 0.5,
      .fill = { { "num_key_value_heads", "num_attention_heads", NULL } } },
    { .model_type = "phi3",
      .defaults = JSON_TEXT({
          "vocab_size" : 32064,
          "hidden_size" : 3072,
          "intermediate_size" : 8192,
          "num_hidden_layers" : 32,
          "num_attention_heads" : 32,
          "num_key_value_heads" : null,
          "max_position_embeddings" : 4096,
          "original_max_position_embeddings" : 4096,
          "rms_norm_eps" : 1e-5,
          "sliding_window" : null
      }),
      .rope_theta = 10000,
      .partial_rotary_factor = 1,
      .longrope_only = true,
      .fill = { { "num_key_value_heads", "num_attention_heads", NULL } } },
    { .model_type = "phimoe",
      .defaults = JSON_TEXT({
          "vocab_size" : 32064,
          "hidden_size" : 4096,
          "intermediate_size" : 6400,
          "num_hidden_layers" : 32,
          "num_attention_heads" : 32,
          "num_key_value_heads" : 8,
          "max_position_embeddings" : 131072,
          "rms_norm_eps" : 1e-5,
          "sliding_window" : null,
          "num_experts_per_tok" : 2,
          "num_local_experts" : 16
      }),
      .rope_theta = 1000000,
      .rope_numbers = "short_mscale long_mscale",
      .fill = { { "num_key_value_heads", "num_attention_heads", NULL } } },
    { 0 },
};

static const struct tensor_rule phi2_rules[] = {
    { "model.embed_tokens", "token_embd", OP_SAME, NULL },
    { "model.final_layernorm", "output_norm", OP_SAME, NULL },
    { "lm_head", "output", OP_SAME, NULL },
    { "model.layers.#.input_layernorm", "blk.#.attn_norm", OP_SAME, NULL },
    { "model.layers.#.self_attn.q_proj", "blk.#.attn_q", OP_SAME, NULL },
    { "model.layers.#.self_attn.k_proj", "blk.#.attn_k", OP_SAME, NULL },
    { "model.layers.#.self_attn.v_proj", "blk.#.attn_v", OP_SAME, NULL },
    { "model.layers.#.self_attn.dense", "blk.#.attn_output", OP_SAME, NULL },
    { "model.layers.#.mlp.fc1", "blk.#.ffn_up", OP_SAME, NULL },
    { "model.layers.#.mlp.fc2", "blk.#.ffn_down", OP_SAME, NULL },
    { 0 },
};

static const struct tensor_rule phi3_rules[] = {
    { "model.embed_tokens", "token_embd", OP_SAME, NULL },
    { "model.norm", "output_norm", OP_SAME, NULL },
    { "lm_head", "output", OP_SAME, NULL },
    { "model.layers.#.input_layernorm", "blk.#.attn_norm", OP_SAME, NULL },
    { "model.layers.#.post_attention_layernorm", "blk.#.ffn_norm", OP_SAME, NULL },
    { "model.layers.#.self_attn.qkv_proj", "blk.#.attn_qkv", OP_SAME, NULL },
    { "model.layers.#.self_attn.o_proj", "blk.#.attn_output", OP_SAME, NULL },
    { "model.layers.#.mlp.gate_up_proj", "blk.#.ffn_up", OP_SAME, NULL },
    { "model.layers.#.mlp.down_proj", "blk.#.ffn_down", OP_SAME, NULL },
    { 0 },
};

static const struct tensor_rule phimoe_rules[] = {
    DECODER_ENDS,
    DECODER_NORMS,
    DECODER_ATTENTION(OP_SAME, OP_SAME),
    SAME("model.layers.#.block_sparse_moe.gate", "blk.#.ffn_gate_inp"),
    { "model.layers.#.block_sparse_moe.experts.*.w1", "blk.#.ffn_gate_exps", OP_EXPERT, NULL },
    { "model.layers.#.block_sparse_moe.experts.*.w2", "blk.#.ffn_down_exps", OP_EXPERT, NULL },
    { "model.layers.#.block_sparse_moe.experts.*.w3", "blk.#.ffn_up_exps", OP_EXPERT, NULL },
    RULES_END,
};

/* Dimensions of a head that are rotated. */
static int rope_dims(struct arch_work *w, uint64_t *dims) {
    uint64_t hidden;
    int rc = hf_config_need(&w->config, "hidden_size n_embd", &hidden, w->err);
    if (rc == 0 && (w->n_head == 0 || hidden > UINT32_MAX))
        rc = err_set(w->err, -EBADMSG, "config.json: \"num_attention_heads\" or \"hidden_size\"");
    const double part = w->rope.has_partial ? w->rope.partial : 1;
    if (rc == 0 && !(part >= 0 && part <= 1))
        rc = err_set(w->err, -EBADMSG, "config.json: \"partial_rotary_factor\" is not in [0, 1]");
    if (rc == 0)
        *dims = (uint64_t)(part * (double)hidden) / w->n_head;
    return rc;
}

static int add_rope_dims(struct arch_work *w) {
    uint64_t dims = 0;
    int rc = rope_dims(w, &dims);
    return rc < 0 ? rc : work_u32(w, ".rope.dimension_count", dims);
}

static int add_head_count_kv(struct arch_work *w) {
    return work_u32(w, ".attention.head_count_kv", w->n_head);
}

static int add_no_bos(struct arch_work *w) {
    return work_bool(w, "tokenizer.ggml.add_bos_token", false);
}

static int need_context(struct arch_work *w) {
    return w->rope.has_context
               ? 0
               : err_set(w->err, -EBADMSG, "config.json: no \"original_max_position_embeddings\"");
}

static int add_context(struct arch_work *w) {
    int rc = need_context(w);
    return rc < 0 ? rc : work_u32(w, ".rope.scaling.original_context_length", w->rope.context);
}

static int add_base(struct arch_work *w) {
    return w->rope.has_theta ? work_f32(w, ".rope.freq_base", w->rope.theta) : 0;
}

/* Zero stands for none: it tells Phi-4 from Phi-3. */
static int add_window(struct arch_work *w) {
    uint64_t window = 0;
    int rc = hf_config_u64(&w->config, "sliding_window", &window, w->err);
    return rc < 0 ? rc : work_u32(w, ".attention.sliding_window", window);
}

static int add_factors(struct arch_work *w, const char *key, const char *name, uint64_t n) {
    const struct json *list = json_get(w->rope.params, key);
    float *values = arena_array(w->form->arena, float, n ? n : 1);
    if (json_len(list) != n)
        return err_set(w->err, -EBADMSG, "config.json: \"%s\" must have %llu numbers", key,
                       (unsigned long long)n);
    if (!values)
        return work_no_memory(w);
    for (uint64_t i = 0; i < n; i++) {
        double v;
        if (!json_f64(json_at(list, i), &v))
            return err_set(w->err, -EBADMSG, "config.json: \"%s\" is not a list of numbers", key);
        values[i] = (float)v;
    }
    return work_target(w, str_from(name), &n, 1, expr_literal(w->form->arena, values, n));
}

/* The long context models' factors for each dimension, and one for attention as a whole. */
static int add_longrope(struct arch_work *w) {
    uint64_t context = 0, dims = 0;
    if (json_len(json_get(w->rope.params, "long_factor")) == 0)
        return 0;
    int rc = need_context(w);
    if (rc == 0)
        rc = hf_config_need(&w->config, "n_positions max_position_embeddings", &context, w->err);
    if (rc == 0)
        rc = rope_dims(w, &dims);
    if (rc < 0)
        return rc;
    /* transformers calls the types "su" and "yarn" of old by the name "longrope" */
    const double scale = (double)context / (double)w->rope.context;
    const double factor = scale > 1 ? sqrt(1 + log(scale) / log((double)w->rope.context)) : 1;
    rc = work_f32(w, ".rope.scaling.attn_factor", factor);
    if (rc == 0)
        rc = add_factors(w, "long_factor", "rope_factors_long.weight", dims / 2);
    return rc < 0 ? rc : add_factors(w, "short_factor", "rope_factors_short.weight", dims / 2);
}

static const struct hparam phi2_hparams[] = {
    HPARAM_NEED(".context_length", "n_positions max_position_embeddings"),
    HPARAM_NEED(".embedding_length", "hidden_size n_embd"),
    HPARAM_TIMES(".feed_forward_length", "hidden_size n_embd", 4),
    HPARAM_NEED(".block_count", "n_layers num_hidden_layers n_layer num_layers"),
    HPARAM_NEED(".attention.head_count", "num_attention_heads n_head"),
    HPARAM_CALL(add_head_count_kv),
    HPARAM_F32(".attention.layer_norm_epsilon", "layer_norm_epsilon layer_norm_eps"),
    HPARAM_CALL(add_rope_dims),
    HPARAM_CALL(hparam_file_type),
    HPARAM_CALL(add_no_bos),
    HPARAM_END,
};

static const struct hparam phi3_hparams[] = {
    HPARAM_NEED(".context_length", "n_positions max_position_embeddings"),
    HPARAM_CALL(add_context),
    HPARAM_NEED(".embedding_length", "hidden_size n_embd"),
    HPARAM_NEED(".feed_forward_length", "intermediate_size"),
    HPARAM_NEED(".block_count", "n_layers num_hidden_layers n_layer num_layers"),
    HPARAM_NEED(".attention.head_count", "num_attention_heads n_head"),
    HPARAM_NEED(".attention.head_count_kv", "num_key_value_heads n_head_kv"),
    HPARAM_F32(".attention.layer_norm_rms_epsilon", "rms_norm_eps"),
    HPARAM_CALL(add_rope_dims),
    HPARAM_CALL(add_base),
    HPARAM_CALL(hparam_file_type),
    HPARAM_CALL(add_window),
    HPARAM_END,
};

static const struct hparam phimoe_hparams[] = {
    HPARAM_LIST(phi3_hparams),
    HPARAM_NEED(".expert_used_count", "num_experts_per_tok num_experts_per_token"),
    HPARAM_NEED(".expert_count", "num_local_experts num_experts"),
    HPARAM_END,
};

static const struct tokenizer_kind *const phi2_tokenizers[] = { &tokenizer_gpt2, NULL };
static const struct tokenizer_kind *const phi3_tokenizers[] = { &tokenizer_spm_phi3,
                                                                &tokenizer_gpt2, NULL };

/* No window is a window of zero there. */
static void say_window(struct back *w) {
    uint64_t window = 0, context;
    if (back_find_u64(w, ".attention.sliding_window", &window) && window)
        back_u64(w, "sliding_window", window);
    else
        back_null(w, "sliding_window");
    if (back_find_u64(w, ".rope.scaling.original_context_length", &context))
        back_u64(w, "original_max_position_embeddings", context);
}

static void say_moe(struct back *w) {
    say_window(w);
    back_attention_bias(w);
    back_bool(w, "lm_head_bias", back_has_tensor(w, "output.bias"));
}

static const struct arch_back phi2_back[] = { { "phi", "PhiForCausalLM", .more = back_inner },
                                              { 0 } };
static const struct arch_back phi3_back[] = { { "phi3", "Phi3ForCausalLM", .more = say_window },
                                              { 0 } };
static const struct arch_back phimoe_back[] = { { "phimoe", "PhiMoEForCausalLM", .more = say_moe },
                                                { 0 } };

static const struct arch archs[] = {
    { .gguf = "phi2",
      .back = phi2_back,
      .classes = "PhiForCausalLM",
      .rules = phi2_rules,
      .hparams = phi2_hparams,
      .tokenizers = phi2_tokenizers },
    { .gguf = "phi3",
      .classes = "Phi3ForCausalLM Phi4ForCausalLMV",
      .back = phi3_back,
      .rules = phi3_rules,
      .hparams = phi3_hparams,
      .tokenizers = phi3_tokenizers,
      .extra = add_longrope },
    { .gguf = "phimoe",
      .back = phimoe_back,
      .classes = "PhiMoEForCausalLM",
      .rules = phimoe_rules,
      .hparams = phimoe_hparams,
      .experts = "num_local_experts num_experts",
      .tokenizers = phi3_tokenizers,
      .extra = add_longrope },
    { 0 },
};

const struct family family_phi = { classes, archs };
