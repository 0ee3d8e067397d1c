/* SPDX-License-Identifier: Apache-2.0
 * formats/arch/cohere.c - Command-R and Command-R7B. Source: conversion/command_r.py;
 * configuration_cohere.py, _cohere2.py. */
#include "formats/arch/back.h"
#include "formats/arch/decoder.h"
#include "formats/arch/families.h"
#include "formats/tokenizer/tokenizer.h"

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
                { "head_dim", "hidden_size", "num_attention_heads" } } },
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
static const struct arch_back cohere2_back[] = {
    { "cohere2", "Cohere2ForCausalLM", .more = back_attention_bias }, { 0 }
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
    { 0 },
};

const struct family family_cohere = { classes, archs };
