/* SPDX-License-Identifier: Apache-2.0
 * formats/arch/llama4.c - the text part of Llama 4.
 * Source: conversion/llama.py, Llama4Model; configuration_llama4.py. */
#include "formats/arch/back.h"
#include "formats/arch/decoder.h"
#include "formats/arch/families.h"
#include "formats/tokenizer/tokenizer.h"

static const struct hf_class classes[] = {
    { .model_type = "llama4_text",
      .defaults = JSON_TEXT({
          "vocab_size" : 202048,
          "hidden_size" : 5120,
          "intermediate_size" : 8192,
          "intermediate_size_mlp" : 16384,
          "num_hidden_layers" : 48,
          "num_attention_heads" : 40,
          "num_key_value_heads" : 8,
          "head_dim" : 128,
          "max_position_embeddings" : 131072,
          "rms_norm_eps" : 1e-5,
          "num_experts_per_tok" : 1,
          "num_local_experts" : 16,
          "interleave_moe_layer_step" : 1
      }),
      .kinds = "num_key_value_heads=i",
      .rope_theta = 500000,
      .fill = { { "num_key_value_heads", "num_attention_heads", NULL } } },
    { 0 },
};

static const struct tensor_rule rules[] = {
    DECODER_ENDS,
    DECODER_NORMS,
    DECODER_ATTENTION(OP_SAME, OP_SAME),
    SAME("model.layers.#.feed_forward.gate_proj", "blk.#.ffn_gate"),
    SAME("model.layers.#.feed_forward.up_proj", "blk.#.ffn_up"),
    SAME("model.layers.#.feed_forward.down_proj", "blk.#.ffn_down"),
    SAME("model.layers.#.feed_forward.router", "blk.#.ffn_gate_inp"),
    { "model.layers.#.feed_forward.experts.down_proj", "blk.#.ffn_down_exps", OP_EXPERTS_TURNED,
      NULL },
    { "model.layers.#.feed_forward.experts.gate_up_proj", "blk.#.ffn_gate_exps", OP_EXPERTS_TURNED,
      "blk.#.ffn_up_exps" },
    DECODER_SHARED("feed_forward.shared_expert"),
    RULES_END,
};

/* No window where every block sees all: without "layer_types" those that have no rope do. */
static int add_window(struct arch_work *w) {
    const struct json *types = hf_config_json(&w->config, "layer_types");
    const struct json *rope = hf_config_json(&w->config, "no_rope_layers");
    bool all = json_len(types) > 0 || json_len(rope) > 0;
    for (size_t i = 0; i < json_len(types); i++) {
        struct str type;
        all = all && json_str(json_at(types, i), &type) && str_is(type, "full_attention");
    }
    for (size_t i = 0; !types && i < json_len(rope); i++) {
        uint64_t has;
        all = all && json_u64(json_at(rope, i), &has) && !has;
    }
    return all ? work_u32(w, ".attention.sliding_window", 0) : 0;
}

static int add_freqs(struct arch_work *w) {
    return decoder_rope_freqs(w, 8);
}

static const struct hparam hparams[] = {
    HPARAM_LIST(hparams_text),
    HPARAM_NEED(".feed_forward_length", "intermediate_size_mlp"), /* takes the place of the other */
    HPARAM_NEED(".vocab_size", "vocab_size"),
    HPARAM_CALL(decoder_rope_dimension),
    HPARAM_NEED(".interleave_moe_layer_step", "interleave_moe_layer_step"),
    HPARAM_NEED(".expert_feed_forward_length", "intermediate_size"),
    HPARAM_CALL(add_window),
    HPARAM_END,
};

static const struct name_edit edits[] = { { EDIT_ANYWHERE, "text_model.", "" }, { 0 } };
static const struct tokenizer_kind *const bpe[] = { &tokenizer_gpt2, NULL };

/* As llama.cpp has it: by the number of experts. */
static void say_norm(struct back *w) {
    enum { MAVERICK = 128 };
    back_bool(w, "use_qk_norm", back_count(w, ".expert_count", 0, 0) != MAVERICK);
    back_attention_bias(w);
}

static const struct hparam back_pairs[] = {
    HPARAM_U32(".feed_forward_length", "intermediate_size_mlp"),
    HPARAM_U32(".expert_feed_forward_length", "intermediate_size"),
    HPARAM_END,
};
static const struct arch_back back[] = {
    { "llama4_text", "Llama4ForCausalLM", .fields = "intermediate_size_mlp", .pairs = back_pairs,
      .more = say_norm },
    { 0 },
};

static const struct arch archs[] = {
    { .gguf = "llama4",
      .back = back,
      .classes = "Llama4ForConditionalGeneration Llama4ForCausalLM",
      .edits = edits,
      .rules = rules,
      .hparams = hparams,
      .tokenizers = bpe,
      .extra = add_freqs },
    { 0 },
};

const struct family family_llama4 = { classes, archs };
