/* SPDX-License-Identifier: Apache-2.0
 * formats/arch/ernie.c - ERNIE 4.5, dense and with experts, and Seed-OSS, which only renames.
 * Source: conversion/ernie.py, olmo.py; configuration_ernie4_5.py, _ernie4_5_moe.py, _seed_oss.py.
 */
#include "formats/arch/back.h"
#include "formats/arch/decoder.h"
#include "formats/arch/families.h"
#include "formats/arch/reverse.h"
#include "formats/tokenizer/tokenizer.h"

static const struct hf_class classes[] = {
    { .model_type = "ernie4_5",
      .defaults = JSON_TEXT({
          "vocab_size" : 103424,
          "hidden_size" : 1024,
          "intermediate_size" : 3072,
          "num_hidden_layers" : 18,
          "num_attention_heads" : 16,
          "num_key_value_heads" : 2,
          "max_position_embeddings" : 131072,
          "rms_norm_eps" : 1e-5,
          "head_dim" : 128
      }),
      .kinds = "use_cache=bn",
      .rope_theta = 500000,
      .fill = { { "num_key_value_heads", "num_attention_heads", NULL },
                { "head_dim", "hidden_size", "num_attention_heads" } } },
    { .model_type = "paddleocr_vl_text",
      .defaults = JSON_TEXT({
          "vocab_size" : 103424,
          "hidden_size" : 1024,
          "intermediate_size" : 3072,
          "num_hidden_layers" : 18,
          "num_attention_heads" : 16,
          "num_key_value_heads" : 2,
          "max_position_embeddings" : 131072,
          "rms_norm_eps" : 1e-5,
          "head_dim" : 128
      }),
      .kinds = "use_cache=bn",
      .optional = "num_key_value_heads head_dim",
      .rope_theta = 500000,
      .fill = { { "num_key_value_heads", "num_attention_heads", NULL },
                { "head_dim", "hidden_size", "num_attention_heads" } } },
    { .model_type = "ernie4_5_moe",
      .defaults = JSON_TEXT({
          "vocab_size" : 103424,
          "hidden_size" : 2560,
          "intermediate_size" : 12288,
          "num_hidden_layers" : 28,
          "num_attention_heads" : 20,
          "num_key_value_heads" : 4,
          "max_position_embeddings" : 131072,
          "rms_norm_eps" : 1e-5,
          "moe_intermediate_size" : 1536,
          "moe_k" : 6,
          "moe_num_experts" : 64,
          "moe_num_shared_experts" : 2,
          "moe_layer_start_index" : 1,
          "moe_layer_interval" : 1
      }),
      .kinds = "moe_layer_start_index=in moe_layer_interval=in",
      .optional = "num_key_value_heads moe_k moe_num_experts moe_num_shared_experts "
                  "moe_layer_start_index moe_layer_interval",
      .rope_theta = 500000,
      .rename = { { "num_experts", "moe_num_experts" }, { "num_experts_per_tok", "moe_k" } } },
    { .model_type = "seed_oss",
      .defaults = JSON_TEXT({
          "vocab_size" : 155136,
          "hidden_size" : 4096,
          "intermediate_size" : 27648,
          "num_hidden_layers" : 64,
          "num_attention_heads" : 80,
          "num_key_value_heads" : 8,
          "max_position_embeddings" : 524288,
          "rms_norm_eps" : 1e-6,
          "head_dim" : 128
      }),
      .kinds = "head_dim=i",
      .rope_theta = 10000,
      .fill = { { "num_key_value_heads", "num_attention_heads", NULL } } },
    { 0 },
};

static const struct tensor_rule rules[] = {
    DECODER_ENDS, DECODER_NORMS, DECODER_ATTENTION(OP_SAME, OP_SAME), DECODER_MLP, RULES_END,
};

static const struct tensor_rule seed_rules[] = {
    DECODER_ENDS,
    SAME("model.layers.#.input_layernorm", "blk.#.attn_norm"),
    SAME("model.layers.#.post_attention_layernorm", "blk.#.post_attention_norm"),
    DECODER_ATTENTION(OP_SAME, OP_SAME),
    DECODER_MLP,
    RULES_END,
};

static const struct tensor_rule moe_rules[] = {
    DECODER_ENDS,
    DECODER_NORMS,
    DECODER_ATTENTION(OP_SAME, OP_SAME),
    DECODER_MLP,
    SAME("model.layers.#.mlp.gate", "blk.#.ffn_gate_inp"),
    { "model.layers.#.mlp.moe_statics.e_score_correction", "blk.#.exp_probs_b", OP_OWN, NULL },
    { "model.layers.#.mlp.experts.*.gate_proj", "blk.#.ffn_gate_exps", OP_EXPERT, NULL },
    { "model.layers.#.mlp.experts.*.up_proj", "blk.#.ffn_up_exps", OP_EXPERT, NULL },
    { "model.layers.#.mlp.experts.*.down_proj", "blk.#.ffn_down_exps", OP_EXPERT, NULL },
    DECODER_SHARED("mlp.shared_experts"),
    { "model.mtp_block.~", NULL, OP_DROP, NULL },
    { "model.mtp_emb_norm.~", NULL, OP_DROP, NULL },
    { "model.mtp_hidden_norm.~", NULL, OP_DROP, NULL },
    { "model.mtp_linear_proj.~", NULL, OP_DROP, NULL },
    RULES_END,
};

/* A matrix of one row there, a vector here. */
static int own_statics(struct arch_work *w, const struct tensor *t, const struct tensor_rule *rule,
                       const struct name_match *match) {
    const struct tensor_rule same = { rule->hf, rule->gguf, OP_SAME, NULL };
    return op_to_gguf(w, t, &same, match);
}

static int back_statics(struct reverse *r, const struct tensor *t, const struct tensor_rule *rule,
                        const struct name_match *match) {
    struct arena *a = r->form->arena;
    const uint64_t dims[2] = { 1, t->elems };
    return reverse_target(r, name_build(a, rule->hf, match), t, dims, 2, expr_tensor(a, t));
}

static int add_shared(struct arch_work *w) {
    uint64_t n, inner, kv;
    int rc = hf_config_u64(&w->config, "moe_num_shared_experts", &n, w->err);
    if (rc > 0 && (rc = work_u32(w, ".expert_shared_count", n)) == 0 && n) {
        rc = hf_config_u64(&w->config, "intermediate_size", &inner, w->err);
        if (rc > 0)
            rc = hf_config_u64(&w->config, "num_key_value_heads", &kv, w->err);
        if (rc > 0 && kv)
            rc = work_u32(w, ".expert_shared_feed_forward_length", inner / kv);
    }
    return rc < 0 ? rc : 0;
}

static const struct hparam moe_hparams[] = {
    HPARAM_LIST(hparams_text),
    HPARAM_NEED(".expert_count", "moe_num_experts"),
    HPARAM_NEED(".expert_used_count", "moe_k"),
    HPARAM_NEED(".interleave_moe_layer_step", "moe_layer_interval"),
    HPARAM_NEED(".leading_dense_block_count", "moe_layer_start_index"),
    HPARAM_U32(".expert_feed_forward_length", "moe_intermediate_size"),
    HPARAM_CALL(add_shared),
    HPARAM_END,
};

static const struct name_edit edits[] = { { EDIT_ANYWHERE, "ernie.", "model." }, { 0 } };
static const struct tokenizer_kind *const spm[] = { &tokenizer_spm, NULL };
static const struct tokenizer_kind *const bpe[] = { &tokenizer_gpt2, NULL };

static void say_bias(struct back *w) {
    back_bool(w, "use_bias", back_has_tensor(w, "blk.0.attn_q.bias"));
}

static void say_seed_biases(struct back *w) {
    back_biases(w);
    back_bool(w, "attention_out_bias", back_has_tensor(w, "blk.0.attn_output.bias"));
}

static const struct hparam moe_pairs[] = {
    HPARAM_U32(".expert_shared_count", "moe_num_shared_experts"), HPARAM_END
};
static const struct arch_back back[] = { { "ernie4_5", "Ernie4_5ForCausalLM", .more = say_bias },
                                         { 0 } };
static const struct arch_back moe_back[] = {
    { "ernie4_5_moe", "Ernie4_5_MoeForCausalLM", .pairs = moe_pairs, .more = say_bias }, { 0 }
};
static const struct arch_back seed_back[] = {
    { "seed_oss", "SeedOssForCausalLM", .more = say_seed_biases }, { 0 }
};

static const struct arch archs[] = {
    { .gguf = "ernie4_5",
      .back = back,
      .classes = "Ernie4_5_ForCausalLM Ernie4_5ForCausalLM",
      .edits = edits,
      .rules = rules,
      .hparams = hparams_text,
      .tokenizers = spm,
      .after = decoder_space_prefix },
    { .gguf = "paddleocr", /* with texts alone, ERNIE 4.5 */
      .back = back,
      .classes = "PaddleOCRVLForConditionalGeneration",
      .edits = edits,
      .rules = rules,
      .hparams = hparams_text,
      .tokenizers = spm,
      .after = decoder_space_prefix },
    { .gguf = "ernie4_5-moe",
      .back = moe_back,
      .classes = "Ernie4_5_MoeForCausalLM",
      .edits = edits,
      .rules = moe_rules,
      .own = own_statics,
      .own_back = back_statics,
      .hparams = moe_hparams,
      .experts = "moe_num_experts",
      .tokenizers = spm,
      .after = decoder_space_prefix },
    { .gguf = "seed_oss",
      .back = seed_back,
      .classes = "SeedOssForCausalLM",
      .rules = seed_rules,
      .hparams = hparams_text,
      .tokenizers = bpe },
    { 0 },
};

const struct family family_ernie = { classes, archs };
