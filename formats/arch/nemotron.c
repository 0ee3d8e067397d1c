/* SPDX-License-Identifier: Apache-2.0
 * formats/arch/nemotron.c - Nemotron and Minitron. Source: conversion/nemotron.py;
 * configuration_nemotron.py. */
#include "formats/arch/back.h"
#include "formats/arch/decoder.h"
#include "formats/arch/families.h"
#include "formats/tokenizer/tokenizer.h"

static const struct hf_class classes[] = {
    { .model_type = "nemotron",
      .defaults = JSON_TEXT({
          "vocab_size" : 256000,
          "hidden_size" : 6144,
          "intermediate_size" : 24576,
          "num_hidden_layers" : 32,
          "num_attention_heads" : 48,
          "num_key_value_heads" : null,
          "max_position_embeddings" : 4096,
          "norm_eps" : 1e-5,
          "head_dim" : null
      }),
      .rope_theta = 10000,
      .partial_rotary_factor = 0.5,
      .fill = { { "head_dim", "hidden_size", "num_attention_heads" } } },
    { 0 },
};

static const struct tensor_rule rules[] = {
    SAME("model.embed_tokens", "token_embd"),
    SAME("lm_head", "output"),
    { "model.norm", "output_norm", OP_ADD_ONE, NULL },
    { "model.layers.#.input_layernorm", "blk.#.attn_norm", OP_ADD_ONE, NULL },
    { "model.layers.#.post_attention_layernorm", "blk.#.ffn_norm", OP_ADD_ONE, NULL },
    DECODER_ATTENTION(OP_SAME, OP_SAME),
    DECODER_MLP,
    RULES_END,
};

static int add_rope(struct arch_work *w) {
    const double part = w->rope.has_partial ? w->rope.partial : 0.5;
    uint64_t hidden;
    double factor;
    int rc = hf_config_need(&w->config, "hidden_size n_embd", &hidden, w->err);
    if (rc == 0 && w->n_head && part >= 0 && part <= 16)
        rc = work_u32(w, ".rope.dimension_count", (uint64_t)(part * (double)hidden) / w->n_head);
    if (rc < 0)
        return rc;
    rc = hf_config_f64(&w->config, "factor", &factor, w->err);
    if (rc == 0 && json_f64(json_get(w->rope.params, "factor"), &factor))
        rc = 1;
    if (rc <= 0)
        return rc < 0 ? rc : work_str(w, ".rope.scaling.type", STR("none"));
    rc = work_str(w, ".rope.scaling.type", STR("linear"));
    return rc < 0 ? rc : work_f32(w, ".rope.scaling.factor", factor);
}

static const struct hparam hparams[] = {
    HPARAM_LIST(hparams_text),
    HPARAM_NEED(".vocab_size", "vocab_size"),
    HPARAM_F32(".attention.layer_norm_epsilon",
               "layer_norm_eps layer_norm_epsilon norm_epsilon norm_eps"),
    HPARAM_CALL(add_rope),
    HPARAM_END,
};

static int add_ids(struct arch_work *w) {
    int rc = work_u32(w, "tokenizer.ggml.padding_token_id", 0);
    return rc < 0 ? rc : work_u32(w, "tokenizer.ggml.unknown_token_id", 1);
}

static const struct tokenizer_kind *const spm[] = { &tokenizer_spm, NULL };

static const struct arch_back back[] = {
    { "nemotron", "NemotronForCausalLM", .more = back_attention_bias }, { 0 }
};

static const struct arch archs[] = {
    { .gguf = "nemotron",
      .back = back,
      .classes = "NemotronForCausalLM",
      .rules = rules,
      .hparams = hparams,
      .tokenizers = spm,
      .after = add_ids },
    { 0 },
};

const struct family family_nemotron = { classes, archs };
