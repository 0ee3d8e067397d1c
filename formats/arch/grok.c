/* SPDX-License-Identifier: Apache-2.0
 * formats/arch/grok.c - Grok 1 and 2. Source: conversion/grok.py. */
#include "formats/arch/decoder.h"
#include "formats/arch/families.h"
#include "formats/tokenizer/tokenizer.h"
#include <math.h>

/* Grok 2 says that it is "git", which transformers takes for another model's class. */
static const struct hf_class classes[] = {
    { .model_type = "git", .defaults = JSON_TEXT({
                               "vocab_size" : 30522,
                               "hidden_size" : 768,
                               "num_hidden_layers" : 6,
                               "num_attention_heads" : 12,
                               "intermediate_size" : 3072,
                               "max_position_embeddings" : 1024,
                               "layer_norm_eps" : 1e-12
                           }) },
    { 0 },
};

#define BLOCK "transformer.decoder_layer.#."
#define GROK2 "model.layers.#."

static const struct tensor_rule rules[] = {
    SAME("transformer.in_out_embed", "token_embd"),
    SAME("transformer.rms_norm", "output_norm"),
    SAME(BLOCK "rms_norm", "blk.#.attn_norm"),
    SAME(BLOCK "multi_head_attention.query", "blk.#.attn_q"),
    SAME(BLOCK "multi_head_attention.key", "blk.#.attn_k"),
    SAME(BLOCK "multi_head_attention.value", "blk.#.attn_v"),
    SAME(BLOCK "multi_head_attention.linear", "blk.#.attn_output"),
    SAME(BLOCK "rms_norm_1", "blk.#.attn_output_norm"),
    SAME(BLOCK "rms_norm_2", "blk.#.ffn_norm"),
    SAME(BLOCK "rms_norm_3", "blk.#.layer_output_norm"),
    SAME(BLOCK "router", "blk.#.ffn_gate_inp"),
    { BLOCK "moe.*.linear", "blk.#.ffn_gate_exps", OP_EXPERT, NULL },
    { BLOCK "moe.*.linear_1", "blk.#.ffn_down_exps", OP_EXPERT, NULL },
    { BLOCK "moe.*.linear_v", "blk.#.ffn_up_exps", OP_EXPERT, NULL },
    /* Grok 2 */
    DECODER_ENDS,
    DECODER_ATTENTION(OP_SAME, OP_SAME),
    SAME(GROK2 "pre_attn_norm", "blk.#.attn_norm"),
    SAME(GROK2 "post_attn_norm", "blk.#.attn_output_norm"),
    SAME(GROK2 "pre_moe_norm", "blk.#.ffn_norm"),
    SAME(GROK2 "post_moe_norm", "blk.#.post_ffw_norm"),
    SAME(GROK2 "block_sparse_moe.gate", "blk.#.ffn_gate_inp"),
    { GROK2 "block_sparse_moe.experts.*.w1", "blk.#.ffn_gate_exps", OP_EXPERT, NULL },
    { GROK2 "block_sparse_moe.experts.*.w2", "blk.#.ffn_down_exps", OP_EXPERT, NULL },
    { GROK2 "block_sparse_moe.experts.*.w3", "blk.#.ffn_up_exps", OP_EXPERT, NULL },
    DECODER_MLP,
    RULES_END,
};

static int add_or(struct arch_work *w, const char *key, const char *name, double absent) {
    int rc = hf_config_f64(&w->config, name, &absent, w->err);
    return rc < 0 ? rc : work_f32(w, key, absent);
}

static int add_caps(struct arch_work *w) {
    double cap;
    int rc = add_or(w, ".attn_logit_softcapping", "attn_logit_softcapping", 30);
    if (rc == 0)
        rc = add_or(w, ".router_logit_softcapping", "router_logit_softcapping", 30);
    if (rc == 0)
        rc = hf_config_f64(&w->config, "final_logit_softcapping", &cap, w->err);
    return rc <= 0 || cap == 0 ? (rc < 0 ? rc : 0) : work_f32(w, ".final_logit_softcapping", cap);
}

/* Grok 2 says "original" and means yarn. */
static int add_yarn(struct arch_work *w) {
    static const struct hparam yarn[] = {
        HPARAM_TEXT(".rope.scaling.type", "yarn"),
        HPARAM_F32(".rope.scaling.factor", "scaling_factor"),
        HPARAM_NEED(".rope.scaling.original_context_length", "original_max_position_embeddings"),
        HPARAM_F32(".rope.scaling.yarn_ext_factor", "extrapolation_factor"),
        HPARAM_F32(".rope.scaling.yarn_attn_factor", "attn_factor"),
        HPARAM_F32(".rope.scaling.yarn_beta_fast", "beta_fast"),
        HPARAM_F32(".rope.scaling.yarn_beta_slow", "beta_slow"),
        HPARAM_END,
    };
    struct str type;
    if (!hf_config_str(&w->config, "rope_type", &type) ||
        (!str_is(type, "yarn") && !str_is(type, "original")))
        return 0;
    return hparams_add_list(w, yarn);
}

static int add_scales(struct arch_work *w) {
    uint64_t length, dim;
    int rc = hf_config_u64(&w->config, "attn_temperature_len", &length, w->err);
    if (rc > 0 && length)
        rc = work_u32(w, ".attention.temperature_length", length);
    if (rc >= 0)
        rc = decoder_head_dim(w, &dim);
    if (rc == 0)
        rc = add_or(w, ".attention.output_scale", "attn_output_multiplier", pow((double)dim, -0.5));
    return rc;
}

static const struct hparam hparams[] = {
    HPARAM_LIST(hparams_text),
    HPARAM_CALL(add_caps),
    HPARAM_U32(".expert_feed_forward_length", "moe_intermediate_size"),
    HPARAM_CALL(add_yarn),
    HPARAM_CALL(add_scales),
    HPARAM_F32(".embedding_scale", "embedding_multiplier_scale"),
    HPARAM_F32(".logit_scale", "output_multiplier_scale"),
    HPARAM_END,
};

static const struct tokenizer_kind *const either[] = { &tokenizer_spm, &tokenizer_gpt2, NULL };

static const struct arch archs[] = {
    { .gguf = "grok",
      .classes = "GrokForCausalLM Grok1ForCausalLM",
      .rules = rules,
      .hparams = hparams,
      .experts = "num_local_experts",
      .tokenizers = either },
    { 0 },
};

const struct family family_grok = { classes, archs };
