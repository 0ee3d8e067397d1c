/* SPDX-License-Identifier: Apache-2.0
 * formats/arch/glm.c - ChatGLM, GLM-4, and GLM-4.5 with experts. Source: conversion/chatglm.py,
 * glm.py; configuration_glm.py, _glm4.py, _glm4_moe.py, _glm4v_moe.py. */
#include "formats/arch/back.h"
#include "formats/arch/families.h"
#include "formats/arch/glm.h"
#include "formats/tokenizer/tokenizer.h"

#define GLM_CLASS(type)                                                  \
    {                                                                    \
        .model_type = type, .defaults = JSON_TEXT({                      \
                                "vocab_size" : 151552,                   \
                                "hidden_size" : 4096,                    \
                                "intermediate_size" : 13696,             \
                                "num_hidden_layers" : 40,                \
                                "num_attention_heads" : 32,              \
                                "num_key_value_heads" : 2,               \
                                "max_position_embeddings" : 131072,      \
                                "rms_norm_eps" : 0.00000015625,          \
                                "head_dim" : 128                         \
                            }),                                          \
        .optional = "num_key_value_heads head_dim", .rope_theta = 10000, \
        .partial_rotary_factor = 0.5                                     \
    }

static const struct hf_class classes[] = {
    GLM_CLASS("glm"),
    GLM_CLASS("glm4"),
    { .model_type = "glm4_moe",
      .defaults = JSON_TEXT({
          "vocab_size" : 151552,
          "hidden_size" : 4096,
          "intermediate_size" : 10944,
          "num_hidden_layers" : 46,
          "num_attention_heads" : 96,
          "num_key_value_heads" : 8,
          "max_position_embeddings" : 131072,
          "rms_norm_eps" : 1e-5,
          "moe_intermediate_size" : 1408,
          "num_experts_per_tok" : 8,
          "n_shared_experts" : 1,
          "n_routed_experts" : 128,
          "routed_scaling_factor" : 1.0,
          "n_group" : 1,
          "topk_group" : 1,
          "first_k_dense_replace" : 1,
          "norm_topk_prob" : true,
          "num_nextn_predict_layers" : 1
      }),
      .optional = "num_nextn_predict_layers",
      .rope_theta = 10000,
      .partial_rotary_factor = 0.5,
      .rename = { { "num_local_experts", "n_routed_experts" },
                  { "num_mtp_layers", "num_nextn_predict_layers" } } },
    { .model_type = "glm4v_moe_text",
      .defaults = JSON_TEXT({
          "vocab_size" : 151424,
          "hidden_size" : 4096,
          "intermediate_size" : 10944,
          "num_hidden_layers" : 46,
          "num_attention_heads" : 96,
          "num_key_value_heads" : 8,
          "max_position_embeddings" : 65536,
          "rms_norm_eps" : 1e-5,
          "moe_intermediate_size" : 1408,
          "num_experts_per_tok" : 8,
          "n_shared_experts" : 1,
          "n_routed_experts" : 128,
          "routed_scaling_factor" : 1.0,
          "n_group" : 1,
          "topk_group" : 1,
          "first_k_dense_replace" : 1,
          "norm_topk_prob" : true
      }),
      .rope_theta = 10000,
      .partial_rotary_factor = 0.5,
      .rename = { { "num_local_experts", "n_routed_experts" } } },
    { 0 },
};

static const struct tensor_rule glm4_rules[] = { GLM4_RULES(OP_SAME, OP_SAME), RULES_END };

static const struct tensor_rule moe_rules[] = {
    DECODER_ENDS,
    SAME("model.layers.#.input_layernorm", "blk.#.attn_norm"),
    SAME("model.layers.#.post_attention_layernorm", "blk.#.post_attention_norm"),
    DECODER_ATTENTION(OP_SAME, OP_SAME),
    DECODER_QK_NORMS,
    DECODER_MLP,
    DECODER_MOE("mlp.experts", "mlp.shared_experts"),
    DECODER_MTP,
    RULES_END,
};

/* Of models whose queries, keys and values are in one. */
#define FUSED(hf, gguf) \
    { hf, gguf, OP_SAME, "blk.0.attn_qkv" }

static const struct tensor_rule chatglm_rules[] = {
    FUSED("embedding.word_embeddings", "token_embd"),
    FUSED("encoder.final_layernorm", "output_norm"),
    FUSED("output_layer", "output"),
    FUSED("encoder.layers.#.input_layernorm", "blk.#.attn_norm"),
    SAME("encoder.layers.#.self_attention.query_key_value", "blk.#.attn_qkv"),
    FUSED("encoder.layers.#.self_attention.dense", "blk.#.attn_output"),
    FUSED("encoder.layers.#.post_attention_layernorm", "blk.#.ffn_norm"),
    FUSED("encoder.layers.#.mlp.dense_h_to_4h", "blk.#.ffn_up"),
    FUSED("encoder.layers.#.mlp.dense_4h_to_h", "blk.#.ffn_down"),
    /* as transformers has them */
    DECODER_ENDS,
    DECODER_NORMS,
    DECODER_ATTENTION(OP_SAME, OP_SAME),
    SAME("model.layers.#.mlp.gate_up_proj", "blk.#.ffn_up"),
    SAME("model.layers.#.mlp.down_proj", "blk.#.ffn_down"),
    RULES_END,
};

/* "attention_dim" or hidden_size / num_attention_heads, half of it; and the base. */
static int add_chatglm_rope(struct arch_work *w) {
    const double part = w->rope.has_partial ? w->rope.partial : 0.5;
    uint64_t dim, hidden, heads;
    double ratio = 1;
    int rc = hf_config_u64(&w->config, "attention_dim", &dim, w->err);
    if (rc == 0) {
        rc = hf_config_need(&w->config, "hidden_size", &hidden, w->err);
        if (rc == 0)
            rc = hf_config_need(&w->config, "num_attention_heads", &heads, w->err);
        dim = rc == 0 && heads ? hidden / heads : 0;
    }
    if (rc >= 0 && part >= 0 && part <= 16)
        rc = work_u32(w, ".rope.dimension_count", (uint64_t)((double)dim * part));
    if (rc == 0)
        rc = work_bool(w, "tokenizer.ggml.add_bos_token", false);
    if (rc == 0)
        rc = hf_config_f64(&w->config, "rope_ratio", &ratio, w->err);
    return rc < 0 ? rc : work_f32(w, ".rope.freq_base", 10000 * ratio);
}

static int add_epsilon(struct arch_work *w) {
    double epsilon = 1e-5;
    int rc = hf_config_f64(&w->config, "layernorm_epsilon", &epsilon, w->err);
    return rc < 0 ? rc : work_f32(w, ".attention.layer_norm_rms_epsilon", epsilon);
}

static int add_inner(struct arch_work *w) {
    uint64_t n;
    int rc = hf_config_u64(&w->config, "ffn_hidden_size intermediate_size", &n, w->err);
    if (rc == 0) {
        rc = hf_config_need(&w->config, "hidden_size n_embed", &n, w->err);
        n *= 4;
    }
    return rc < 0 ? rc : work_u32(w, ".feed_forward_length", n);
}

const struct hparam glm4_hparams[] = {
    HPARAM_LIST(hparams_text),
    HPARAM_CALL(decoder_half_rope),
    HPARAM_END,
};

static const struct hparam moe_hparams[] = {
    HPARAM_LIST(hparams_text),
    HPARAM_CALL(decoder_half_rope),
    HPARAM_U32(".expert_count", "n_routed_experts"),
    HPARAM_U32(".expert_feed_forward_length", "moe_intermediate_size"),
    HPARAM_U32(".expert_shared_count", "n_shared_experts"),
    HPARAM_U32(".leading_dense_block_count", "first_k_dense_replace"),
    HPARAM_FIXED(".expert_gating_func", EXPERT_GATING_SIGMOID),
    HPARAM_F32(".expert_weights_scale", "routed_scaling_factor"),
    HPARAM_BOOL(".expert_weights_norm", "norm_topk_prob"),
    HPARAM_CALL(hparam_mtp_blocks),
    HPARAM_END,
};

static const struct hparam chatglm_hparams[] = {
    HPARAM_NEED(".context_length", "seq_length hidden_size n_embed"),
    HPARAM_NEED(".embedding_length", "hidden_size n_embed"),
    HPARAM_CALL(add_inner),
    HPARAM_NEED(".block_count", "n_layers num_hidden_layers n_layer num_layers"),
    HPARAM_NEED(".attention.head_count", "n_head num_attention_heads"),
    HPARAM_NEED(".attention.head_count_kv",
                "multi_query_group_num num_key_value_heads n_head num_attention_heads"),
    HPARAM_CALL(add_epsilon),
    HPARAM_CALL(hparam_file_type),
    HPARAM_CALL(add_chatglm_rope),
    HPARAM_END,
};

const struct named_token glm4_tokens[] = {
    NAMED_TOKEN("eos", "<|endoftext|>"),
    NAMED_TOKEN("eot", "<|user|>"),
    NAMED_TOKEN("unk", "<|endoftext|>"),
    NAMED_TOKEN("bos", "<|endoftext|>"),
    { 0 },
};

static const struct named_token chatglm_tokens[] = {
    NAMED_TOKEN("eos", "<|endoftext|>"),
    NAMED_TOKEN("eot", "<|user|>"),
    NAMED_TOKEN("unk", "<|endoftext|>"),
    { 0 },
};

const struct named_token decoder_glm_tokens[] = {
    NAMED_TOKEN("bos", "[gMASK]"),
    NAMED_TOKEN("eot", "<|user|>"),
    NAMED_TOKEN("unk", "<|endoftext|>"),
    NAMED_TOKEN("eom", "<|observation|>"),
    { 0 },
};

static const struct name_edit edits[] = { { EDIT_START, "transformer.", "" }, { 0 } };
static const struct tokenizer_kind *const bpe[] = { &tokenizer_gpt2, NULL };

static const char fused_code[] = "ChatGLM's own code, which is not in transformers, has them fused";

static bool is_fused(const struct back *w) {
    return back_has_tensor(w, "blk.0.attn_qkv.weight");
}

static void say_glm_moe(struct back *w) {
    back_bool(w, "use_qk_norm", back_has_tensor(w, "blk.0.attn_q_norm.weight"));
    back_attention_bias(w);
}

void glm_say_heads(struct back *w) {
    const struct tensor *q = model_find(w->m, STR("blk.0.attn_q.weight"));
    uint64_t heads;
    back_attention_bias(w);
    if (q && q->n_dims == 2 && back_find_u64(w, ".attention.head_count", &heads) && heads)
        back_u64(w, "head_dim", q->dims[0] / heads);
}

/* By the names that transformers has now. */
static const struct hparam chatglm_pairs[] = {
    HPARAM_U32(".context_length", "max_position_embeddings"),
    HPARAM_U32(".embedding_length", "hidden_size"),
    HPARAM_U32(".feed_forward_length", "intermediate_size"),
    HPARAM_F32(".attention.layer_norm_rms_epsilon", "rms_norm_eps"),
    HPARAM_END,
};

bool glm_has_sections(const struct back *w) {
    return back_has(w, ".rope.dimension_sections");
}

static bool has_no_sections(const struct back *w) {
    return !glm_has_sections(w);
}

static const struct arch_back glm4_back[] = {
    { "glm4", "Glm4ForCausalLM", .when = has_no_sections, .more = glm_say_heads }, { 0 }
};
static const struct arch_back moe_back[] = {
    { "glm4_moe", "Glm4MoeForCausalLM", .more = say_glm_moe }, { 0 }
};
static const struct arch_back chatglm_back[] = {
    { "chatglm", "ChatGLMModel", .when = is_fused, .refused = fused_code },
    { "glm", "GlmForCausalLM", .pairs = chatglm_pairs, .more = glm_say_heads },
    { 0 },
};

static const struct arch archs[] = {
    { .gguf = "glm4",
      .back = glm4_back,
      .classes = "Glm4ForCausalLM",
      .rules = glm4_rules,
      .hparams = glm4_hparams,
      .tokens = glm4_tokens,
      .tokenizers = bpe },
    { .gguf = "glm4moe",
      .back = moe_back,
      .classes = "Glm4MoeForCausalLM Glm4vMoeForConditionalGeneration",
      .rules = moe_rules,
      .hparams = moe_hparams,
      .experts = "n_routed_experts",
      .mtp = "num_nextn_predict_layers",
      .tokens = decoder_glm_tokens,
      .tokenizers = bpe },
    { .gguf = "chatglm",
      .back = chatglm_back,
      .classes = "GlmForCausalLM ChatGLMModel ChatGLMForConditionalGeneration",
      .edits = edits,
      .skip = "rotary_pos_emb.inv_freq",
      .rules = chatglm_rules,
      .hparams = chatglm_hparams,
      .tokens = chatglm_tokens,
      .tokenizers = bpe },
    { 0 },
};

const struct family family_glm = { classes, archs };
