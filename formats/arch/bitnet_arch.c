/* SPDX-License-Identifier: Apache-2.0
 * formats/arch/bitnet_arch.c - BitNet with weights that are packed. Source: conversion/bitnet.py,
 * which quantizes weights that are not; configuration_bitnet.py. */
#include "formats/arch/back.h"
#include "formats/arch/decoder.h"
#include "formats/arch/families.h"
#include "formats/arch/reverse.h"
#include "formats/tokenizer/tokenizer.h"
#include <errno.h>

static const struct hf_class classes[] = {
    { .model_type = "bitnet",
      .defaults = JSON_TEXT({
          "vocab_size" : 128256,
          "hidden_size" : 2560,
          "intermediate_size" : 6912,
          "num_hidden_layers" : 30,
          "num_attention_heads" : 20,
          "num_key_value_heads" : 5,
          "max_position_embeddings" : 2048,
          "rms_norm_eps" : 1e-5
      }),
      .kinds = "attention_dropout=fin",
      .rope_theta = 500000,
      .fill = { { "num_key_value_heads", "num_attention_heads", NULL } } },
    { 0 },
};

static const struct tensor_rule rules[] = {
    { "model.embed_tokens", "token_embd", OP_SAME, NULL },
    { "model.norm", "output_norm", OP_SAME, NULL },
    { "lm_head", "output", OP_SAME, NULL },
    { "model.layers.#.input_layernorm", "blk.#.attn_norm", OP_SAME, NULL },
    { "model.layers.#.post_attention_layernorm", "blk.#.ffn_norm", OP_SAME, NULL },
    { "model.layers.#.self_attn.q_proj", "blk.#.attn_q", OP_OWN, NULL },
    { "model.layers.#.self_attn.k_proj", "blk.#.attn_k", OP_OWN, NULL },
    { "model.layers.#.self_attn.v_proj", "blk.#.attn_v", OP_OWN, NULL },
    { "model.layers.#.self_attn.o_proj", "blk.#.attn_output", OP_OWN, NULL },
    { "model.layers.#.self_attn.attn_sub_norm", "blk.#.attn_sub_norm", OP_SAME, NULL },
    { "model.layers.#.self_attn.inner_attn_ln", "blk.#.attn_sub_norm", OP_SAME, NULL },
    { "model.layers.#.mlp.gate_proj", "blk.#.ffn_gate", OP_OWN, NULL },
    { "model.layers.#.mlp.up_proj", "blk.#.ffn_up", OP_OWN, NULL },
    { "model.layers.#.mlp.down_proj", "blk.#.ffn_down", OP_OWN, NULL },
    { "model.layers.#.mlp.ffn_sub_norm", "blk.#.ffn_sub_norm", OP_SAME, NULL },
    { "model.layers.#.mlp.ffn_layernorm", "blk.#.ffn_sub_norm", OP_SAME, NULL },
    { 0 },
};

static int own(struct arch_work *w, const struct tensor *t, const struct tensor_rule *rule,
               const struct name_match *match) {
    struct arena *a = w->form->arena;
    if (!t->packed)
        return err_set(w->err, -ENOTSUP,
                       "tensor %.*s: BitNet weights that are not packed are not read",
                       STR_ARG(t->name));
    return work_target(w, name_build(a, rule->gguf, match), t->dims, t->n_dims, expr_tensor(a, t));
}

static int add_scaling(struct arch_work *w) {
    int rc = work_str(w, ".rope.scaling.type", STR("linear"));
    return rc < 0 ? rc : work_f32(w, ".rope.scaling.factor", 1);
}

static const struct hparam hparams[] = {
    HPARAM_LIST(hparams_text),
    HPARAM_CALL(add_scaling),
    HPARAM_END,
};

/* As plain weights: ternary ones times their scale. */
static const struct arch_back back[] = {
    { .model_type = "bitnet", .class_name = "BitNetForCausalLM" }, { 0 }
};

static const struct tokenizer_kind *const tokenizers[] = { &tokenizer_spm, &tokenizer_gpt2, NULL };

static const struct arch archs[] = {
    { .gguf = "bitnet",
      .classes = "BitnetForCausalLM BitNetForCausalLM",
      .rules = rules,
      .own = own,
      .back = back,
      .own_back = reverse_same,
      .hparams = hparams,
      .tokenizers = tokenizers },
    { 0 },
};

const struct family family_bitnet = { classes, archs };
