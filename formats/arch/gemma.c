/* SPDX-License-Identifier: Apache-2.0
 * formats/arch/gemma.c - Gemma 1 to 3. Source: conversion/gemma.py; configuration_gemma.py,
 * _gemma2.py, _gemma3.py. */
#include "formats/arch/back.h"
#include "formats/arch/families.h"
#include "formats/arch/work.h"
#include "formats/tokenizer/tokenizer.h"
#include <errno.h>

static const struct hf_class classes[] = {
    { .model_type = "gemma",
      .defaults = JSON_TEXT({
          "vocab_size" : 256000,
          "hidden_size" : 3072,
          "intermediate_size" : 24576,
          "num_hidden_layers" : 28,
          "num_attention_heads" : 16,
          "num_key_value_heads" : 16,
          "max_position_embeddings" : 8192,
          "rms_norm_eps" : 1e-6,
          "head_dim" : 256
      }),
      .rope_theta = 10000 },
    { .model_type = "gemma2",
      .defaults = JSON_TEXT({
          "vocab_size" : 256000,
          "hidden_size" : 2304,
          "intermediate_size" : 9216,
          "num_hidden_layers" : 26,
          "num_attention_heads" : 8,
          "num_key_value_heads" : 4,
          "max_position_embeddings" : 8192,
          "rms_norm_eps" : 1e-6,
          "head_dim" : 256,
          "attn_logit_softcapping" : 50.0,
          "final_logit_softcapping" : 30.0,
          "sliding_window" : 4096
      }),
      .kinds = "attention_dropout=fin",
      .optional = "attn_logit_softcapping final_logit_softcapping sliding_window",
      .rope_theta = 10000,
      .even_heads = true },
    { .model_type = "gemma3_text",
      .defaults = JSON_TEXT({
          "vocab_size" : 262208,
          "hidden_size" : 2304,
          "intermediate_size" : 9216,
          "num_hidden_layers" : 26,
          "num_attention_heads" : 8,
          "num_key_value_heads" : 4,
          "max_position_embeddings" : 131072,
          "rms_norm_eps" : 1e-6,
          "head_dim" : 256,
          "final_logit_softcapping" : null,
          "sliding_window" : 4096
      }),
      .kinds = "attention_dropout=fin final_logit_softcapping=fn",
      .optional = "sliding_window",
      .rope_theta = 1000000,
      .local_theta = 10000,
      .local_key = "rope_local_base_freq",
      .even_heads = true },
    { 0 },
};

#define SHARED_RULES                                                               \
    { "model.norm", "output_norm", OP_ADD_ONE, NULL },                             \
        { "model.layers.#.input_layernorm", "blk.#.attn_norm", OP_ADD_ONE, NULL }, \
        { "model.layers.#.self_attn.q_proj", "blk.#.attn_q", OP_SAME, NULL },      \
        { "model.layers.#.self_attn.k_proj", "blk.#.attn_k", OP_SAME, NULL },      \
        { "model.layers.#.self_attn.v_proj", "blk.#.attn_v", OP_SAME, NULL },      \
        { "model.layers.#.self_attn.o_proj", "blk.#.attn_output", OP_SAME, NULL }, \
        { "model.layers.#.mlp.gate_proj", "blk.#.ffn_gate", OP_SAME, NULL },       \
        { "model.layers.#.mlp.up_proj", "blk.#.ffn_up", OP_SAME, NULL }, {         \
        "model.layers.#.mlp.down_proj", "blk.#.ffn_down", OP_SAME, NULL            \
    }

static const struct tensor_rule gemma_rules[] = {
    { "model.embed_tokens", "token_embd", OP_SAME, NULL },
    { "lm_head", NULL, OP_DROP, NULL }, /* tied; some tools write it all the same */
    SHARED_RULES,
    { "model.layers.#.post_attention_layernorm", "blk.#.ffn_norm", OP_ADD_ONE, NULL },
    { 0 },
};

#define NORM_RULES                                                                                \
    { "model.layers.#.post_attention_layernorm", "blk.#.post_attention_norm", OP_ADD_ONE, NULL }, \
        { "model.layers.#.pre_feedforward_layernorm", "blk.#.ffn_norm", OP_ADD_ONE, NULL }, {     \
        "model.layers.#.post_feedforward_layernorm", "blk.#.post_ffw_norm", OP_ADD_ONE, NULL      \
    }

static const struct tensor_rule gemma2_rules[] = {
    { "model.embed_tokens", "token_embd", OP_SAME, NULL },
    { "lm_head", NULL, OP_DROP, NULL },
    SHARED_RULES,
    NORM_RULES,
    { 0 },
};

static const struct tensor_rule gemma3_rules[] = {
    { "model.embed_tokens", "token_embd", OP_VOCAB, NULL },
    { "lm_head", "output", OP_SAME, NULL },
    SHARED_RULES,
    NORM_RULES,
    { "model.layers.#.self_attn.q_norm", "blk.#.attn_q_norm", OP_ADD_ONE, NULL },
    { "model.layers.#.self_attn.k_norm", "blk.#.attn_k_norm", OP_ADD_ONE, NULL },
    { 0 },
};

static int add_no_prefix(struct arch_work *w) {
    return work_bool(w, "tokenizer.ggml.add_space_prefix", false);
}

/* CodeGemma's end of turn, which the converter writes for every Gemma 1. */
static int add_turn(struct arch_work *w) {
    int rc = work_u32(w, "tokenizer.ggml.eot_token_id", 107);
    return rc < 0 ? rc : add_no_prefix(w);
}

static int add_no_prefix_to_spm(struct arch_work *w) {
    return folder_has(w->folder, "tokenizer.model") ? add_no_prefix(w) : 0;
}

/* Where they are, and not zero. */
static int add_final_cap(struct arch_work *w) {
    double cap;
    int rc = hf_config_f64(&w->config, "final_logit_softcapping", &cap, w->err);
    if (rc <= 0 || cap == 0)
        return rc < 0 ? rc : 0;
    return work_f32(w, ".final_logit_softcapping", cap);
}

static int add_window(struct arch_work *w) {
    uint64_t pattern, window;
    int rc = hf_config_u64(&w->config, "sliding_window_pattern", &pattern, w->err);
    if (rc < 0 || (rc > 0 && pattern == 1))
        return rc < 0 ? rc : 0;
    rc = hf_config_need(&w->config, "sliding_window", &window, w->err);
    return rc < 0 ? rc : work_u32(w, ".attention.sliding_window", window);
}

static const struct hparam gemma_hparams[] = {
    HPARAM_NEED(".context_length", "max_position_embeddings"),
    HPARAM_NEED(".embedding_length", "hidden_size"),
    HPARAM_NEED(".block_count", "n_layers num_hidden_layers n_layer num_layers"),
    HPARAM_NEED(".feed_forward_length", "intermediate_size"),
    HPARAM_NEED(".attention.head_count", "num_attention_heads"),
    HPARAM_NEED(".attention.head_count_kv", "num_key_value_heads num_attention_heads"),
    HPARAM_F32(".attention.layer_norm_rms_epsilon", "rms_norm_eps"),
    HPARAM_NEED(".attention.key_length", "head_dim"),
    HPARAM_NEED(".attention.value_length", "head_dim"),
    HPARAM_CALL(hparam_file_type),
    HPARAM_END,
};

static const struct hparam gemma2_hparams[] = {
    HPARAM_LIST(gemma_hparams),
    HPARAM_F32(".attn_logit_softcapping", "attn_logit_softcapping"),
    HPARAM_F32(".final_logit_softcapping", "final_logit_softcapping"),
    HPARAM_NEED(".attention.sliding_window", "sliding_window"),
    HPARAM_END,
};

static const struct hparam gemma3_hparams[] = {
    HPARAM_LIST(hparams_text),
    HPARAM_ELSE(".context_length", "131072"),
    HPARAM_ELSE(".attention.head_count", "8"),
    HPARAM_ELSE(".attention.layer_norm_rms_epsilon", "1e-6"),
    HPARAM_ELSE(".attention.key_length", "256"),
    HPARAM_ELSE(".attention.value_length", "256"),
    HPARAM_ELSE(".rope.freq_base", "1e6"),
    HPARAM_CALL(add_final_cap),
    HPARAM_CALL(add_window),
    HPARAM_ELSE(".attention.head_count_kv", "4"),
    HPARAM_END,
};

/* Of sentence-transformers; a window counts to both sides, and is written as config.json has it. */
static const struct hparam embedding_hparams[] = {
    HPARAM_LIST(gemma3_hparams),
    HPARAM_CALL(hparam_pooling),
    HPARAM_END,
};

static const struct tokenizer_kind *const spm[] = { &tokenizer_spm, NULL };
static const struct tokenizer_kind *const either[] = { &tokenizer_spm, &tokenizer_gpt2, NULL };

static const struct arch_back gemma_back[] = {
    { .model_type = "gemma", .class_name = "GemmaForCausalLM" }, { 0 }
};

/* As llama.cpp chooses it, which has no pair for it: by the largest model's layers. */
static void say_query_scale(struct back *w, uint64_t largest) {
    uint64_t layers = 0, hidden = 0, heads = 0, dim = 0;
    back_find_u64(w, ".block_count", &layers);
    back_find_u64(w, ".embedding_length", &hidden);
    back_find_u64(w, ".attention.head_count", &heads);
    back_find_u64(w, ".attention.key_length", &dim);
    back_u64(w, "query_pre_attn_scalar", layers == largest && heads ? hidden / heads : dim);
}

static void say_gemma2(struct back *w) {
    say_query_scale(w, 46);
    back_window_types(w);
}

static void say_gemma3(struct back *w) {
    float local = 10000;
    say_query_scale(w, 62);
    back_window_types(w);
    back_find_f32(w, ".rope.freq_base_swa", &local);
    back_f32(w, "rope_local_base_freq", local);
}

static const struct arch_back gemma2_back[] = {
    { "gemma2", "Gemma2ForCausalLM", .more = say_gemma2 }, { 0 }
};
static const struct hparam gemma3_pairs[] = {
    HPARAM_F32(".final_logit_softcapping", "final_logit_softcapping"),
    HPARAM_U32(".attention.sliding_window", "sliding_window"),
    HPARAM_END,
};
static const struct arch_back gemma3_back[] = {
    { "gemma3_text", "Gemma3ForCausalLM", .pairs = gemma3_pairs, .more = say_gemma3 }, { 0 }
};

static void say_embedding(struct back *w) {
    say_gemma3(w);
    back_bool(w, "use_bidirectional_attention", true);
}

static const struct arch_back embedding_back[] = {
    { "gemma3_text", "Gemma3TextModel", .pairs = gemma3_pairs, .more = say_embedding }, { 0 }
};
static const struct name_edit bare_edits[] = { { EDIT_START, "model.", "" }, { 0 } };

static const struct arch archs[] = {
    { .gguf = "gemma",
      .classes = "GemmaForCausalLM",
      .back = gemma_back,
      .rules = gemma_rules,
      .hparams = gemma_hparams,
      .tokenizers = spm,
      .after = add_turn },
    { .gguf = "gemma2",
      .classes = "Gemma2ForCausalLM",
      .back = gemma2_back,
      .rules = gemma2_rules,
      .hparams = gemma2_hparams,
      .tokenizers = spm,
      .after = add_no_prefix },
    { .gguf = "gemma3",
      .back = gemma3_back,
      .classes = "Gemma3ForCausalLM Gemma3ForConditionalGeneration",
      .rules = gemma3_rules,
      .hparams = gemma3_hparams,
      .tokenizers = either,
      .after = add_no_prefix_to_spm },
    { .gguf = "gemma-embedding",
      .back = embedding_back,
      .back_edits = bare_edits,
      .classes = "Gemma3TextModel",
      .rules = gemma3_rules,
      .hparams = embedding_hparams,
      .tokenizers = either,
      .after = add_no_prefix_to_spm },
    { 0 },
};

const struct family family_gemma = { classes, archs };
