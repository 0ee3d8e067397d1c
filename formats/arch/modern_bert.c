/* SPDX-License-Identifier: Apache-2.0
 * formats/arch/modern_bert.c - encoders in the layout of today's decoders: ModernBERT, NeoBERT,
 * EuroBERT. Source: conversion/bert.py; configuration_modernbert.py, _eurobert.py. */
#include "formats/arch/bert.h"
#include "formats/arch/families.h"
#include "formats/tokenizer/tokenizer.h"

static const struct hf_class classes[] = {
    { .model_type = "modernbert",
      .defaults = JSON_TEXT({
          "vocab_size" : 50368,
          "hidden_size" : 768,
          "intermediate_size" : 1152,
          "num_hidden_layers" : 22,
          "num_attention_heads" : 12,
          "max_position_embeddings" : 8192,
          "norm_eps" : 1e-5,
          "hidden_activation" : "gelu",
          "local_attention" : 128,
          "classifier_pooling" : "cls",
          "pad_token_id" : 50283,
          "global_rope_theta" : 160000.0,
          "local_rope_theta" : 10000.0
      }),
      .optional = "pad_token_id global_rope_theta local_rope_theta" },
    { .model_type = "eurobert",
      .defaults = JSON_TEXT({
          "vocab_size" : 128256,
          "hidden_size" : 768,
          "intermediate_size" : 3072,
          "num_hidden_layers" : 12,
          "num_attention_heads" : 12,
          "num_key_value_heads" : null,
          "max_position_embeddings" : 8192,
          "rms_norm_eps" : 1e-5,
          "head_dim" : null,
          "pad_token_id" : 128001
      }),
      .optional = "pad_token_id",
      .rope_theta = 10000,
      .fill = { { "head_dim", "hidden_size", "num_attention_heads" },
                { "num_key_value_heads", "num_attention_heads", NULL } } },
    { 0 },
};

static const struct tensor_rule modern_rules[] = {
    { "embeddings.tok_embeddings", "token_embd", OP_SAME, NULL },
    { "embeddings.norm", "token_embd_norm", OP_SAME, NULL },
    { "final_norm", "output_norm", OP_SAME, NULL },
    { "layers.#.attn_norm", "blk.#.attn_norm", OP_SAME, NULL },
    { "layers.#.attn.Wqkv", "blk.#.attn_qkv", OP_SAME, NULL },
    { "layers.#.attn.Wo", "blk.#.attn_output", OP_SAME, NULL },
    { "layers.#.mlp_norm", "blk.#.ffn_norm", OP_SAME, NULL },
    { "layers.#.mlp.Wi", "blk.#.ffn_up", OP_SAME, NULL },
    { "layers.#.mlp.Wo", "blk.#.ffn_down", OP_SAME, NULL },
    { "head.dense", "cls", OP_SAME, NULL },
    { "head.norm", "cls.norm", OP_SAME, NULL },
    CLASSIFIER,
    NOT_NEEDED,
    { 0 },
};

static const struct tensor_rule neo_rules[] = {
    { "encoder", "token_embd", OP_SAME, NULL },
    { "transformer_encoder.#.attention_norm", "blk.#.attn_norm", OP_SAME, NULL },
    { "transformer_encoder.#.qkv", "blk.#.attn_qkv", OP_SAME, NULL },
    { "transformer_encoder.#.wo", "blk.#.attn_output", OP_SAME, NULL },
    { "transformer_encoder.#.ffn_norm", "blk.#.ffn_norm", OP_SAME, NULL },
    { "transformer_encoder.#.ffn.w12", "blk.#.ffn_up", OP_SAME, NULL },
    { "transformer_encoder.#.ffn.w3", "blk.#.ffn_down", OP_SAME, NULL },
    { "layer_norm", "enc.output_norm", OP_SAME, NULL },
    CLASSIFIER,
    NOT_NEEDED,
    { "decoder.~", NULL, OP_DROP, NULL },
    { 0 },
};

static const struct tensor_rule euro_rules[] = {
    { "embed_tokens", "token_embd", OP_SAME, NULL },
    { "norm", "output_norm", OP_SAME, NULL },
    { "layers.#.input_layernorm", "blk.#.attn_norm", OP_SAME, NULL },
    { "layers.#.self_attn.q_proj", "blk.#.attn_q", OP_SAME, NULL },
    { "layers.#.self_attn.k_proj", "blk.#.attn_k", OP_SAME, NULL },
    { "layers.#.self_attn.v_proj", "blk.#.attn_v", OP_SAME, NULL },
    { "layers.#.self_attn.o_proj", "blk.#.attn_output", OP_SAME, NULL },
    { "layers.#.post_attention_layernorm", "blk.#.ffn_norm", OP_SAME, NULL },
    { "layers.#.mlp.gate_proj", "blk.#.ffn_gate", OP_SAME, NULL },
    { "layers.#.mlp.up_proj", "blk.#.ffn_up", OP_SAME, NULL },
    { "layers.#.mlp.down_proj", "blk.#.ffn_down", OP_SAME, NULL },
    { 0 },
};

static int add_two_thirds(struct arch_work *w) {
    uint64_t n;
    int rc = hf_config_need(&w->config, "intermediate_size", &n, w->err);
    return rc < 0 ? rc : work_u32(w, ".feed_forward_length", 2 * n / 3);
}

static int add_neo_epsilon(struct arch_work *w) {
    double epsilon = 1e-6;
    int rc = work_f32(w, ".rope.freq_base", 10000);
    if (rc == 0)
        rc = work_str(w, ".rope.scaling.type", STR("none"));
    if (rc == 0)
        rc = hf_config_f64(&w->config, "norm_eps", &epsilon, w->err);
    return rc < 0 ? rc : work_f32(w, ".attention.layer_norm_rms_epsilon", epsilon);
}

static int add_activation(struct arch_work *w) {
    struct str name;
    return hf_config_str(&w->config, "hidden_activation", &name) && name.n
               ? work_str(w, ".hidden_activation", name)
               : 0;
}

static const struct hparam neo_hparams[] = {
    HPARAM_LIST(bert_hparams),
    HPARAM_CALL(add_two_thirds),
    HPARAM_CALL(add_neo_epsilon),
    HPARAM_FIXED(".pooling_type", 2), /* LLAMA_POOLING_TYPE_CLS */
    HPARAM_END,
};

static const struct hparam modern_hparams[] = {
    HPARAM_LIST(bert_hparams),
    HPARAM_NEED(".attention.sliding_window", "local_attention"),
    HPARAM_U32(".attention.sliding_window_pattern", "global_attn_every_n_layers"),
    HPARAM_TEXT(".rope.scaling.type", "none"),
    HPARAM_NEED(".vocab_size", "vocab_size"),
    HPARAM_CALL(add_activation),
    HPARAM_END,
};

static int add_euro(struct arch_work *w) {
    int rc = work_bool(w, ".attention.causal", false);
    if (rc == 0)
        rc = work_str(w, ".rope.scaling.type", STR("none"));
    return rc < 0 ? rc : hparam_pooling(w);
}

static const struct hparam euro_hparams[] = {
    HPARAM_LIST(hparams_text),
    HPARAM_CALL(add_euro),
    HPARAM_END,
};

static int add_no_bos(struct arch_work *w) {
    return work_bool(w, "tokenizer.ggml.add_bos_token", false);
}

static int add_all_special(struct arch_work *w) {
    int rc = work_bool(w, "tokenizer.ggml.add_bos_token", true);
    if (rc == 0)
        rc = work_bool(w, "tokenizer.ggml.add_eos_token", true);
    return rc < 0 ? rc : work_bool(w, "tokenizer.ggml.add_sep_token", true);
}

static const struct tokenizer_kind *const wordpiece[] = { &tokenizer_wordpiece, NULL };
static const struct tokenizer_kind *const bpe[] = { &tokenizer_gpt2, NULL };

static const struct name_edit model_edits[] = { { EDIT_START, "model.", "" }, OLD_NAMES, { 0 } };

static const struct arch archs[] = {
    { .gguf = "modern-bert",
      .some = "attn_norm", /* the first has none */
      .back = modern_back,
      .classes = "ModernBertModel ModernBertForMaskedLM ModernBertForSequenceClassification",
      .edits = model_edits,
      .rules = modern_rules,
      .hparams = modern_hparams,
      .own = bert_own,
      .tokenizers = bpe,
      .vocab = add_all_special },
    { .gguf = "neo-bert",
      .classes = "NeoBERT NeoBERTLMHead NeoBERTForSequenceClassification",
      .edits = model_edits,
      .rules = neo_rules,
      .hparams = neo_hparams,
      .own = bert_own,
      .tokenizers = wordpiece,
      .vocab = bert_add_token_types },
    { .gguf = "eurobert",
      .back = eurobert_back,
      .classes = "EuroBertModel JinaEmbeddingsV5Model",
      .edits = model_edits,
      .rules = euro_rules,
      .hparams = euro_hparams,
      .tokenizers = bpe,
      .vocab = add_no_bos },
    { 0 },
};

const struct family family_modern_bert = { classes, archs };
