/* SPDX-License-Identifier: Apache-2.0
 * formats/arch/granite_swa.c - Granite with blocks that look at a window, dense and with experts.
 * Source: conversion/granite.py; configuration_granite_swa.py, _granitemoe_swa.py. */
#include "formats/arch/back.h"
#include "formats/arch/families.h"
#include "formats/arch/granite.h"
#include "formats/tokenizer/tokenizer.h"
#include <errno.h>

static const struct hf_class classes[] = {
    { .model_type = "granite_swa",
      .defaults = JSON_TEXT({
          "vocab_size" : 100352,
          "hidden_size" : 2560,
          "intermediate_size" : 8192,
          "num_hidden_layers" : 24,
          "num_attention_heads" : 20,
          "num_key_value_heads" : 4,
          "max_position_embeddings" : 8192,
          "rms_norm_eps" : 1e-5,
          "logits_scaling" : 1.0,
          "residual_multiplier" : 1.0,
          "embedding_multiplier" : 1.0,
          "attention_multiplier" : 1.0,
          "sliding_window" : 128
      }),
      .kinds = "logits_scaling=fi residual_multiplier=fi embedding_multiplier=fi "
               "attention_multiplier=fi",
      .optional = "num_key_value_heads sliding_window",
      .rope_theta = 10000,
      .fill = { { "num_key_value_heads", "num_attention_heads", NULL } } },
    { .model_type = "granitemoe_swa",
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
          "attention_multiplier" : 1.0,
          "sliding_window" : 128
      }),
      .kinds = "attention_dropout=fin logits_scaling=fin residual_multiplier=fin "
               "embedding_multiplier=fin "
               "attention_multiplier=fin",
      .optional = "num_local_experts num_experts_per_tok logits_scaling residual_multiplier "
                  "embedding_multiplier attention_multiplier sliding_window",
      .rope_theta = 10000,
      .fill = { { "num_key_value_heads", "num_attention_heads", NULL } } },
    { 0 },
};

/* Gate and up stay in one. */
static const struct tensor_rule rules[] = {
    DECODER_ENDS,
    DECODER_NORMS,
    DECODER_ATTENTION(OP_PERMUTE_Q, OP_PERMUTE_K),
    SAME("model.layers.#.self_attn.sinks", "blk.#.attn_sinks"),
    DECODER_MLP,
    SAME("model.layers.#.block_sparse_moe.router", "blk.#.ffn_gate_inp"),
    { "model.layers.#.block_sparse_moe.experts.gate_up_proj", "blk.#.ffn_gate_up_exps", OP_EXPERTS,
      NULL },
    { "model.layers.#.block_sparse_moe.experts.down_proj", "blk.#.ffn_down_exps", OP_EXPERTS,
      NULL },
    /* as Granite 3 has them */
    SAME("model.layers.#.block_sparse_moe.router.layer", "blk.#.ffn_gate_inp"),
    SAME("model.layers.#.block_sparse_moe.input_linear", "blk.#.ffn_gate_up_exps"),
    SAME("model.layers.#.block_sparse_moe.output_linear", "blk.#.ffn_down_exps"),
    SAME("model.layers.#.shared_mlp.input_linear", "blk.#.ffn_up_shexp"),
    SAME("model.layers.#.shared_mlp.output_linear", "blk.#.ffn_down_shexp"),
    RULES_END,
};

/* Every block but each fourth, where config.json does not say. */
static int add_windows(struct arch_work *w) {
    enum { ABSENT = 128, PERIOD = 4 };
    uint64_t window = ABSENT;
    uint8_t *windows = arena_array(w->form->arena, uint8_t, w->n_layer + 1);
    int rc = hf_config_u64(&w->config, "sliding_window", &window, w->err);
    if (rc >= 0)
        rc = work_u32(w, ".attention.sliding_window", window);
    if (!windows)
        return work_no_memory(w);
    if (rc < 0 || json_len(hf_config_json(&w->config, "layer_types")))
        return rc < 0 ? rc : decoder_window_pattern(w, 0);
    for (uint64_t i = 0; i < w->n_layer; i++)
        windows[i] = i % PERIOD != 0;
    return w->n_layer
               ? work_array(w, ".attention.sliding_window_pattern", KV_BOOL, windows, w->n_layer)
               : 0;
}

/* Which blocks know of positions. */
static int add_positions(struct arch_work *w) {
    const struct json *list = hf_config_json(&w->config, "no_rope_layers");
    const size_t n = json_len(list);
    uint8_t *on = arena_array(w->form->arena, uint8_t, n + 1);
    if (!on)
        return work_no_memory(w);
    for (size_t i = 0; i < n; i++) {
        uint64_t v = 0;
        bool b;
        on[i] = json_bool(json_at(list, i), &b) ? b : json_u64(json_at(list, i), &v) && v;
    }
    return n ? work_array(w, ".attention.rope_pattern", KV_BOOL, on, n) : 0;
}

static const struct hparam hparams[] = {
    HPARAM_LIST(granite_hparams),
    HPARAM_CALL(add_windows),
    HPARAM_CALL(add_positions),
    HPARAM_END,
};

static const struct hparam moe_hparams[] = {
    HPARAM_LIST(hparams),
    HPARAM_CALL(granite_shared_width),
    HPARAM_END,
};

static const struct tokenizer_kind *const either[] = { &tokenizer_spm, &tokenizer_llama_json,
                                                       &tokenizer_gpt2, NULL };

static const struct name_edit edits[] = { { EDIT_END, "sinks", "sinks.weight" }, { 0 } };

/* --- the way back --- */

static bool has_experts(const struct back *w) {
    return back_count(w, ".expert_count", 0, 0);
}

/* The pair is one for each block that turns. */
static const char *is_turned(const struct back *w, uint64_t block) {
    return back_count(w, ".attention.rope_pattern", block, 0) ? "1" : "0";
}

static void say_blocks(struct back *w) {
    back_biases(w);
    back_windows(w);
    if (back_has(w, ".attention.rope_pattern"))
        back_list(w, "no_rope_layers", is_turned);
}

static const struct arch_back back[] = {
    { "granitemoe_swa", "GraniteMoeSWAForCausalLM", .when = has_experts,
      .pairs = granite_back_pairs, .more = say_blocks },
    { "granite_swa", "GraniteSWAForCausalLM", .pairs = granite_back_pairs, .more = say_blocks },
    { 0 },
};

static const struct name_edit back_edits[] = { { EDIT_END, "sinks.weight", "sinks" }, { 0 } };

#define SWA_ROW                                                                                \
    .gguf = "granite_swa", .some = "attn_sinks", .edits = edits, .rules = rules, .back = back, \
    .back_edits = back_edits, .tokenizers = either, .extra = decoder_llama_freqs,              \
    .vocab = decoder_space_prefix, .after = decoder_llama_exceptions

static const struct arch archs[] = {
    { SWA_ROW, .classes = "GraniteSWAForCausalLM", .hparams = hparams },
    { SWA_ROW, .classes = "GraniteMoeSWAForCausalLM", .hparams = moe_hparams },
    { 0 },
};

const struct family family_granite_swa = { classes, archs };
