/* SPDX-License-Identifier: Apache-2.0
 * formats/arch/deepseek_sparse.c - DeepSeek 3.2 and GLM-5, whose queries look at the keys that an
 * indexer chooses. Source: conversion/deepseek.py, glm.py; configuration_deepseek_v32.py,
 * _glm_moe_dsa.py. */
#include "formats/arch/deepseek.h"
#include "formats/arch/families.h"
#include "formats/tokenizer/tokenizer.h"

static const struct hf_class classes[] = {
    { .model_type = "deepseek_v32",
      .defaults = JSON_TEXT({
          "vocab_size" : 129280,
          "hidden_size" : 7168,
          "intermediate_size" : 18432,
          "num_hidden_layers" : 61,
          "num_attention_heads" : 128,
          "num_key_value_heads" : 128,
          "max_position_embeddings" : 163840,
          "rms_norm_eps" : 1e-6,
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
          "moe_intermediate_size" : 2048,
          "index_topk" : 2048,
          "index_head_dim" : 128,
          "index_n_heads" : 64,
          "head_dim" : null
      }),
      .kinds = "head_dim=i",
      .rope_theta = 10000,
      .fill = { { "head_dim", "qk_rope_head_dim", NULL } },
      .fill_when = { FILL_ALWAYS },
      .rename = { { "num_local_experts", "n_routed_experts" } } },
    { .model_type = "glm_moe_dsa",
      .defaults = JSON_TEXT({
          "vocab_size" : 154880,
          "hidden_size" : 6144,
          "intermediate_size" : 12288,
          "num_hidden_layers" : 78,
          "num_attention_heads" : 64,
          "num_key_value_heads" : 64,
          "max_position_embeddings" : 202752,
          "rms_norm_eps" : 1e-5,
          "first_k_dense_replace" : 3,
          "kv_lora_rank" : 512,
          "q_lora_rank" : 2048,
          "n_group" : 1,
          "n_routed_experts" : 256,
          "n_shared_experts" : 1,
          "qk_nope_head_dim" : 192,
          "qk_rope_head_dim" : 64,
          "routed_scaling_factor" : 2.5,
          "topk_group" : 1,
          "norm_topk_prob" : true,
          "v_head_dim" : 256,
          "num_experts_per_tok" : 8,
          "moe_intermediate_size" : 2048,
          "index_topk" : 2048,
          "index_head_dim" : 128,
          "index_n_heads" : 32,
          "head_dim" : null
      }),
      .kinds = "head_dim=i",
      .rope_theta = 10000,
      .fill = { { "head_dim", "qk_rope_head_dim", NULL } },
      .fill_when = { FILL_ALWAYS },
      .rename = { { "num_local_experts", "n_routed_experts" } } },
    { 0 },
};

static const struct tensor_rule rules[] = {
    DEEPSEEK2_RULES,
    SAME("model.layers.#.self_attn.indexer.k_norm", "blk.#.indexer.k_norm"),
    SAME("model.layers.#.self_attn.indexer.weights_proj", "blk.#.indexer.proj"),
    SAME("model.layers.#.self_attn.indexer.wk", "blk.#.indexer.attn_k"),
    SAME("model.layers.#.self_attn.indexer.wq_b", "blk.#.indexer.attn_q_b"),
    RULES_END,
};

static const struct hparam hparams[] = {
    HPARAM_LIST(deepseek2_hparams),
    HPARAM_CALL(hparam_mtp_blocks),
    HPARAM_NEED(".attention.indexer.head_count", "index_n_heads"),
    HPARAM_NEED(".attention.indexer.key_length", "index_head_dim"),
    HPARAM_NEED(".attention.indexer.top_k", "index_topk"),
    HPARAM_END,
};

/* Blocks with an indexer of their own; the others use that of one before. transformers' class makes
 * the list of a pattern, or of a frequency, where it is not there. */
static int add_types(struct arch_work *w) {
    const struct json *types = hf_config_json(&w->config, "indexer_types");
    const uint64_t n = json_len(types) ? json_len(types) : w->n_layer - w->n_mtp;
    uint64_t freq = 1, offset = 2;
    struct str pattern = { NULL, 0 }, type;
    uint8_t *own = arena_array(w->form->arena, uint8_t, n + 1);
    if (!own)
        return work_no_memory(w);
    if (!json_len(types) && !w->config.cls)
        return 0;
    hf_config_str(&w->config, "index_topk_pattern", &pattern);
    int rc = hf_config_u64(&w->config, "index_topk_freq", &freq, w->err);
    if (rc >= 0)
        rc = hf_config_u64(&w->config, "index_skip_topk_offset", &offset, w->err);
    for (uint64_t i = 0; i < n; i++)
        if (json_len(types))
            own[i] = json_str(json_at(types, i), &type) && str_is(type, "full");
        else if (pattern.p)
            own[i] = i < pattern.n && pattern.p[i] == 'F';
        else
            own[i] = i < offset || (i - offset + 1) % (freq ? freq : 1) == 0;
    return rc < 0 || !n ? rc : work_array(w, ".attention.indexer.types", KV_BOOL, own, n);
}

static int add_turned(struct arch_work *w) {
    const double part = w->rope.has_partial ? w->rope.partial : 1;
    uint64_t dim;
    int rc = hf_config_need(&w->config, "qk_rope_head_dim", &dim, w->err);
    return rc < 0 || !(part >= 0 && part <= 1)
               ? rc
               : work_u32(w, ".rope.dimension_count", (uint64_t)((double)dim * part));
}

static const struct hparam glm_hparams[] = {
    HPARAM_LIST(hparams),
    HPARAM_CALL(add_turned),
    HPARAM_CALL(add_types),
    HPARAM_END,
};

static const struct tokenizer_kind *const bpe[] = { &tokenizer_gpt2, NULL };

#define SPARSE_ROW                                                      \
    .rules = rules, .own = deepseek_own, .own_back = deepseek_back_own, \
    .experts = "n_routed_experts", .mtp = "num_nextn_predict_layers", .tokenizers = bpe

static const struct arch archs[] = {
    { SPARSE_ROW, .gguf = "deepseek32", .back = deepseek32_back,
      .classes = "DeepseekV32ForCausalLM", .hparams = hparams },
    { SPARSE_ROW, .gguf = "glm-dsa", .back = glm_dsa_back, .some = "indexer.",
      .classes = "GlmMoeDsaForCausalLM", .hparams = glm_hparams, .tokens = decoder_glm_tokens },
    { 0 },
};

const struct family family_deepseek_sparse = { classes, archs };
