/* SPDX-License-Identifier: Apache-2.0
 * formats/arch/diffusion.c - models that fill in masks, in no order: Dream, LLaDA, LLaDA-MoE, RND1.
 * Source: conversion/dream.py, llada.py, qwen.py. */
#include "formats/arch/back.h"
#include "formats/arch/decoder.h"
#include "formats/arch/families.h"
#include "formats/tokenizer/tokenizer.h"

static const struct hf_class classes[] = { { 0 } };

static const struct tensor_rule rules[] = {
    DECODER_ENDS,
    DECODER_NORMS,
    DECODER_ATTENTION(OP_SAME, OP_SAME),
    DECODER_QK_NORMS,
    DECODER_MLP,
    SAME("model.layers.#.mlp.gate", "blk.#.ffn_gate_inp"),
    DECODER_EXPERTS("mlp.experts"),
    RULES_END,
};

static const struct tensor_rule llada_rules[] = {
    SAME("model.transformer.wte", "token_embd"),
    SAME("model.transformer.ln_f", "output_norm"),
    SAME("model.transformer.ff_out", "output"),
    SAME("model.transformer.blocks.#.attn_norm", "blk.#.attn_norm"),
    SAME("model.transformer.blocks.#.ff_norm", "blk.#.ffn_norm"),
    { "model.transformer.blocks.#.q_proj", "blk.#.attn_q", OP_PERMUTE_Q, NULL },
    { "model.transformer.blocks.#.k_proj", "blk.#.attn_k", OP_PERMUTE_K, NULL },
    SAME("model.transformer.blocks.#.v_proj", "blk.#.attn_v"),
    SAME("model.transformer.blocks.#.attn_out", "blk.#.attn_output"),
    SAME("model.transformer.blocks.#.ff_proj", "blk.#.ffn_gate"),
    SAME("model.transformer.blocks.#.up_proj", "blk.#.ffn_up"),
    SAME("model.transformer.blocks.#.ff_out", "blk.#.ffn_down"),
    RULES_END,
};

static int add_causal(struct arch_work *w) {
    return work_bool(w, ".attention.causal", false);
}

static int add_moe_masks(struct arch_work *w) {
    enum { MASK = 156895 };
    int rc = work_u32(w, "tokenizer.ggml.mask_token_id", MASK);
    if (rc == 0)
        rc = add_causal(w);
    return rc < 0 ? rc : work_bool(w, "diffusion.shift_logits", false);
}

static int add_no_shift(struct arch_work *w) {
    return work_bool(w, "diffusion.shift_logits", false);
}

static int add_head_part(struct arch_work *w) {
    uint64_t dim, hidden;
    int rc = hf_config_u64(&w->config, "head_dim", &dim, w->err);
    if (rc == 0) {
        rc = hf_config_need(&w->config, "hidden_size d_model", &hidden, w->err);
        dim = rc == 0 && w->n_head ? hidden / w->n_head : 0;
    }
    return rc < 0 ? rc : work_u32(w, ".rope.dimension_count", dim);
}

/* A size that config.json may leave out. */
static int add_size(struct arch_work *w, const char *key, const char *name, uint64_t absent) {
    int rc = hf_config_u64(&w->config, name, &absent, w->err);
    return rc < 0 ? rc : work_u32(w, key, absent);
}

static int add_llada_sizes(struct arch_work *w) {
    int rc = add_size(w, ".context_length", "max_sequence_length", 4096);
    if (rc == 0)
        rc = add_size(w, ".embedding_length", "d_model", 4096);
    return rc < 0 ? rc : add_size(w, ".feed_forward_length", "mlp_hidden_size", 12288);
}

static const struct hparam dream_hparams[] = {
    HPARAM_LIST(hparams_text),
    HPARAM_CALL(hparam_pooling),
    HPARAM_CALL(add_causal),
    HPARAM_U32("tokenizer.ggml.mask_token_id", "mask_token_id"),
    HPARAM_END,
};

static const struct hparam llada_hparams[] = {
    HPARAM_LIST(hparams_text),
    HPARAM_CALL(hparam_pooling),
    HPARAM_NEED(".vocab_size", "vocab_size"),
    HPARAM_CALL(add_head_part),
    HPARAM_CALL(add_llada_sizes),
    HPARAM_CALL(add_causal),
    HPARAM_CALL(add_no_shift),
    HPARAM_END,
};

static const struct hparam llada_moe_hparams[] = {
    HPARAM_LIST(hparams_text),
    HPARAM_U32(".expert_feed_forward_length", "expert_intermediate_size"),
    HPARAM_CALL(add_moe_masks),
    HPARAM_END,
};

static const struct hparam rnd1_hparams[] = {
    HPARAM_LIST(hparams_text),
    HPARAM_U32(".expert_feed_forward_length", "moe_intermediate_size"),
    HPARAM_U32(".expert_shared_feed_forward_length", "shared_expert_intermediate_size"),
    HPARAM_CALL(add_causal),
    HPARAM_U32("tokenizer.ggml.mask_token_id", "mask_token_id"),
    HPARAM_END,
};

static int add_bos(struct arch_work *w) {
    return work_bool(w, "tokenizer.ggml.add_bos_token", true);
}

/* --- the way back: their code is in the models' own repositories --- */

static const struct hparam mask_pairs[] = {
    HPARAM_U32("tokenizer.ggml.mask_token_id", "mask_token_id"),
    HPARAM_END,
};

static const struct arch_back dream_back[] = {
    { "Dream", "DreamModel", .fields = BACK_DECODER_FIELDS "mask_token_id" }, { 0 }
};

/* What its code does not take for granted, as llama.cpp runs it. */
static void say_llada(struct back *w) {
    const struct tensor *embedding = model_find(w->m, STR("token_embd.weight"));
    if (embedding && embedding->n_dims == 2)
        back_u64(w, "embedding_size", embedding->dims[0]);
    back_raw(w, "block_type", "\"llama\"");
    back_raw(w, "activation_type", "\"silu\"");
    back_raw(w, "layer_norm_type", "\"rms\"");
    back_bool(w, "rope", true);
    back_bool(w, "include_bias", false);
    back_bool(w, "include_qkv_bias", back_has_tensor(w, "blk.0.attn_q.bias"));
    back_bool(w, "weight_tying", !back_has_tensor(w, "output.weight"));
}

static const struct hparam llada_pairs[] = {
    HPARAM_LIST(mask_pairs),
    HPARAM_U32(".embedding_length", "d_model"),
    HPARAM_U32(".feed_forward_length", "mlp_hidden_size"),
    HPARAM_END,
};

static const struct arch_back llada_back[] = {
    { "llada", "LLaDAModelLM",
      .fields = "d_model n_layers n_heads n_kv_heads mlp_hidden_size max_sequence_length "
                "rms_norm_eps rope_theta vocab_size mask_token_id",
      .pairs = llada_pairs, .more = say_llada },
    { 0 },
};

static const char *has_experts(const struct back *w, uint64_t block) {
    return back_block_has(w, block, "ffn_gate_inp.weight") ? "1" : "0";
}

static void say_llada_moe(struct back *w) {
    back_bool(w, "qk_layernorm", back_has_tensor(w, "blk.0.attn_q_norm.weight"));
    back_list(w, "moe_layer_freq", has_experts);
    back_bool(w, "norm_topk_prob", false); /* as llama.cpp runs it */
}

static const struct arch_back llada_moe_back[] = {
    { "llada", "LLaDAMoEModelLM",
      .fields = "num_hidden_layers max_position_embeddings hidden_size dense_intermediate_size "
                "vocab_size num_attention_heads num_key_value_heads rms_norm_eps rope_theta "
                "num_experts num_experts_per_tok expert_intermediate_size",
      .more = say_llada_moe },
    { 0 },
};

static const struct arch_back rnd1_back[] = {
    { "rnd1", "RND1",
      .fields = BACK_DECODER_FIELDS "head_dim num_experts num_experts_per_tok "
                                    "moe_intermediate_size shared_expert_intermediate_size "
                                    "mask_token_id",
      .more = qwen_say_moe3 },
    { 0 },
};

static const struct tokenizer_kind *const bpe[] = { &tokenizer_gpt2, NULL };
static const struct tokenizer_kind *const either[] = { &tokenizer_spm, &tokenizer_gpt2, NULL };

static const struct arch archs[] = {
    { .gguf = "dream",
      .back = dream_back,
      .classes = "DreamModel",
      .rules = rules,
      .hparams = dream_hparams,
      .plain_added = true,
      .tokenizers = either },
    { .gguf = "llada",
      .back = llada_back,
      .classes = "LLaDAModelLM",
      .rules = llada_rules,
      .hparams = llada_hparams,
      .plain_added = true,
      .tokenizers = bpe,
      .after = add_bos },
    { .gguf = "llada-moe",
      .back = llada_moe_back,
      .classes = "LLaDAMoEModel LLaDAMoEModelLM",
      .rules = rules,
      .hparams = llada_moe_hparams,
      .experts = "num_local_experts num_experts",
      .tokenizers = bpe },
    { .gguf = "rnd1",
      .back = rnd1_back,
      .classes = "RND1",
      .rules = rules,
      .hparams = rnd1_hparams,
      .experts = "num_local_experts num_experts",
      .tokenizers = bpe },
    { 0 },
};

const struct family family_diffusion = { classes, archs };
