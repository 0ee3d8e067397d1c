/* SPDX-License-Identifier: Apache-2.0
 * formats/arch/deepseek.c - DeepSeek 1, 2 and 3, and what has their attention over a latent vector
 * (MLA), Mistral 4 too. Source: conversion/deepseek.py, glm.py, mistral3.py;
 * configuration_deepseek_v2.py, _deepseek_v3.py, _glm4_moe_lite.py, _mistral4.py. */
#include "formats/arch/deepseek.h"
#include "formats/arch/families.h"
#include "formats/tokenizer/tokenizer.h"
#include <errno.h>

static const struct hf_class classes[] = {
    { .model_type = "deepseek_v2",
      .defaults = JSON_TEXT({
          "vocab_size" : 102400,
          "hidden_size" : 4096,
          "intermediate_size" : 11008,
          "num_hidden_layers" : 32,
          "num_attention_heads" : 32,
          "num_key_value_heads" : null,
          "max_position_embeddings" : 2048,
          "rms_norm_eps" : 1e-6,
          "head_dim" : null,
          "first_k_dense_replace" : 0,
          "kv_lora_rank" : 512,
          "q_lora_rank" : 1536,
          "n_group" : null,
          "n_routed_experts" : 64,
          "n_shared_experts" : 2,
          "qk_nope_head_dim" : 128,
          "qk_rope_head_dim" : 64,
          "routed_scaling_factor" : 1.0,
          "topk_group" : null,
          "norm_topk_prob" : false,
          "v_head_dim" : 128,
          "num_experts_per_tok" : null,
          "moe_intermediate_size" : 1407
      }),
      .kinds = "attention_dropout=fn",
      .optional = "q_lora_rank norm_topk_prob",
      .rope_theta = 10000,
      .fill = { { "num_key_value_heads", "num_attention_heads", NULL },
                { "head_dim", "qk_rope_head_dim", NULL } },
      .fill_when = { FILL_NULL, FILL_ALWAYS },
      .even_heads = true,
      .rename = { { "num_experts", "n_routed_experts" } } },
    { .model_type = "deepseek_v3",
      .defaults = JSON_TEXT({
          "vocab_size" : 129280,
          "hidden_size" : 7168,
          "intermediate_size" : 18432,
          "num_hidden_layers" : 61,
          "num_attention_heads" : 128,
          "num_key_value_heads" : 128,
          "max_position_embeddings" : 4096,
          "rms_norm_eps" : 1e-6,
          "head_dim" : null,
          "first_k_dense_replace" : 3,
          "kv_lora_rank" : 512,
          "q_lora_rank" : 1536,
          "n_group" : 8,
          "n_routed_experts" : 256,
          "n_shared_experts" : 1,
          "qk_nope_head_dim" : 128,
          "qk_rope_head_dim" : 64,
          "routed_scaling_factor" : 2.5,
          "topk_group" : 4,
          "norm_topk_prob" : true,
          "v_head_dim" : 128,
          "num_experts_per_tok" : 8,
          "moe_intermediate_size" : 2048
      }),
      .kinds = "attention_dropout=fin v_head_dim=in num_experts_per_tok=in",
      .optional = "first_k_dense_replace q_lora_rank n_group topk_group norm_topk_prob "
                  "v_head_dim num_experts_per_tok",
      .rope_theta = 10000,
      .fill = { { "num_key_value_heads", "num_attention_heads", NULL },
                { "head_dim", "qk_rope_head_dim", NULL } },
      .fill_when = { FILL_NULL, FILL_ABSENT },
      .rename = { { "num_local_experts", "n_routed_experts" },
                  { "num_mtp_layers", "num_nextn_predict_layers" } } },
    { .model_type = "glm4_moe_lite",
      .defaults = JSON_TEXT({
          "vocab_size" : 154880,
          "hidden_size" : 2048,
          "intermediate_size" : 10240,
          "num_hidden_layers" : 47,
          "num_attention_heads" : 20,
          "num_key_value_heads" : 20,
          "max_position_embeddings" : 202752,
          "rms_norm_eps" : 1e-5,
          "kv_lora_rank" : 512,
          "q_lora_rank" : 768,
          "n_group" : 1,
          "n_routed_experts" : 64,
          "n_shared_experts" : 1,
          "qk_nope_head_dim" : 192,
          "qk_rope_head_dim" : 64,
          "routed_scaling_factor" : 1.8,
          "topk_group" : 1,
          "norm_topk_prob" : true,
          "v_head_dim" : 256,
          "num_experts_per_tok" : 4,
          "moe_intermediate_size" : 1536
      }),
      .optional = "q_lora_rank",
      .rope_theta = 10000,
      .rename = { { "num_local_experts", "n_routed_experts" },
                  { "head_dim", "qk_rope_head_dim" } } },
    { .model_type = "mistral4",
      .defaults = JSON_TEXT({
          "vocab_size" : 131072,
          "hidden_size" : 4096,
          "intermediate_size" : 12288,
          "num_hidden_layers" : 36,
          "num_attention_heads" : 32,
          "num_key_value_heads" : 32,
          "max_position_embeddings" : 1048576,
          "rms_norm_eps" : 1e-6,
          "head_dim" : null,
          "first_k_dense_replace" : 0,
          "kv_lora_rank" : 256,
          "q_lora_rank" : 1024,
          "n_group" : 1,
          "n_routed_experts" : 128,
          "n_shared_experts" : 1,
          "qk_nope_head_dim" : 64,
          "qk_rope_head_dim" : 64,
          "routed_scaling_factor" : 1.0,
          "topk_group" : 1,
          "norm_topk_prob" : true,
          "v_head_dim" : 128,
          "num_experts_per_tok" : 4,
          "moe_intermediate_size" : 2048,
          "rope_parameters" : {
              "type" : "yarn",
              "rope_theta" : 10000.0,
              "factor" : 128.0,
              "original_max_position_embeddings" : 8192,
              "beta_fast" : 32.0,
              "beta_slow" : 1.0,
              "mscale_all_dim" : 1.0
          }
      }),
      .kinds = "attention_dropout=fin first_k_dense_replace=in num_experts_per_tok=in",
      .optional = "num_key_value_heads q_lora_rank v_head_dim n_group topk_group "
                  "num_experts_per_tok first_k_dense_replace norm_topk_prob",
      .rope_theta = 10000,
      .fill = { { "num_key_value_heads", "num_attention_heads", NULL },
                { "head_dim", "qk_rope_head_dim", NULL } },
      .fill_when = { FILL_NULL, FILL_ABSENT },
      .rename = { { "num_local_experts", "n_routed_experts" } } },
    { 0 },
};

static const struct tensor_rule rules1[] = {
    DECODER_ENDS,
    DECODER_NORMS,
    DECODER_ATTENTION(OP_PERMUTE_Q, OP_PERMUTE_K),
    DECODER_MLP,
    DECODER_MOE("mlp.experts", "mlp.shared_experts"),
    RULES_END,
};

static const struct tensor_rule rules[] = { DEEPSEEK2_RULES, RULES_END };

static const struct tensor_rule mistral4_rules[] = {
    { "model.layers.#.mlp.experts.gate_up_proj", "blk.#.ffn_gate_up_exps", OP_EXPERTS, NULL },
    { "model.layers.#.mlp.experts.down_proj", "blk.#.ffn_down_exps", OP_EXPERTS, NULL },
    DEEPSEEK2_RULES,
    RULES_END,
};

/* Keys and values out of the latent vector, one behind the other in each head: keys are turned
 * over, so that they can be multiplied into the query. */
int deepseek_own(struct arch_work *w, const struct tensor *t, const struct tensor_rule *rule,
                 const struct name_match *match) {
    struct arena *a = w->form->arena;
    const uint64_t heads = w->n_head_kv, rank = t->dims[1];
    uint64_t nope, value;
    int rc = hf_config_need(&w->config, "qk_nope_head_dim", &nope, w->err);
    if (rc == 0)
        rc = hf_config_need(&w->config, "v_head_dim", &value, w->err);
    if (rc < 0)
        return rc;
    if (t->n_dims != 2 || !heads || !nope || !value || !rank || t->dims[0] % heads ||
        nope > t->dims[0] || value > t->dims[0] || nope + value != t->dims[0] / heads)
        return err_set(w->err, -EBADMSG,
                       "tensor %.*s: its rows are not those of config.json's heads",
                       STR_ARG(t->name));
    const uint64_t k_dims[3] = { heads, rank, nope }, v_dims[3] = { heads, value, rank };
    const struct expr *all = expr_tensor(a, t);
    const struct row_map k = { 0, 2, { heads, nope }, { nope + value, 1 } };
    const struct row_map v = { nope, 2, { heads, value }, { nope + value, 1 } };
    rc = work_target(w, name_build(a, rule->gguf, match), k_dims, 3,
                     expr_transpose(a, expr_rows(a, all, k), nope));
    return rc < 0 ? rc
                  : work_target(w, name_build(a, rule->second, match), v_dims, 3,
                                expr_rows(a, all, v));
}

static int add_scale_one(struct arch_work *w) {
    return work_f32(w, ".expert_weights_scale", 1);
}

static const struct hparam hparams1[] = {
    HPARAM_LIST(hparams_text),
    HPARAM_CALL(decoder_rope_dimension),
    HPARAM_TEXT(".rope.scaling.type", "none"),
    HPARAM_NEED(".leading_dense_block_count", "first_k_dense_replace"),
    HPARAM_NEED(".vocab_size", "vocab_size"),
    HPARAM_NEED(".expert_feed_forward_length", "moe_intermediate_size"),
    HPARAM_CALL(add_scale_one),
    HPARAM_NEED(".expert_count", "n_routed_experts"),
    HPARAM_NEED(".expert_shared_count", "n_shared_experts"),
    HPARAM_END,
};

/* How many of the first blocks have no experts. */
static int add_dense_blocks(struct arch_work *w) {
    uint64_t dense, experts;
    int rc = hf_config_u64(&w->config, "first_k_dense_replace", &dense, w->err);
    if (rc == 0) {
        rc = hf_config_u64(&w->config, "n_routed_experts", &experts, w->err);
        dense = rc > 0 ? 0 : w->n_layer - w->n_mtp;
    }
    return rc < 0 ? rc : work_u32(w, ".leading_dense_block_count", dense);
}

static int add_lengths(struct arch_work *w) {
    uint64_t rank = 512, nope, rope, value;
    int rc = hf_config_u64(&w->config, "kv_lora_rank", &rank, w->err);
    if (rc >= 0)
        rc = hf_config_need(&w->config, "qk_nope_head_dim", &nope, w->err);
    if (rc == 0)
        rc = hf_config_need(&w->config, "qk_rope_head_dim", &rope, w->err);
    if (rc == 0)
        rc = hf_config_need(&w->config, "v_head_dim", &value, w->err);
    if (rc == 0 && (rank > UINT32_MAX || nope > UINT32_MAX || rope > UINT32_MAX))
        rc = err_set(w->err, -EBADMSG, "config.json: \"kv_lora_rank\" does not fit");
    if (rc == 0)
        rc = work_u32(w, ".attention.kv_lora_rank", rank);
    if (rc == 0)
        rc = work_u32(w, ".attention.key_length", rank + rope);
    if (rc == 0)
        rc = work_u32(w, ".attention.value_length", rank);
    if (rc == 0)
        rc = work_u32(w, ".attention.key_length_mla", nope + rope);
    return rc < 0 ? rc : work_u32(w, ".attention.value_length_mla", value);
}

static int add_shared_count(struct arch_work *w) {
    uint64_t n = 0;
    int rc = hf_config_u64(&w->config, "n_shared_experts", &n, w->err);
    return rc < 0 ? rc : work_u32(w, ".expert_shared_count", n);
}

static int add_norm(struct arch_work *w) {
    return hf_config_bool(&w->config, "norm_topk_prob", false)
               ? work_bool(w, ".expert_weights_norm", true)
               : 0;
}

static int add_yarn_log(struct arch_work *w) {
    double scale;
    return json_f64(json_get(w->rope.params, "mscale_all_dim"), &scale)
               ? work_f32(w, ".rope.scaling.yarn_log_multiplier", 0.1 * scale)
               : 0;
}

const struct hparam deepseek2_hparams[] = {
    HPARAM_LIST(hparams_text),
    HPARAM_FIXED(".attention.head_count_kv", 1), /* all heads share the latent vector */
    HPARAM_CALL(add_dense_blocks),
    HPARAM_NEED(".vocab_size", "vocab_size"),
    HPARAM_U32(".attention.q_lora_rank", "q_lora_rank"),
    HPARAM_CALL(add_lengths),
    HPARAM_NEED(".expert_feed_forward_length", "moe_intermediate_size intermediate_size"),
    HPARAM_U32(".expert_count", "n_routed_experts"),
    HPARAM_CALL(add_shared_count),
    HPARAM_F32(".expert_weights_scale", "routed_scaling_factor"),
    HPARAM_CALL(add_norm),
    HPARAM_NEED(".rope.dimension_count", "qk_rope_head_dim"),
    HPARAM_CALL(add_yarn_log),
    HPARAM_END,
};

static const struct hparam lite_hparams[] = {
    HPARAM_LIST(deepseek2_hparams),
    HPARAM_CALL(hparam_mtp_any),
    HPARAM_END,
};

static bool is_mistral4(const struct arch_work *w) {
    struct str type;
    return hf_config_str(&w->config, "model_type", &type) && str_is(type, "mistral4");
}

static const struct tokenizer_kind *const either[] = { &tokenizer_spm, &tokenizer_gpt2, NULL };
static const struct tokenizer_kind *const bpe[] = { &tokenizer_gpt2, NULL };

static const struct arch archs[] = {
    { .gguf = "deepseek",
      .back = deepseek1_back,
      .classes = "DeepseekForCausalLM",
      .rules = rules1,
      .hparams = hparams1,
      .experts = "n_routed_experts",
      .tokenizers = either },
    { .gguf = "deepseek2",
      .back = deepseek2_back,
      .classes = "DeepseekV2ForCausalLM DeepseekV3ForCausalLM KimiVLForConditionalGeneration "
                 "KimiK25ForConditionalGeneration YoutuForCausalLM "
                 "YoutuVLForConditionalGeneration",
      .rules = rules,
      .own = deepseek_own,
      .own_back = deepseek_back_own,
      .hparams = deepseek2_hparams,
      .experts = "n_routed_experts",
      .skip_mtp = true,
      .tokenizers = bpe },
    { .gguf = "deepseek2",
      .classes = "Glm4MoeLiteForCausalLM",
      .rules = rules,
      .own = deepseek_own,
      .hparams = lite_hparams,
      .experts = "n_routed_experts",
      .mtp = "num_nextn_predict_layers",
      .skip_mtp = true,
      .tokens = decoder_glm_tokens,
      .tokenizers = bpe },
    { .gguf = "mistral4", /* llama_kin.c has the others of this class */
      .classes = "Mistral3ForConditionalGeneration",
      .when = is_mistral4,
      .back = mistral4_back,
      .rules = mistral4_rules,
      .own = deepseek_own,
      .own_back = deepseek_back_own,
      .hparams = deepseek2_hparams,
      .tokenizers = bpe },
    { 0 },
};

const struct family family_deepseek = { classes, archs };
