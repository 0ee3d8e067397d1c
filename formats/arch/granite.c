/* SPDX-License-Identifier: Apache-2.0
 * formats/arch/granite.c - Granite 3, dense and with experts. Source: conversion/granite.py;
 * configuration_granite.py, _granitemoe.py, _granitemoeshared.py. */
#include "formats/arch/back.h"
#include "formats/arch/families.h"
#include "formats/arch/granite.h"
#include "formats/arch/reverse.h"
#include "formats/tokenizer/tokenizer.h"
#include <errno.h>

static const struct hf_class classes[] = {
    { .model_type = "granite",
      .defaults = JSON_TEXT({
          "vocab_size" : 32000,
          "hidden_size" : 4096,
          "intermediate_size" : 11008,
          "num_hidden_layers" : 32,
          "num_attention_heads" : 32,
          "num_key_value_heads" : null,
          "max_position_embeddings" : 2048,
          "rms_norm_eps" : 1e-6,
          "logits_scaling" : 1.0,
          "residual_multiplier" : 1.0,
          "embedding_multiplier" : 1.0,
          "attention_multiplier" : 1.0
      }),
      .kinds = "logits_scaling=fi residual_multiplier=fi embedding_multiplier=fi "
               "attention_multiplier=fi",
      .rope_theta = 10000,
      .fill = { { "num_key_value_heads", "num_attention_heads", NULL } } },
    { .model_type = "granitemoe",
      .defaults = JSON_TEXT({
          "vocab_size" : 32000,
          "hidden_size" : 4096,
          "intermediate_size" : 11008,
          "num_hidden_layers" : 32,
          "num_attention_heads" : 32,
          "num_key_value_heads" : null,
          "max_position_embeddings" : 2048,
          "num_local_experts" : 8,
          "num_experts_per_tok" : 2,
          "rms_norm_eps" : 1e-6,
          "logits_scaling" : 1.0,
          "residual_multiplier" : 1.0,
          "embedding_multiplier" : 1.0,
          "attention_multiplier" : 1.0
      }),
      .kinds = "attention_dropout=fin logits_scaling=fin residual_multiplier=fin "
               "embedding_multiplier=fin attention_multiplier=fin",
      .optional = "num_local_experts num_experts_per_tok",
      .rope_theta = 10000,
      .fill = { { "num_key_value_heads", "num_attention_heads", NULL } } },
    { .model_type = "granitemoeshared",
      .defaults = JSON_TEXT({
          "vocab_size" : 32000,
          "hidden_size" : 4096,
          "intermediate_size" : 11008,
          "num_hidden_layers" : 32,
          "num_attention_heads" : 32,
          "num_key_value_heads" : null,
          "max_position_embeddings" : 2048,
          "num_local_experts" : 8,
          "num_experts_per_tok" : 2,
          "shared_intermediate_size" : 0,
          "rms_norm_eps" : 1e-6,
          "logits_scaling" : 1.0,
          "residual_multiplier" : 1.0,
          "embedding_multiplier" : 1.0,
          "attention_multiplier" : 1.0
      }),
      .kinds = "attention_dropout=fin logits_scaling=fin residual_multiplier=fin "
               "embedding_multiplier=fin attention_multiplier=fin",
      .optional = "num_local_experts num_experts_per_tok",
      .rope_theta = 10000,
      .fill = { { "num_key_value_heads", "num_attention_heads", NULL } } },
    { 0 },
};

static const struct tensor_rule rules[] = {
    DECODER_ENDS, DECODER_NORMS,   DECODER_ATTENTION(OP_PERMUTE_Q, OP_PERMUTE_K),
    DECODER_MLP,  GRANITE_EXPERTS, RULES_END,
};

/* The shared expert; where there are no others, it is the feed-forward part. */
int granite_shared(struct arch_work *w, const struct tensor *t, const struct tensor_rule *rule,
                   const struct name_match *match) {
    struct arena *a = w->form->arena;
    uint64_t experts = 0;
    int rc = hf_config_u64(&w->config, "num_local_experts", &experts, w->err);
    if (rc >= 0 && (t->n_dims != 2 || t->elems == 0 || (rule->second && t->dims[0] % 2)))
        rc = err_set(w->err, -EBADMSG, "tensor %.*s: not gate and up in one", STR_ARG(t->name));
    const uint64_t parts = rule->second ? 2 : 1;
    for (uint64_t i = 0; rc >= 0 && i < parts; i++) {
        const uint64_t dims[2] = { t->dims[0] / parts, t->dims[1] };
        const struct name_edit alone = { EDIT_ANYWHERE, "_shexp", "" };
        struct str name = name_build(a, i ? rule->second : rule->gguf, match);
        if (name.p && !experts)
            name = arch_edit_name(a, name, &alone);
        rc = work_target(w, name, dims, 2, expr_slice(a, expr_tensor(a, t), i * dims[0], dims[0]));
    }
    return rc < 0 ? rc : 0;
}

int granite_back_shared(struct reverse *r, const struct tensor *t, const struct tensor_rule *rule,
                        const struct name_match *match) {
    return (rule->second ? reverse_halves : reverse_same)(r, t, rule, match);
}

static int add_scale(struct arch_work *w, const char *key, const char *name) {
    double v;
    int rc = hf_config_f64(&w->config, name, &v, w->err);
    return rc <= 0 || v == 0 ? (rc < 0 ? rc : 0) : work_f32(w, key, v);
}

/* "head_dim" is ignored, whatever it says. */
static int add_granite(struct arch_work *w) {
    uint64_t hidden;
    work_remove(w, ".attention.key_length");
    work_remove(w, ".attention.value_length");
    int rc = hf_config_need(&w->config, "hidden_size", &hidden, w->err);
    if (rc == 0)
        rc = work_u32(w, ".rope.dimension_count", w->n_head ? hidden / w->n_head : 0);
    if (rc == 0)
        rc = add_scale(w, ".attention.scale", "attention_multiplier");
    if (rc == 0)
        rc = add_scale(w, ".embedding_scale", "embedding_multiplier");
    if (rc == 0)
        rc = add_scale(w, ".residual_scale", "residual_multiplier");
    return rc < 0 ? rc : add_scale(w, ".logit_scale", "logits_scaling");
}

int granite_shared_width(struct arch_work *w) {
    uint64_t n;
    int rc = hf_config_u64(&w->config, "shared_intermediate_size", &n, w->err);
    return rc <= 0 || !n ? (rc < 0 ? rc : 0) : work_u32(w, ".expert_shared_feed_forward_length", n);
}

const struct hparam granite_hparams[] = {
    HPARAM_LIST(hparams_text),
    HPARAM_NEED(".vocab_size", "vocab_size"),
    HPARAM_CALL(add_granite),
    HPARAM_END,
};

const struct hparam granite_moe_hparams[] = {
    HPARAM_LIST(granite_hparams),
    HPARAM_CALL(granite_shared_width),
    HPARAM_END,
};

static const struct tokenizer_kind *const either[] = { &tokenizer_spm, &tokenizer_llama_json,
                                                       &tokenizer_gpt2, NULL };

static bool has_shared(const struct back *w) {
    return back_has_tensor(w, "blk.0.ffn_gate_shexp.weight");
}

const struct hparam granite_back_pairs[] = {
    HPARAM_F32(".attention.scale", "attention_multiplier"),
    HPARAM_F32(".embedding_scale", "embedding_multiplier"),
    HPARAM_F32(".residual_scale", "residual_multiplier"),
    HPARAM_F32(".logit_scale", "logits_scaling"),
    HPARAM_U32(".expert_shared_feed_forward_length", "shared_intermediate_size"),
    HPARAM_END,
};

/* Granite 4 has the width of the shared expert. */
static void say_dense(struct back *w) {
    back_inner(w);
    back_biases(w);
}

static const struct arch_back back[] = {
    { "granite", "GraniteForCausalLM", .pairs = granite_back_pairs, .more = say_dense }, { 0 }
};
static const struct arch_back moe_back[] = {
    { "granitemoeshared", "GraniteMoeSharedForCausalLM", .when = has_shared,
      .pairs = granite_back_pairs, .more = back_attention_bias },
    { "granitemoe", "GraniteMoeForCausalLM", .pairs = granite_back_pairs,
      .more = back_attention_bias },
    { 0 },
};

static const struct arch archs[] = {
    { .gguf = "granite",
      .back = back,
      .classes = "GraniteForCausalLM",
      .rules = rules,
      .own = granite_shared,
      .own_back = granite_back_shared,
      .hparams = granite_hparams,
      .tokenizers = either,
      .extra = decoder_llama_freqs,
      .vocab = decoder_space_prefix,
      .after = decoder_llama_exceptions },
    { .gguf = "granitemoe",
      .back = moe_back,
      .classes = "GraniteMoeForCausalLM GraniteMoeSharedForCausalLM",
      .rules = rules,
      .own = granite_shared,
      .own_back = granite_back_shared,
      .hparams = granite_moe_hparams,
      .tokenizers = either,
      .extra = decoder_llama_freqs,
      .vocab = decoder_space_prefix,
      .after = decoder_llama_exceptions },
    { 0 },
};

const struct family family_granite = { classes, archs };
