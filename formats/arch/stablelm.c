/* SPDX-License-Identifier: Apache-2.0
 * formats/arch/stablelm.c - StableLM. Source: conversion/stablelm.py; configuration_stablelm.py. */
#include "formats/arch/back.h"
#include "formats/arch/families.h"
#include "formats/arch/work.h"
#include "formats/tokenizer/tokenizer.h"
#include <errno.h>

static const struct hf_class classes[] = {
    { .model_type = "stablelm",
      .defaults = JSON_TEXT({
          "vocab_size" : 50304,
          "hidden_size" : 2560,
          "intermediate_size" : 6912,
          "num_hidden_layers" : 32,
          "num_attention_heads" : 32,
          "num_key_value_heads" : 32,
          "max_position_embeddings" : 4096,
          "layer_norm_eps" : 1e-5,
          "use_parallel_residual" : false
      }),
      .rope_theta = 10000,
      .partial_rotary_factor = 0.25 },
    { 0 },
};

static const struct tensor_rule rules[] = {
    { "model.embed_tokens", "token_embd", OP_SAME, NULL },
    { "model.norm", "output_norm", OP_SAME, NULL },
    { "lm_head", "output", OP_SAME, NULL },
    { "model.layers.#.input_layernorm", "blk.#.attn_norm", OP_SAME, NULL },
    { "model.layers.#.post_attention_layernorm", "blk.#.ffn_norm", OP_SAME, NULL },
    { "model.layers.#.self_attn.q_proj", "blk.#.attn_q", OP_SAME, NULL },
    { "model.layers.#.self_attn.k_proj", "blk.#.attn_k", OP_SAME, NULL },
    { "model.layers.#.self_attn.v_proj", "blk.#.attn_v", OP_SAME, NULL },
    { "model.layers.#.self_attn.o_proj", "blk.#.attn_output", OP_SAME, NULL },
    { "model.layers.#.mlp.gate_proj", "blk.#.ffn_gate", OP_SAME, NULL },
    { "model.layers.#.mlp.up_proj", "blk.#.ffn_up", OP_SAME, NULL },
    { "model.layers.#.mlp.down_proj", "blk.#.ffn_down", OP_SAME, NULL },
    { 0 },
};

static int add_rope_dims(struct arch_work *w) {
    uint64_t hidden;
    int rc = hf_config_need(&w->config, "hidden_size", &hidden, w->err);
    if (rc < 0)
        return rc;
    if (!w->rope.has_partial || !(w->rope.partial >= 0 && w->rope.partial <= 1) || !w->n_head)
        return err_set(w->err, -EBADMSG,
                       "config.json: \"partial_rotary_factor\" or "
                       "\"num_attention_heads\"");
    return work_u32(w, ".rope.dimension_count",
                    (uint64_t)(w->rope.partial * (double)(hidden / w->n_head)));
}

static int add_parallel(struct arch_work *w) {
    return work_bool(w, ".use_parallel_residual",
                     hf_config_bool(&w->config, "use_parallel_residual", true));
}

static const struct hparam hparams[] = {
    HPARAM_NEED(".context_length", "max_position_embeddings"),
    HPARAM_NEED(".embedding_length", "hidden_size"),
    HPARAM_NEED(".block_count", "n_layers num_hidden_layers n_layer num_layers"),
    HPARAM_NEED(".feed_forward_length", "intermediate_size"),
    HPARAM_CALL(add_rope_dims),
    HPARAM_NEED(".attention.head_count", "num_attention_heads"),
    HPARAM_NEED(".attention.head_count_kv", "num_key_value_heads"),
    HPARAM_CALL(add_parallel),
    HPARAM_F32(".attention.layer_norm_epsilon", "layer_norm_eps norm_eps"),
    HPARAM_CALL(hparam_file_type),
    HPARAM_END,
};

static const struct tokenizer_kind *const bpe[] = { &tokenizer_gpt2, NULL };

static void say_bias(struct back *w) {
    back_bool(w, "use_qkv_bias", back_has_tensor(w, "blk.0.attn_q.bias"));
}

static const struct hparam pairs[] = {
    HPARAM_BOOL(".use_parallel_residual", "use_parallel_residual"),
    HPARAM_END,
};

static const struct arch_back back[] = {
    { "stablelm", "StableLmForCausalLM", .pairs = pairs, .more = say_bias }, { 0 }
};

static const struct arch archs[] = {
    { .gguf = "stablelm",
      .back = back,
      .classes = "StableLmForCausalLM StableLMEpochForCausalLM",
      .rules = rules,
      .hparams = hparams,
      .tokenizers = bpe },
    { 0 },
};

const struct family family_stablelm = { classes, archs };
